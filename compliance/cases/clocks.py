"""By when a case must be decided."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from compliance.calendar import business_days_after
from compliance.results import Tier

ZONE: Final = ZoneInfo("America/New_York")
"""The Federal Reserve's: business days end at its midnight."""

_END: Final = time(23, 59, 59)


@dataclass(frozen=True, slots=True)
class ServiceLevels:
    """How long a case may take."""

    sanctions_h: int = 4  # on any day: property is blocked at once (31 CFR 501.603)
    high_h: int = 24
    medium_business_days: int = 3
    low_business_days: int = 10

    def due(self, tier: Tier, *, hits: bool, since: datetime) -> datetime:
        """By when; `hits`: a list was met."""
        if hits:
            return since + timedelta(hours=self.sanctions_h)
        if tier == Tier.HIGH:
            return since + timedelta(hours=self.high_h)
        count = self.medium_business_days if tier == Tier.MEDIUM else self.low_business_days
        day = business_days_after(since.astimezone(ZONE).date(), count)
        return datetime.combine(day, _END, ZONE)
