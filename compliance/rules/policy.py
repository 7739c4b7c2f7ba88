"""The thresholds of the rules: what the law fixes, and what the issuer chose. Amounts are US cents."""

from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from compliance.facts import Flag, Kind, Subject

USD: Final = "USD"


@dataclass(frozen=True, slots=True)
class RulesPolicy:
    """
    Thresholds. `…_over_…` is met above the number only, `…_from_…` at the number too.

    What the law fixes (currency reports, the travel rule, suspicious activity) may be set stricter, never looser:
    ValueError names the field.
    """

    # What is reviewed at all.
    flag_over_usd_minor: int = 10_000_00
    flag_over_score: float = 0.7
    flag_kinds: tuple[Kind, ...] = (Kind.WIRE, Kind.SWIFT, Kind.CASH_DEPOSIT, Kind.CASH_WITHDRAWAL)
    flag_reasons: tuple[Flag, ...] = tuple(Flag)  # any left out is not looked at
    # A review is mandatory, and enhanced due diligence.
    review_over_usd_minor: int = 50_000_00
    review_over_score: float = 0.7
    due_diligence_over_usd_minor: int = 50_000_00
    # The tier.
    points_over_usd_minor: int = 50_000_00  # one point
    more_points_over_usd_minor: int = 100_000_00  # two
    medium_from_points: float = 2.0
    high_from_points: float = 4.0
    # Currency: 31 CFR 1010.311, 1010.314.
    currency_over_usd_minor: int = 10_000_00
    business_zone: str = "America/New_York"  # whose midnight ends a business day
    structuring_days: int = 10
    structuring_count: int = 2
    structuring_near_from_usd_minor: int = 8_000_00  # just under the limit begins here
    # Travel rule: 31 CFR 1010.410(e), (f).
    travel_from_usd_minor: int = 3_000_00
    # Suspicious activity: 31 CFR 1020.320(a)(2).
    suspicious_from_usd_minor: int = 5_000_00
    high_rated_over_usd_minor: int = 100_000_00
    # Patterns over time.
    rapid_hours: int = 48
    rapid_share: float = 0.8  # of what came in, gone again
    cycle_days: int = 30
    cycle_hops_max: int = 6
    cycle_kept_share: float = 0.5  # of the amount, from each hop to the next
    fan_days: int = 7
    fan_count: int = 5  # different others
    fan_usual_times: float = 2.0  # and so many times what is usual
    dormant_days: int = 180
    dormant_from_usd_minor: int = 1_000_00
    unusual_times: float = 3.0
    unusual_months_min: float = 2.0  # of history, below which nothing is usual
    unusual_from_usd_minor: int = 5_000_00

    def __post_init__(self) -> None:
        """Raises ValueError for what is looser than the law, or contradicts itself."""
        for name, most in (
            ("currency_over_usd_minor", 10_000_00),
            ("travel_from_usd_minor", 3_000_00),
            ("suspicious_from_usd_minor", 5_000_00),
        ):
            if not 0 < getattr(self, name) <= most:
                raise ValueError(f"{name} must be 1 to {most}: the law's own limit")
        if not self.structuring_near_from_usd_minor < self.currency_over_usd_minor:
            raise ValueError("structuring_near_from_usd_minor must be under currency_over_usd_minor")
        if not self.medium_from_points < self.high_from_points:
            raise ValueError("medium_from_points must be under high_from_points")
        if not self.points_over_usd_minor < self.more_points_over_usd_minor:
            raise ValueError("points_over_usd_minor must be under more_points_over_usd_minor")
        for name, words in (("flag_kinds", Kind), ("flag_reasons", Flag)):
            if not set(getattr(self, name)) <= set(words):
                raise ValueError(f"{name}: of {', '.join(words)}")
        try:
            ZoneInfo(self.business_zone)
        except (ValueError, ZoneInfoNotFoundError):
            raise ValueError(f"business_zone: no such time zone: {self.business_zone!r}") from None
        for name in ("rapid_share", "cycle_kept_share", "flag_over_score", "review_over_score"):
            if not 0.0 < getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be over 0 and at most 1")


def worth(subject: Subject) -> int | None:
    """US cents; None where no rate was known: then no threshold can be told to be passed or kept."""
    if subject.usd_minor is None and subject.currency == USD:
        return subject.amount_minor
    return subject.usd_minor


def is_called_off(subject: Subject) -> bool:
    """Whether the transfer came to nothing: attempted, it may be suspicious; no currency and no order moved."""
    return subject.state in {"failed", "rejected", "blocked"}


def passes(usd_minor: int | None, over_usd_minor: int) -> bool:
    """Whether an amount is over a limit; one of unknown worth is not."""
    return usd_minor is not None and usd_minor > over_usd_minor


def reaches(usd_minor: int | None, from_usd_minor: int) -> bool:
    """Whether an amount is at a limit or over it; one of unknown worth is not."""
    return usd_minor is not None and usd_minor >= from_usd_minor
