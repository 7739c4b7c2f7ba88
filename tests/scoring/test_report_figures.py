"""The figures of a report, against plain counting."""

import numpy as np
import pytest

from scoring.attempt import empty_attempts
from scoring.evaluate import average_precision, recall_at
from scoring.report import examples, groupings, groups, score_charts, wording
from scoring.report.curve import Curve, interval, saved_asking, saved_declining, saved_minor
from scoring.report.page import render
from scoring.report.scored import Currency, Grouping
from scoring.report.simple_rules import simple_rules
from scoring.report.weeks import drift, weeks
from scoring.thresholds import Costs, outcomes
from tests.scoring.scored_traffic import COSTS, laden, made


def naive_saved(scored, step_up, decline):
    """What two thresholds save, payment by payment: what would be lost without them less what is lost."""
    without = cost = 0.0
    costs = scored.costs
    for fraud, score, amount in zip(
        scored.is_fraud, scored.scores, scored.attempts["amount_minor"].tolist(), strict=True
    ):
        loss = costs.fraud_loss_share * amount + costs.chargeback_minor if fraud else 0.0
        without += loss
        if score > np.float32(decline):
            cost += 0.0 if fraud else costs.false_decline_share * amount + costs.false_decline_minor
        elif score > np.float32(step_up):
            cost += costs.step_up_passed_share * loss if fraud else costs.step_up_minor
        else:
            cost += loss
    return without - cost


@pytest.mark.parametrize("threshold", [0.0, 0.01, 0.5, 0.65, 0.85, 1.0])
def test_a_threshold_stops_what_scores_strictly_above_it_as_policy_does(threshold):
    """Ties with the threshold pass; counts and sums are those of plain counting."""
    scored = made()
    amounts = scored.attempts["amount_minor"]
    above = scored.scores > np.float32(threshold)
    found = Curve(scored.is_fraud, scored.scores, amounts).above(threshold)
    assert found[1:] == (
        int((above & scored.is_fraud).sum()),
        int((above & ~scored.is_fraud).sum()),
        int(amounts[above & scored.is_fraud].sum()),
        int(amounts[above & ~scored.is_fraud].sum()),
    )


@pytest.mark.parametrize("rate", [0.0001, 0.001, 0.01, 0.05, 0.5])
def test_recall_at_a_false_positive_rate_is_the_evaluation_s(rate):
    """One definition in figures and in pictures; the threshold that is told gives the same counts."""
    scored = made()
    curve = Curve(scored.is_fraud, scored.scores, scored.attempts["amount_minor"])
    found = curve.allowing(rate)
    assert found.frauds / scored.is_fraud.sum() == recall_at(scored.is_fraud, scored.scores, rate)
    assert found.genuine <= rate * (~scored.is_fraud).sum()
    assert curve.above(found.threshold)[1:] == found[1:]


@pytest.mark.parametrize(("step_up", "decline"), [(0.65, 0.85), (0.1, 0.4), (0.5, 0.5)])
def test_what_thresholds_save_is_the_sum_over_payments(step_up, decline):
    """And the same as training reckons when it chooses them."""
    scored = made()
    amounts = scored.attempts["amount_minor"]
    curve = Curve(scored.is_fraud, scored.scores, amounts)
    found = saved_minor(curve.above(decline), curve.above(step_up), COSTS)
    assert found == pytest.approx(naive_saved(scored, step_up, decline), abs=1)
    chosen = next(
        outcome
        for outcome in outcomes(scored.is_fraud, scored.scores, amounts, COSTS)
        if (outcome.step_up, outcome.decline) == (step_up, decline)
    )
    assert found == pytest.approx(chosen.saved_minor, abs=1)


def test_no_pair_of_thresholds_saves_more_than_the_best_one():
    """Every pair of a small history is tried."""
    scored = made(120)
    curve = Curve(scored.is_fraud, scored.scores, scored.attempts["amount_minor"])
    best = curve.best(COSTS)
    ends = [-1.0, *np.unique(scored.scores).tolist()]
    tried = [naive_saved(scored, low, high) for low in ends for high in ends if low <= high]
    assert saved_minor(best.decline, best.step_up, COSTS) == pytest.approx(max(tried), abs=1)
    alone = [naive_saved(scored, end, end) for end in ends]
    assert float(saved_declining(best.alone, COSTS)) == pytest.approx(max(alone), abs=1)


