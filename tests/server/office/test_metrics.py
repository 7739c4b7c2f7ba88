"""What operators see of the worker."""

from datetime import date

from compliance.analyst.analyst import Tally
from compliance.review.counters import Counters
from server.office.metrics import families


def test_metrics_read_the_workers_counters_when_they_are_asked_for():
    """By labels; a list's age is counted from its own date."""
    counters, tally = Counters(), Tally()
    found = {
        family.name: family
        for family in families(counters, tally, lambda: {"un": "2026-01-01"}, lambda: date(2026, 1, 11))
    }
    counters.reviewed["high", "rules"] += 2
    counters.depth = {"waiting": 7}
    tally.struck = 3
    assert found["holdfast_compliance_reviews_total"].read() == {("high", "rules"): 2.0}
    assert found["holdfast_compliance_queue"].read()["waiting",] == 7.0
    assert found["holdfast_compliance_struck_claims_total"].read() == {(): 3.0}
    assert found["holdfast_compliance_list_age_days"].read() == {("un",): 10.0}
