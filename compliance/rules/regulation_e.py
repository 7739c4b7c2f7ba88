"""
Regulation E (12 CFR 1005): what an unauthorized transfer may cost a consumer, and by when an error is resolved.

Pure: dates and amounts in, amounts and dates out. As of 2016-11-14.
"""

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from compliance.calendar import business_days_after

FIRST_TIER_USD_MINOR: Final = 50_00
SECOND_TIER_USD_MINOR: Final = 500_00
NOTICE_BUSINESS_DAYS: Final = 2
STATEMENT_DAYS: Final = 60
NEW_ACCOUNT_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Loss:
    """
    Unauthorized transfers of one account, in US cents, by when they happened.

    `until_2_days`: within two business days after the consumer learned of the loss or theft of his card or code;
    `until_60_days`: after that, within 60 days of the statement; `after_60_days`: later, before notice.
    """

    until_2_days: int
    until_60_days: int = 0
    after_60_days: int = 0


@dataclass(frozen=True, slots=True)
class Liability:
    """What the consumer bears at most, US cents."""

    usd_minor: int
    citation: str
    text: str
    is_limited: bool = True  # False: all that came after the 60 days is his


def notice_due(learned_on: date) -> date:
    """The last day of the first tier: two business days after learning of the loss or theft, 12 CFR 1005.6(b)(1)."""
    return business_days_after(learned_on, NOTICE_BUSINESS_DAYS)


def report_due(statement_on: date) -> date:
    """The last day to report: 60 days after the statement was sent, 12 CFR 1005.6(b)(3), 1005.11(b)(1)(i)."""
    return statement_on + timedelta(days=STATEMENT_DAYS)


def liability(
    loss: Loss,
    *,
    noticed_on: date,
    learned_on: date | None = None,
    statement_on: date | None = None,
    device: bool = True,
) -> Liability:
    """
    The tiers of 12 CFR 1005.6(b).

    With a lost or stolen card or code (`device`): noticed within two business days of learning of it, at most $50; later,
    at most $500, of which at most $50 for the first two days. Not reported within 60 days of the statement that showed
    it: besides, everything from then until notice. Without a device (a card number alone): nothing until the 60 days are
    over. A consumer who never learned of it before he noticed has the first tier.
    """
    total = loss.until_2_days + loss.until_60_days
    late = statement_on is not None and noticed_on > report_due(statement_on)
    beyond = loss.after_60_days if late else 0
    if not late:
        total += loss.after_60_days
    if not device:
        usd_minor, citation, text = (
            0,
            "12 CFR 1005.6(b)(3)",
            "no card or code was lost: nothing before the 60 days",
        )
    elif learned_on is None or noticed_on <= notice_due(learned_on):
        usd_minor, citation = min(FIRST_TIER_USD_MINOR, total), "12 CFR 1005.6(b)(1)"
        text = "noticed within two business days: at most $50"
    else:
        first = min(FIRST_TIER_USD_MINOR, loss.until_2_days)
        usd_minor = min(SECOND_TIER_USD_MINOR, first + total - loss.until_2_days)
        citation, text = "12 CFR 1005.6(b)(2)", "noticed later than two business days: at most $500"
    if late:
        return Liability(
            usd_minor + beyond,
            "12 CFR 1005.6(b)(3)",
            f"{text}; not reported within 60 days of the statement: and all that followed",
            is_limited=False,
        )
    return Liability(usd_minor, citation, text)


@dataclass(frozen=True, slots=True)
class Clocks:
    """By when an institution does what, 12 CFR 1005.11(c). Days count; nothing is moved off a weekend."""

    is_timely: bool  # told within 60 days of the statement; later, 1005.11 asks for nothing
    investigate_due: date  # determined, or provisionally credited
    credit_due: date  # the same day: provisional credit buys the longer clock
    credit_notice_due: date | None  # two business days after a credit that was given
    resolve_due: date  # with provisional credit; without, investigate_due
    citation: str = "12 CFR 1005.11(c)"


def clocks(
    noticed_on: date,
    *,
    statement_on: date | None = None,
    new_account: bool = False,
    extended: bool = False,
    credited_on: date | None = None,
) -> Clocks:
    """
    10 business days, or 45 days with provisional credit: 1005.11(c)(1), (2).

    For a new account (within 30 days after the first deposit) 20 business days and 90 days; at a point of sale or
    initiated abroad (`extended`) 90 days: 1005.11(c)(3). Whoever has not credited by the first has no longer clock.
    """
    investigate = business_days_after(noticed_on, 20 if new_account else 10)
    credited = credited_on is not None and credited_on <= investigate
    long = noticed_on + timedelta(days=90 if new_account or extended else 45)
    return Clocks(
        is_timely=statement_on is None or noticed_on <= report_due(statement_on),
        investigate_due=investigate,
        credit_due=investigate,
        credit_notice_due=None if credited_on is None else business_days_after(credited_on, 2),
        resolve_due=long if credited else investigate,
    )


def corrected_due(resolved_on: date) -> date:
    """An error that was found is corrected within one business day, 12 CFR 1005.11(c)(1)."""
    return business_days_after(resolved_on, 1)


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that a consumer is told or given."""

    text: str
    due: date | None  # None: before the first transfer
    citation: str


def account_disclosures(opened_on: date, last_error_notice_on: date | None) -> tuple[Notice, ...]:
    """What an account itself asks for: initial disclosures, statements, the yearly error-resolution notice."""
    last = last_error_notice_on or opened_on
    return (
        Notice("initial disclosures, before the first electronic fund transfer", None, "12 CFR 1005.7"),
        Notice("a statement for each month with a transfer, else each quarter", None, "12 CFR 1005.9(b)"),
        Notice(
            "error-resolution notice, once a calendar year", date(last.year + 1, 12, 31), "12 CFR 1005.8(b)"
        ),
    )


def credit_notices(credited_on: date) -> tuple[Notice, ...]:
    """What a provisional credit asks for."""
    due = business_days_after(credited_on, 2)
    return (Notice("amount and date of the provisional credit", due, "12 CFR 1005.11(c)(2)(ii)"),)


def result_notices(resolved_on: date, *, error_found: bool, credited: bool) -> tuple[Notice, ...]:
    """What the end of an investigation asks for."""
    told = business_days_after(resolved_on, 3)
    if error_found:
        return (
            Notice(
                "correct the error, with interest and fees",
                corrected_due(resolved_on),
                "12 CFR 1005.11(c)(1)",
            ),
            Notice("the result, and that a provisional credit is final", told, "12 CFR 1005.11(c)(1)"),
        )
    found = [Notice("written explanation, and the right to the documents", told, "12 CFR 1005.11(d)(1)")]
    if credited:
        found.append(
            Notice(
                "date and amount of taking the credit back; items are honoured for five business days",
                told,
                "12 CFR 1005.11(d)(2)",
            )
        )
    return tuple(found)


def is_new_account(first_deposit_on: date, transferred_on: date) -> bool:
    """Within 30 days after the first deposit: 12 CFR 1005.11(c)(3)(i)."""
    return transferred_on <= first_deposit_on + timedelta(days=NEW_ACCOUNT_DAYS)
