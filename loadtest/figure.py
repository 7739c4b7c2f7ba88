"""A measurement beside its bar."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Figure:
    """One measurement beside its bar. A value that could not be had is None: it misses, and `reason` says why."""

    name: str
    unit: str
    value: float | None
    bar: float
    is_floor: bool  # whether the bar is the least, or the most
    digits: int = 2
    reason: str = ""

    @property
    def passes(self) -> bool:
        if self.value is None:
            return False
        return self.value >= self.bar if self.is_floor else self.value <= self.bar

    def document(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": None if self.value is None else round(self.value, self.digits),
            "bar": f"{'≥' if self.is_floor else '≤'} {self.bar:,.6g}",
            "passes": self.passes,
            **({"reason": self.reason} if self.reason else {}),
        }