def test_nothing_is_stopped_where_stopping_only_costs():
    """The best threshold of a hopeless model declines nobody."""
    scored = made(costs=Costs(0.0, 0, 2_000, 0.0, 500, 0.0))
    curve = Curve(scored.is_fraud, scored.scores, scored.attempts["amount_minor"])
    best = curve.best(scored.costs)
    assert best.step_up[1:] == best.decline[1:] == (0, 0, 0, 0)
    assert float(saved_asking(best.step_up, scored.costs)) == 0.0
    assert "no threshold would save anything" in render(scored)


def test_an_interval_is_wilson_s():
    """Against published values; nothing seen leaves everything possible."""
    assert interval(1, 10) == pytest.approx((0.01788, 0.40415), abs=1e-4)
    assert interval(0, 20) == pytest.approx((0.0, 0.16113), abs=1e-4)
    assert interval(20, 20) == pytest.approx((0.83887, 1.0), abs=1e-4)
    assert interval(0, 0) == (0.0, 1.0)


def test_payments_of_like_scores_are_all_there_and_never_few():
    """Each payment stands in one bin; only the last may be small."""
    scored = made()
    found = score_charts.bins(scored.is_fraud, scored.scores)
    assert sum(one.total for one in found) == len(scored.scores)
    assert sum(one.frauds for one in found) == scored.is_fraud.sum()
    assert sum(one.mean * one.total for one in found) == pytest.approx(scored.scores.sum(dtype=np.float64))
    assert all(one.total >= 25 for one in found[:-1])
    assert [one.mean for one in found] == sorted(one.mean for one in found)


def test_weeks_begin_on_monday_and_lose_no_payment():
    """Five weeks from a Monday are five whole weeks; each one's figures are those of plain counting."""
    scored = made()
    found = weeks(scored)
    assert [week.begin_s for week in found] == [1_730_073_600 + 604_800 * number for number in range(5)]
    assert all(week.whole for week in found)
    for week in found:
        times_s = scored.attempts["time_s"]
        rows = (times_s >= week.begin_s) & (times_s < week.begin_s + 604_800)
        fraud, scores = scored.is_fraud[rows], scored.scores[rows]
        assert (week.part.transactions, week.part.frauds) == (rows.sum(), fraud.sum())
        assert week.part.declined == (int((scores > np.float32(0.85))[fraud].sum()), fraud.sum())
        assert week.part.average_precision == average_precision(fraud, scores)


def test_drift_is_nothing_of_the_same_scores_and_much_of_others():
    """The index is zero for the usual scores and beyond a quarter for scores that moved."""
    scores = made().scores
    assert drift(scores, scores) == 0.0
    assert drift(scores, scores[scores < np.median(scores)]) > 0.25


def test_parts_count_their_own_rows_and_name_those_that_nobody_knows():
    """A group without payments is left out, payments of no group come last."""
    scored = made()
    codes = np.where(scored.attempts["card_row"] < 30, 0, -1)
    found = groups.parts(scored, Grouping("Half", ("first", "empty"), codes))
    assert [part.label for part in found] == ["first", "not known"]
    rows = codes == 0
    fraud, scores = scored.is_fraud[rows], scored.scores[rows]
    assert found[0].stepped_up == (int((scores > np.float32(0.65))[fraud].sum()), int(fraud.sum()))
    assert found[0].wrongly_stepped_up == (
        int((scores > np.float32(0.65))[~fraud].sum()),
        int((~fraud).sum()),
    )
    assert found[0].fraud_minor == scored.attempts["amount_minor"][rows][fraud].sum()
    assert found[0].expected == pytest.approx(scores.sum(dtype=np.float64))


def test_a_group_stands_out_only_beyond_a_quarter_and_beyond_chance():
    """Twice the usual rate among many does; among few, or a tenth more among many, doesn't."""
    usual = groups.Rate(1_000, 100_000)
    assert groups.stands_out(groups.Rate(200, 10_000), usual)
    assert not groups.stands_out(groups.Rate(2, 100), usual)
    assert not groups.stands_out(groups.Rate(11_000, 1_000_000), usual)
    assert not groups.stands_out(groups.Rate(0, 0), usual)


