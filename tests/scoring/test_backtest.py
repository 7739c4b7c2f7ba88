"""A past is decided again as the server decides: one by one, with everything given back at its moment."""

import numpy as np
import pytest

from scoring.attempt import empty_attempts
from scoring.backtest import (
    GIVEN,
    Cases,
    Challenge,
    Outcome,
    Side,
    compare,
    count_names,
    replay,
)
from scoring.velocity import (
    AMOUNT,
    DAY,
    LIMIT,
    STEP,
    STEP_DECLINE,
    STEP_REDUCE,
    STEP_RELEASE,
    TRANSACTION,
    LimitTable,
    Measure,
    Of,
    Subject,
    Velocity,
)

MINUTE, HOUR, DAY_24H = 1, 3, 4
BEGIN_S = 1_700_000_000


def limit(name, ceiling, window=HOUR, measure=Measure.COUNT, of=Of.APPROVALS, subject=Subject.CARD):
    row = np.zeros(1, LIMIT)
    row["number"] = row["name"] = name
    row["subject"], row["measure"], row["of"], row["window"] = subject, measure, of, window
    row["ceiling"] = ceiling
    return row


def side(count, *limits, scores=0.1, step_up=0.6, decline=0.8, unscored_declines=False):
    """All cases by the same limits, thresholds and score, unless an array says otherwise."""
    rows = np.concatenate([np.zeros(0, LIMIT), *limits])
    return Side(
        LimitTable(rows, np.array([0, 0, len(rows)], np.uint32)),
        np.ones(count, np.uint32),
        np.broadcast_to(np.float32(scores), count).copy(),
        np.full(count, step_up, np.float32),
        np.full(count, decline, np.float32),
        np.full(count, unscored_declines),
    )


