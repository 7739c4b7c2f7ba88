"""What the worker counts, for metrics: plain numbers that a scrape reads."""

from collections import Counter
from dataclasses import dataclass, field

from compliance.results import ReviewResult


@dataclass(slots=True)
class Counters:
    """Since this process started, but for the gauges."""

    reviewed: Counter[tuple[str, str]] = field(default_factory=Counter)  # by tier and origin
    flagged: Counter[str] = field(default_factory=Counter)  # by source
    failed: int = 0
    parked: int = 0
    rescued: int = 0
    seconds: float = 0.0  # a review's share of its batch, summed
    depth: dict[str, int] = field(default_factory=dict)  # gauge: flagged rows by state, but for done
    oldest_s: float = 0.0  # gauge: how long the longest-waiting one has waited

    def note(self, results: list[ReviewResult], seconds: float) -> None:
        """Count a batch of reviews that was kept, which took so long."""
        self.seconds += seconds
        for result in results:
            self.reviewed[result.analysis.tier.value, result.analysis.origin.value] += 1