def test_an_age_is_that_of_the_day_of_the_payment():
    """Bands change on the birthday, also of the 29th of February; what is no date is not known."""
    day_s = [int(np.datetime64(day, "s").astype(int)) for day in ("2025-06-14", "2025-06-15", "2025-03-01")]
    born = ["2000-06-15", "", "2000-02-29", "2000-13-01", "2030-01-01"]
    found = groupings.age_bands(born, np.array([0, 0, 2, 1, 3, 4]), np.array([*day_s, *day_s]))
    assert found.codes.tolist() == [0, 1, 1, -1, -1, -1]


def test_states_become_regions_and_rare_names_one_group():
    """Other names stay as they are while they are few."""
    states = groupings.regions(["TX", "CA", "", "NY"], np.array([0, 1, 2, 3]))
    assert [states.labels[code] if code >= 0 else "" for code in states.codes] == [
        "South", "West", "", "Northeast",
    ]  # fmt: skip
    assert groupings.regions(["Ticino", "Bern"], np.array([1, 0])).labels == ("Bern", "Ticino")
    many = [f"place {number:02}" for number in range(20)]
    found = groupings.regions(many, np.repeat(np.arange(20), np.arange(20, 0, -1)))
    assert len(found.labels) == 12
    assert found.labels[-1] == "other"
    assert (found.codes == 11).sum() == sum(range(1, 10))


def test_simple_rules_stop_what_their_names_say():
    """High amounts; high amounts by night only where there is a local time."""
    attempts = empty_attempts(4)
    attempts["amount_minor"] = [22_000, 22_001, 25_001, 25_001]
    assert [rule.tolist() for rule in simple_rules(attempts).values()] == [[False, True, True, True]]
    attempts["local_time_s"] = [0, 0, 22 * 3_600, 4 * 3_600]
    assert list(simple_rules(attempts).values())[1].tolist() == [False, False, True, False]


def test_worst_examples_are_one_a_card_in_order():
    """The highest genuine scores and the lowest of fraud, the larger amount first among equals."""
    scored = made()
    alarms = [example.row for example in examples.false_alarms(scored)]
    assert len(set(scored.attempts["card_row"][alarms].tolist())) == len(alarms) == examples.MOST
    highest = max(
        np.flatnonzero(~scored.is_fraud),
        key=lambda row: (scored.scores[row], scored.attempts["amount_minor"][row]),
    )
    assert alarms[0] == highest
    assert scored.scores[alarms].tolist() == sorted(scored.scores[alarms].tolist(), reverse=True)
    missed = [example.row for example in examples.missed(scored)]
    assert scored.is_fraud[missed].all()
    assert scored.scores[missed[0]] == scored.scores[scored.is_fraud].min()


def test_the_slowest_examples_come_from_different_batches():
    """A batch has one time; each of its transactions would say the same."""
    scored = laden()
    rows = [example.row for example in examples.slowest(scored)]
    times = scored.elapsed_us[rows].tolist()
    assert times == sorted(set(scored.elapsed_us.tolist()), reverse=True)[: examples.MOST]
    assert examples.slowest(made()) == []


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0 %"), (1.0, "100 %"), (0.9731, "97.3 %"), (0.9996, "99.96 %"), (0.999999, "99.9999 %"),
        (0.0123, "1.23 %"), (0.00012, "0.012 %"), (None, "\N{EN DASH}"),
    ],
)  # fmt: skip
def test_a_share_has_as_many_digits_as_say_something(value, text):
    """It is 100 % or 0 % only where it is."""
    assert wording.share(value).replace("\N{NO-BREAK SPACE}", " ") == text


def test_money_is_exact_and_carries_its_currency():
    """No float in between; a negative amount has a minus sign; a headline rounds half away from zero."""
    dollars, yen, dinars = Currency("USD"), Currency("JPY", 0), Currency("KWD", 3)
    told = [
        wording.money(123_456_789_012_345_678, dollars),
        wording.money(-5, dollars),
        wording.money(1_234, yen),
        wording.money(1_234, dinars),
        wording.round_money(-150, dollars),
        wording.round_money(49, dollars),
        wording.money(123, Currency()),
    ]
    assert [text.replace("\N{NO-BREAK SPACE}", " ") for text in told] == [
        "USD 1,234,567,890,123,456.78", "\N{MINUS SIGN}USD 0.05", "JPY 1,234", "KWD 1.234", "\N{MINUS SIGN}USD 2", "USD 0",
        "1.23",
    ]  # fmt: skip
