"""By when what must be filed: pure dates, each with its section."""

from datetime import date, timedelta
from typing import Final

from compliance.calendar import business_days_after
from compliance.filings.content import Form

SAR_DAYS: Final = 30
SAR_DAYS_WITHOUT_SUSPECT: Final = 60
CTR_DAYS: Final = 15
BLOCKED_BUSINESS_DAYS: Final = 10
CONTINUING_REVIEW_DAYS: Final = 90
CONTINUING_FILING_DAYS: Final = 120


def due(form: Form, begins: date, *, has_suspect: bool = True) -> date:
    """
    The last day to file.

    SAR: 30 calendar days after the facts were detected, 60 where no suspect is known (31 CFR 1020.320(b)(3)). CTR: 15
    days after the cash changed hands (31 CFR 1010.306(a)(1)). Blocked property: 10 business days after it was blocked
    (31 CFR 501.603(b)(1)(i)).
    """
    if form is Form.SAR:
        return begins + timedelta(SAR_DAYS if has_suspect else SAR_DAYS_WITHOUT_SUSPECT)
    if form is Form.CTR:
        return begins + timedelta(CTR_DAYS)
    return business_days_after(begins, BLOCKED_BUSINESS_DAYS)


def continuing(filed: date) -> tuple[date, date]:
    """
    After a SAR: when activity that goes on is reviewed again, and the last day to file on it.

    90 days, and 120 days after the report before (FinCEN's answers on continuing activity).
    """
    return filed + timedelta(CONTINUING_REVIEW_DAYS), filed + timedelta(CONTINUING_FILING_DAYS)
