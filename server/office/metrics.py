"""What operators see of compliance: families that a scrape reads from the worker's counters."""

from collections.abc import Callable, Mapping
from datetime import date

from compliance.analyst.analyst import Tally
from compliance.review.counters import Counters
from server.telemetry import Family

_STATES = ("waiting", "claimed", "parked")


def families(
    counters: Counters, tally: Tally, versions: Callable[[], Mapping[str, str]], today: Callable[[], date]
) -> list[Family]:
    """Reviews, the queue, the analyst, and how old each list is."""

    def one(read: Callable[[], float]) -> Callable[[], Mapping[tuple[str, ...], float]]:
        return lambda: {(): float(read())}

    def ages() -> Mapping[tuple[str, ...], float]:
        return {
            (name,): float((today() - date.fromisoformat(day)).days)
            for name, day in versions().items()
            if day
        }

    return [
        Family(
            "holdfast_compliance_reviews_total",
            "Reviews kept, by tier and by who wrote the analysis.",
            ("tier", "origin"),
            lambda: {key: float(count) for key, count in counters.reviewed.items()},
        ),
        Family(
            "holdfast_compliance_flagged_total",
            "Transactions flagged, by where they come from.",
            ("source",),
            lambda: {(source,): float(count) for source, count in counters.flagged.items()},
        ),
        Family(
            "holdfast_compliance_review_seconds_total",
            "Time that batches of reviews took, from claim to commit.",
            (),
            one(lambda: counters.seconds),
        ),
        Family("holdfast_compliance_failures_total", "Tries that failed.", (), one(lambda: counters.failed)),
        Family(
            "holdfast_compliance_parked_total",
            "Reviews parked after their last try.",
            (),
            one(lambda: counters.parked),
        ),
        Family(
            "holdfast_compliance_rescued_total",
            "Claims taken back from dead workers.",
            (),
            one(lambda: counters.rescued),
        ),
        Family(
            "holdfast_compliance_queue",
            "Flagged transactions that are not reviewed yet, by state.",
            ("state",),
            lambda: {(state,): float(counters.depth.get(state, 0)) for state in _STATES},
        ),
        Family(
            "holdfast_compliance_queue_age_seconds",
            "How long the longest-waiting one has waited.",
            (),
            one(lambda: counters.oldest_s),
        ),
        Family(
            "holdfast_compliance_llm_calls_total",
            "Requests to an LLM, by how they went.",
            ("outcome",),
            lambda: {(outcome,): float(count) for outcome, count in tally.calls.items()},
        ),
        Family(
            "holdfast_compliance_llm_fallbacks_total",
            "Analyses that fell back to rules, by reason.",
            ("reason",),
            lambda: {(reason,): float(count) for reason, count in tally.fallbacks.items()},
        ),
        Family(
            "holdfast_compliance_llm_cached_total",
            "Analyses from an answer that was kept.",
            (),
            one(lambda: tally.cached),
        ),
        Family(
            "holdfast_compliance_llm_tokens_total",
            "Tokens, by direction.",
            ("direction",),
            lambda: {("in",): float(tally.tokens_in), ("out",): float(tally.tokens_out)},
        ),
        Family(
            "holdfast_compliance_llm_cost_usd_total",
            "What they cost.",
            (),
            one(lambda: tally.cost_micro_usd / 1e6),
        ),
        Family(
            "holdfast_compliance_struck_claims_total",
            "Claims of an LLM that the record did not bear out.",
            (),
            one(lambda: tally.struck),
        ),
        Family("holdfast_compliance_list_age_days", "Age of each sanctions list.", ("list",), ages),
    ]
