"""Which transfers wait for somebody's decision, and why. A seam: whoever knows more hands in a Review of his own."""

from dataclasses import dataclass, field
from typing import Final, Protocol


@dataclass(frozen=True, slots=True)
class Question:
    """A transfer as the rules see it. `usd_minor` is its worth in US cents; None where nobody knows it."""

    kind: str
    direction: str
    account_number: int
    payee_account: int | None
    usd_minor: int | None
    counterparty_country: int  # ISO 3166-1 number; 0 where there is none
    purpose: str


class Review(Protocol):
    """Says which transfers wait."""

    def reasons(self, question: Question) -> tuple[str, ...]:
        """Why this transfer must wait for a decision, for people and programs; empty where it need not."""
        ...


USD_MAX_MINOR: Final = {
    "internal": 5_000_000,
    "ach": 2_500_000,
    "wire": 1_000_000,
    "rtp": 1_000_000,
    "swift": 1_000_000,
    "cash_deposit": 1_000_000,
    "cash_withdrawal": 1_000_000,
}
"""Above so much, by kind, somebody looks at it. Of cash it is what a currency report is made of (31 CFR 1010.311)."""

COUNTRIES: Final = frozenset({104, 192, 364, 408})
"""Myanmar, Cuba, Iran, North Korea: FATF's call for action (October 2025) and OFAC's embargoed countries."""


@dataclass(frozen=True, slots=True)
class RuleTable:
    """Amounts by kind, and countries. What it does not know, it wants to be looked at."""

    usd_max_minor: dict[str, int] = field(default_factory=lambda: dict(USD_MAX_MINOR))
    countries: frozenset[int] = COUNTRIES

    def reasons(self, question: Question) -> tuple[str, ...]:
        """See Review."""
        found = []
        if question.counterparty_country in self.countries:
            found.append(f"country_{question.counterparty_country:03d}")
        limit = self.usd_max_minor[question.kind]
        if question.usd_minor is None:
            found.append("worth_unknown")
        elif question.usd_minor > limit:
            found.append(f"amount_above_{limit}_usd_minor")
        return tuple(found)
