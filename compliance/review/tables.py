"""What is looked up besides: codes of currencies and countries, exchange rates. Handed in, so that no file is read here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo


@dataclass(frozen=True, slots=True)
class Tables:
    """ISO codes and what money is worth."""

    currencies: Mapping[int, str]  # ISO 4217 number → alpha-3
    countries: Mapping[int, str]  # ISO 3166-1 number → alpha-2
    worth_usd_minor: Callable[
        [int, int], int | None
    ]  # (amount_minor, currency number); None where no rate is known
    rated: Callable[[], Sequence[int]]  # currency numbers whose worth is known now
    zone: ZoneInfo  # the bank's: by it a business day begins and ends

    def currency(self, number: int) -> str:
        """Alpha-3; the number's digits where there is no such currency."""
        return self.currencies.get(number, f"{number:03d}")

    def country(self, number: int) -> str:
        """Alpha-2; empty where it is not known."""
        return self.countries.get(number, "")
