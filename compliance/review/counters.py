"""What the worker counts, for metrics: plain numbers that a scrape reads."""

from collections import Counter
from dataclasses import dataclass, field

from compliance.results import Origin, ReviewResult


@dataclass(slots=True)
class Counters:
    """Since this process started, but for the gauges."""

    reviewed: Counter[tuple[str, str]] = field(default_factory=Counter)  # by tier and origin
    flagged: Counter[str] = field(default_factory=Counter)  # by source
    failed: int = 0
    parked: int = 0
    rescued: int = 0
    seconds: float = 0.0  # a review's share of its batch, summed
    calls: int = 0  # of an LLM; an answer from the cache is none
    fallbacks: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    cost_micro_usd: int = 0
    struck: int = 0
    depth: dict[str, int] = field(default_factory=dict)  # gauge: flagged rows by state, but for done
    oldest_s: float = 0.0  # gauge: how long the longest-waiting one has waited

    def note(self, results: list[ReviewResult], seconds: float) -> None:
        """Count a batch of reviews that was kept, which took so long."""
        self.seconds += seconds
        for result in results:
            analysis = result.analysis
            self.reviewed[analysis.tier.value, analysis.origin.value] += 1
            self.struck += len(analysis.struck)
            self.fallbacks += analysis.origin == Origin.FALLBACK
            if not analysis.cached:
                self.calls += analysis.origin == Origin.MODEL
                self.tokens_in += analysis.tokens_in
                self.tokens_out += analysis.tokens_out
                self.cost_micro_usd += analysis.cost_micro_usd
