"""What one authorization costs: CPU seconds and bytes written, at a stated rate for the machine."""

from dataclasses import dataclass
from typing import Any, Final

USD_MAX: Final = 0.005
"""What an authorization may cost."""

MONTHS_KEPT: Final = 12
GB: Final = 1_000_000_000


@dataclass(frozen=True)
class Rates:
    """
    What a machine costs. The defaults are list prices of a general-purpose cloud machine of two cores and 8 GB at
    0.10 dollars an hour, and of its block storage.
    """

    usd_per_core_hour: float = 0.05
    usd_per_gb_month: float = 0.10

    def __post_init__(self) -> None:
        if self.usd_per_core_hour < 0 or self.usd_per_gb_month < 0:
            raise ValueError("prices can't be below 0")


def price(rates: Rates, step: dict[str, Any], cores: int) -> dict[str, Any] | None:
    """
    What each answer of an `open_loop.Step` cost, ready for JSON; None where the system doesn't tell.

    `usd` prices the CPU that was used and keeps every byte written for a year; `usd_whole_machine` charges all cores for all
    of the time instead, busy or not.
    """
    answered = step["answered"]
    if not answered or step["server_cpu_s"] is None or step["written_bytes"] is None:
        return None
    cpu_s, written = step["server_cpu_s"] / answered, step["written_bytes"] / answered
    kept_usd = written / GB * rates.usd_per_gb_month * MONTHS_KEPT
    core_second_usd = rates.usd_per_core_hour / 3_600
    return {
        "cpu_us": cpu_s * 1e6,
        "written_bytes": written,
        "usd_per_core_hour": rates.usd_per_core_hour,
        "usd_per_gb_month": rates.usd_per_gb_month,
        "months_kept": MONTHS_KEPT,
        "usd": cpu_s * core_second_usd + kept_usd,
        "usd_whole_machine": step["elapsed_s"] * cores / answered * core_second_usd + kept_usd,
    }