def cases(amounts_minor, *, apart_s=60, cards=None, **changed):
    """Purchases of one card, so many seconds apart, each answered before the next."""
    count = len(amounts_minor)
    attempts = empty_attempts(count)
    attempts["time_s"] = BEGIN_S + apart_s * np.arange(count)
    attempts["amount_minor"] = amounts_minor
    attempts["card_row"] = np.zeros(count) if cards is None else cards
    attempts["account"] = attempts["card_row"] + 1
    attempts["merchant"] = 7
    days = attempts["time_s"] // 86_400
    plain = Cases(
        attempts=attempts,
        day_ids=days.astype(np.int32),
        month_ids=(days // 30).astype(np.int32),
        enters=np.ones(count, np.bool_),
        refused_before=np.zeros(count, np.bool_),
        consumes=np.ones(count, np.bool_),
        scored=np.ones(count, np.bool_),
        challenges=np.full(count, Challenge.PASS, np.uint8),
        behind=np.full(count, Outcome.APPROVED, np.uint8),
        held_minor=attempts["amount_minor"].copy(),
        settled_after=np.arange(1, count + 1),
        given=np.zeros(0, GIVEN),
    )
    return plain._replace(**changed)


class OneByOne:
    """The plain twin: every case admitted alone, every decision taken in Python, nothing looked up ahead."""

    def __init__(self, told, how):
        self.told, self.how = told, how
        self.velocity = Velocity()
        self.velocity.grow(64, 65)
        self.outcomes, self.reserved, self.limits = [], [], []

    def run(self):
        count = len(self.told.attempts)
        for place in range(count):
            self.admit(place)
            for settled in range(count):
                if self.told.settled_after[settled] == place + 1:
                    self.settle(settled)
            for given in self.told.given:
                if given["after"] == place + 1:
                    self.give_back(given)
        return self.outcomes

    def admit(self, place):
        told, one = self.told, slice(place, place + 1)
        before = bool(told.refused_before[place])
        admitted = self.velocity.admit(
            told.attempts[one],
            day_ids=told.day_ids[one],
            month_ids=told.month_ids[one],
            counted=np.array([bool(told.consumes[place]) and not before]),
            entering=told.enters[one],
            limit_sets=self.how.limit_sets[one],
            limits=self.how.limits,
        )
        flags = int(admitted.flags[0])
        self.reserved.append(bool(admitted.reserved[0]))
        passed = [line for line in admitted.consulted[0] if line["passed"] and not line["shadow"]]
        self.limits.append(int(passed[0]["name"]) if passed else 0)
        if before:
            self.outcomes.append(Outcome.REFUSED_BEFORE)
        elif flags:
            self.outcomes.append(Outcome.LIMIT_AMOUNT if flags & AMOUNT else Outcome.LIMIT_FREQUENCY)
        else:
            self.outcomes.append(min(self.scored(place), Outcome(int(told.behind[place]))))

    def scored(self, place):
        if not self.told.scored[place]:
            return Outcome.APPROVED
        score = self.how.scores[place]
        if np.isnan(score):
            return Outcome.SCORE if self.how.unscored_declines[place] else Outcome.APPROVED
        if score > self.how.decline[place]:
            return Outcome.SCORE
        if score > self.how.step_up[place]:
            return {
                Challenge.PASS: Outcome.APPROVED,
                Challenge.STEP_UP: Outcome.STEP_UP,
                Challenge.DECLINE: Outcome.SCORE,
            }[Challenge(int(self.told.challenges[place]))]
        return Outcome.APPROVED

    def settle(self, place):
        asked = int(self.told.attempts["amount_minor"][place])
        outcome = self.outcomes[place]
        if self.reserved[place] and outcome != Outcome.APPROVED:
            self.step(place, STEP_RELEASE, asked)
        if self.reserved[place] and outcome == Outcome.APPROVED and self.told.held_minor[place] < asked:
            self.step(place, STEP_REDUCE, asked - int(self.told.held_minor[place]))
        if self.told.enters[place] and outcome not in (Outcome.APPROVED, Outcome.STEP_UP, Outcome.AWAY):
            self.step(place, STEP_DECLINE, asked)

    def give_back(self, given):
        place = int(given["case"])
        if self.reserved[place] and self.outcomes[place] == Outcome.APPROVED:
            self.step(place, STEP_RELEASE if given["whole"] else STEP_REDUCE, int(given["amount_minor"]))

    def step(self, place, kind, amount_minor):
        step = np.zeros(1, STEP)
        for name in ("time_s", "merchant", "device", "ip", "card_row", "account", "category", "country"):
            step[name] = self.told.attempts[name][place]
        step["day_id"], step["month_id"] = self.told.day_ids[place], self.told.month_ids[place]
        step["amount_minor"], step["step"] = amount_minor, kind
        self.velocity.retrace(step)


def random_past(seed, count=300):
    """A crowded past: several cards, late answers, refusals of every kind, partial approvals and reversals."""
    rng = np.random.default_rng(seed)
    told = cases(rng.integers(1, 20_000, count), apart_s=40, cards=rng.integers(0, 6, count))
    places = np.arange(count)
    approved_in_part = rng.random(count) < 0.1
    given = np.zeros(40, GIVEN)
    given["case"] = rng.choice(count, 40, replace=False)
    given["after"] = np.minimum(given["case"] + rng.integers(1, 60, 40), count)
    given["whole"] = rng.random(40) < 0.7
    given["amount_minor"] = told.attempts["amount_minor"][given["case"]] // np.where(given["whole"], 1, 2)
    approved_in_part[given["case"]] = False
    told = told._replace(
        enters=rng.random(count) < 0.95,
        refused_before=rng.random(count) < 0.05,
        consumes=rng.random(count) < 0.95,
        scored=rng.random(count) < 0.9,
        challenges=rng.integers(0, 3, count).astype(np.uint8),
        behind=rng.choice(
            [Outcome.REFUSED_AFTER, Outcome.AWAY, Outcome.APPROVED], count, p=[0.1, 0.05, 0.85]
        ).astype(np.uint8),
        held_minor=told.attempts["amount_minor"] // np.where(approved_in_part, 2, 1),
        settled_after=np.minimum(places + 1 + rng.integers(0, 8, count) * (rng.random(count) < 0.5), count),
        given=given[np.argsort(given["after"], kind="stable")],
    )
    given_before_settled = told.given["after"] < told.settled_after[told.given["case"]]
    told.given["after"][given_before_settled] = told.settled_after[told.given["case"]][given_before_settled]
    told = told._replace(given=told.given[np.argsort(told.given["after"], kind="stable")])
    scores = rng.random(count).astype(np.float32) * 0.95
    scores[rng.random(count) < 0.1] = np.nan
    return told, scores


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("of", [Of.APPROVALS, Of.DECLINES], ids=["approvals", "declines"])
def test_a_past_in_pieces_is_decided_as_one_by_one(seed, of):
    """Going through runs of cases at once decides nothing otherwise than taking each alone."""
    told, scores = random_past(seed)
    how = side(
        len(scores),
        limit(1, 9, window=HOUR),
        limit(2, 60_000, window=HOUR, measure=Measure.AMOUNT),
        limit(3, 150_000, window=DAY, measure=Measure.AMOUNT),
        limit(4, 30, window=HOUR, subject=Subject.MERCHANT),
        limit(5, 6, window=HOUR, of=of),
        scores=scores,
    )
    decided = replay(told, how)
    twin = OneByOne(told, how)
    assert decided.outcomes.tolist() == twin.run()
    assert decided.reserved.tolist() == twin.reserved
    assert decided.limits.tolist() == twin.limits
    assert len(set(decided.outcomes.tolist())) == len(Outcome)


def test_a_limit_in_shadow_refuses_nothing_and_is_counted_on_paper():
    """What it would have refused is told by its name."""
    shadow = limit(1, 2)
    shadow["shadow"] = 1
    decided = replay(cases([100] * 4), side(4, shadow, limit(2, 3)))
    assert decided.outcomes.tolist() == [7, 7, 7, 2]
    assert decided.on_paper.tolist() == [0, 0, 1, 1]
    assert decided.limits.tolist() == [0, 0, 0, 2]


def test_a_decline_gives_back_what_it_had_reserved_when_it_is_settled():
    """The next payment fits again; one that came before the decline was settled didn't."""
    scores = np.array([0.9, 0.1], np.float32)
    how = side(2, limit(1, 10_000, window=HOUR, measure=Measure.AMOUNT), scores=scores)
    in_turn = cases([8_000, 8_000])
    assert replay(in_turn, how).outcomes.tolist() == [Outcome.SCORE, Outcome.APPROVED]
    at_once = in_turn._replace(settled_after=np.array([2, 2]))
    assert replay(at_once, how).outcomes.tolist() == [Outcome.SCORE, Outcome.LIMIT_AMOUNT]


def test_what_is_refused_now_was_never_reversed():
    """A reversal gives back only what is approved on this side too."""
    told = cases([8_000, 3_000, 8_000])
    given = np.array([(2, 0, 8_000, True)], GIVEN)
    how = side(3, limit(1, 10_000, window=HOUR, measure=Measure.AMOUNT))
    assert replay(told, how).outcomes.tolist() == [7, 1, 1]
    assert replay(told._replace(given=given), how).outcomes.tolist() == [7, 1, 7]
    small = side(3, limit(1, 7_000, window=TRANSACTION, measure=Measure.AMOUNT))
    assert replay(told._replace(given=given), small).outcomes.tolist() == [1, 7, 1]


def test_a_comparison_counts_what_is_gained_and_lost_with_its_money_and_fraud():
    """Looser limits gain, a lower threshold loses; examples come with the most money first."""
    told = cases([100, 200, 300, 400], apart_s=1)
    before = replay(told, side(4, limit(1, 2)))
    scores = np.array([0.1, 0.7, 0.1, 0.1], np.float32)
    after = replay(told, side(4, limit(1, 3), scores=scores, decline=0.5, step_up=0.4))
    found = compare(told, before, after, np.ones(4, np.bool_), np.array([False, True, False, False]))
    assert found["gained"] == {"count": 2, "amount_minor": 700, "fraud_count": 0, "fraud_amount_minor": 0}
    assert found["lost"] == {"count": 1, "amount_minor": 200, "fraud_count": 1, "fraud_amount_minor": 200}
    assert found["examples"] == {"gained": [3, 2], "lost": [1]}
    assert found["before"]["limit_frequency"]["count"] == 2
    assert found["after"]["score"]["amount_minor"] == 200
    assert sum(figures["count"] for figures in found["after"].values()) == found["payments"]["count"] == 4
    assert count_names(before.limits, np.ones(4, np.bool_)) == {1: 2}
    unlabelled = compare(told, before, after, np.array([True, True, True, False]), None)
    assert unlabelled["gained"] == {"count": 1, "amount_minor": 300}


def test_a_past_without_payments_is_decided_at_once():
    """Nothing came, nothing is decided."""
    assert len(replay(cases(np.zeros(0, np.int64)), side(0)).outcomes) == 0
