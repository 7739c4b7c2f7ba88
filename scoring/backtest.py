"""
A history decided again: what other limits, thresholds or another model would have approved.

Features read attempts and never outcomes, so that a history has one list of scores whatever is decided. Limits
read what was approved before: `replay` goes through the history in its order, with the server's own windows
(`velocity`), and gives back what a decision doesn't consume at the moment when it did so. A history is replayed
once as decisions are made now and once as they would be made, and `compare` tells the two apart.

What only the past knows stays as it was: what the message, the card and its controls refused, what rules and
the ledger refused behind the score, how much was held in part, what was reversed or has expired. Of a payment
that never came to the ledger it is assumed that the money was there.
"""

from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np

from scoring.velocity import (
    AMOUNT,
    NO_ROW,
    STEP,
    STEP_DECLINE,
    STEP_REDUCE,
    STEP_RELEASE,
    LimitTable,
    Of,
    Velocity,
)

_AT_ONCE: Final = 65_536
EXAMPLES_MAX: Final = 10


class Outcome(IntEnum):
    """How a case was answered, in order of precedence."""

    REFUSED_BEFORE = 0  # for the message, the card or its controls
    LIMIT_AMOUNT = 1  # 61
    LIMIT_FREQUENCY = 2  # 65
    SCORE = 3  # 59
    STEP_UP = 4  # 1A
    REFUSED_AFTER = 5  # by a rule, or the ledger
    AWAY = 6  # the ledger could not be asked
    APPROVED = 7


class Challenge(IntEnum):
    """What a score above the step-up threshold leads to."""

    PASS = 0  # approved, and flagged: the cardholder is authenticated, or the channel can't ask
    STEP_UP = 1
    DECLINE = 2


# What a message about an earlier case gave back of what it had reserved.
#   case            its place; amount_minor of it; whole: nothing of it stands any more
#   after           how many cases had come by then
GIVEN: Final = np.dtype(
    [("after", np.int64), ("case", np.int64), ("amount_minor", np.int64), ("whole", np.bool_)]
)


class Cases(NamedTuple):
    """
    What came, in order of arrival, and what no limit and no score decides of it.

    attempts ATTEMPT[n]; day_ids, month_ids i4[n] as `Velocity.admit` takes them; enters bool[n]: False where it
    adds to an authorization, and is no attempt of its own; refused_before bool[n]; consumes bool[n]: whether it
    takes money; scored bool[n]: whether a score may refuse it; challenges u1[n] (Challenge); behind u1[n]: what
    rules and ledger said, as Outcome REFUSED_AFTER, AWAY or APPROVED; held_minor i8[n]: what the ledger held, or
    would have; settled_after i8[n]: how many cases had come when its decision took effect, at least its own
    place + 1; given GIVEN[m], in order.
    """

    attempts: np.ndarray
    day_ids: np.ndarray
    month_ids: np.ndarray
    enters: np.ndarray
    refused_before: np.ndarray
    consumes: np.ndarray
    scored: np.ndarray
    challenges: np.ndarray
    behind: np.ndarray
    held_minor: np.ndarray
    settled_after: np.ndarray
    given: np.ndarray


class Side(NamedTuple):
    """
    How decisions are made: limits, and for each case its limit set u4[n]; scores f4[n], NaN = unscored; the
    thresholds of its programme f4[n], passed above; unscored_declines bool[n].
    """

    limits: LimitTable
    limit_sets: np.ndarray
    scores: np.ndarray
    step_up: np.ndarray
    decline: np.ndarray
    unscored_declines: np.ndarray


class Decided(NamedTuple):
    """
    What was decided: outcomes u1[n] (Outcome); limits u2[n]: the name of the first live limit that each passed, 0 =
    none; on_paper u2[n]: likewise of those in shadow; reserved bool[n].
    """

    outcomes: np.ndarray
    limits: np.ndarray
    on_paper: np.ndarray
    reserved: np.ndarray


def replay(cases: Cases, side: Side) -> Decided:
    """
    Decides all cases in their order, from a state in which nothing had happened.

    What gives something back takes effect where it did then; so between two such moments cases go in one piece.
    """
    count = len(cases.attempts)
    limits, on_paper = np.zeros((2, count), np.uint16)
    decided = Decided(np.empty(count, np.uint8), limits, on_paper, np.zeros(count, np.bool_))
    if not count:
        return decided
    velocity = Velocity()
    rows = cases.attempts["card_row"]
    cards = int(rows[rows != NO_ROW].max(initial=0)) + 1
    velocity.grow(cards, int(cases.attempts["account"].max()) + 1)
    by_score = _by_score(cases, side)
    order = np.argsort(cases.settled_after, kind="stable")
    moments = cases.settled_after[order]
    settled = given = 0
    for first, end in _pieces(cases, side, by_score):
        admitted = velocity.admit(
            cases.attempts[first:end],
            day_ids=cases.day_ids[first:end],
            month_ids=cases.month_ids[first:end],
            counted=(cases.consumes & ~cases.refused_before)[first:end],
            entering=cases.enters[first:end],
            limit_sets=side.limit_sets[first:end],
            limits=side.limits,
        )
        decided.reserved[first:end] = admitted.reserved
        passed, shadow = (admitted.consulted[name] != 0 for name in ("passed", "shadow"))
        decided.limits[first:end] = _first(admitted.consulted["name"], passed & ~shadow)
        decided.on_paper[first:end] = _first(admitted.consulted["name"], passed & shadow)
        decided.outcomes[first:end] = np.select(
            [cases.refused_before[first:end], admitted.flags & AMOUNT != 0, admitted.flags != 0],
            [Outcome.REFUSED_BEFORE, Outcome.LIMIT_AMOUNT, Outcome.LIMIT_FREQUENCY],
            np.minimum(by_score, cases.behind)[first:end],
        )
        settled_up_to = int(np.searchsorted(moments, end, side="right"))
        given_up_to = int(np.searchsorted(cases.given["after"], end, side="right"))
        steps = [
            _settle(cases, decided, order[settled:settled_up_to]),
            _give_back(cases, decided, cases.given[given:given_up_to]),
        ]
        velocity.retrace(np.concatenate(steps))
        settled, given = settled_up_to, given_up_to
    return decided


def _first(names: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """In each row of names u2[n, m] the first that is chosen, 0 where none is."""
    return np.where(chosen.any(axis=1), names[np.arange(len(names)), chosen.argmax(axis=1)], 0)


def _by_score(cases: Cases, side: Side) -> np.ndarray:
    """What each score says, as Outcome u1[n]: SCORE, STEP_UP or APPROVED."""
    unscored = np.isnan(side.scores)
    above = side.scores > side.step_up
    declines = np.where(unscored, side.unscored_declines, side.scores > side.decline)
    said = np.select(
        [~cases.scored, declines, ~above],
        [Outcome.APPROVED, Outcome.SCORE, Outcome.APPROVED],
        np.array([Outcome.APPROVED, Outcome.STEP_UP, Outcome.SCORE])[cases.challenges],
    )
    return said.astype(np.uint8)


def _pieces(cases: Cases, side: Side, by_score: np.ndarray) -> list[tuple[int, int]]:
    """Runs of cases (first, end) within which nothing is given back that a limit could see."""
    gives = (by_score != Outcome.APPROVED) | (cases.behind != Outcome.APPROVED)
    gives |= cases.held_minor < cases.attempts["amount_minor"]
    if (side.limits.limits["of"] == Of.DECLINES).any():
        gives[:] = True
    count = len(gives)
    cuts = [np.arange(0, count, _AT_ONCE), cases.settled_after[gives], cases.given["after"]]
    starts = np.unique(np.concatenate(cuts))
    starts = starts[starts < count]
    return list(zip(starts.tolist(), [*starts[1:].tolist(), count], strict=True))


def _settle(cases: Cases, decided: Decided, places: np.ndarray) -> np.ndarray:
    """The steps of decisions that take effect: what isn't held is given back, and what is declined is counted."""
    outcomes, reserved = decided.outcomes[places], decided.reserved[places]
    amounts_minor = cases.attempts["amount_minor"][places]
    approved = outcomes == Outcome.APPROVED
    rest_minor = np.where(approved, amounts_minor - cases.held_minor[places], amounts_minor)
    back = reserved & (rest_minor > 0)
    declined = cases.enters[places] & ~np.isin(outcomes, (Outcome.STEP_UP, Outcome.AWAY, Outcome.APPROVED))
    steps = _steps(cases, np.repeat(places, 2))
    steps["amount_minor"][0::2] = rest_minor
    steps["step"][0::2] = np.where(approved, STEP_REDUCE, STEP_RELEASE)
    steps["step"][1::2] = STEP_DECLINE
    taken = np.empty(len(steps), np.bool_)
    taken[0::2], taken[1::2] = back, declined
    return steps[taken]


def _give_back(cases: Cases, decided: Decided, given: np.ndarray) -> np.ndarray:
    """The steps of what messages about cases gave back, as far as those are approved here too."""
    stands = decided.reserved[given["case"]] & (decided.outcomes[given["case"]] == Outcome.APPROVED)
    given = given[stands]
    steps = _steps(cases, given["case"])
    steps["amount_minor"] = given["amount_minor"]
    steps["step"] = np.where(given["whole"], STEP_RELEASE, STEP_REDUCE)
    return steps


def _steps(cases: Cases, places: np.ndarray) -> np.ndarray:
    steps = np.zeros(len(places), STEP)
    attempts = cases.attempts[places]
    for name in (
        "time_s",
        "amount_minor",
        "merchant",
        "device",
        "ip",
        "card_row",
        "account",
        "category",
        "country",
    ):
        steps[name] = attempts[name]
    steps["day_id"], steps["month_id"] = cases.day_ids[places], cases.month_ids[places]
    return steps


def compare(
    cases: Cases, before: Decided, after: Decided, measured: np.ndarray, is_fraud: np.ndarray | None
) -> dict[str, Any]:
    """
    What changes from one side to the other among the payments `measured` bool[n]: counts, and minor units of money.

    `is_fraud` bool[n] splits each figure where the history has labels. Examples are places in the cases, those
    with the most money first.
    """
    amounts_minor = cases.attempts["amount_minor"]
    payments = cases.enters & cases.consumes & measured
    was, will = ((side.outcomes == Outcome.APPROVED) & payments for side in (before, after))

    def figures(places: np.ndarray) -> dict[str, int]:
        told = {"count": int(places.sum()), "amount_minor": int(amounts_minor[places].sum())}
        if is_fraud is not None:
            fraud = places & is_fraud
            told |= {"fraud_count": int(fraud.sum()), "fraud_amount_minor": int(amounts_minor[fraud].sum())}
        return told

    def answers(side: Decided) -> dict[str, dict[str, int]]:
        return {outcome.name.lower(): figures(payments & (side.outcomes == outcome)) for outcome in Outcome}

    changes = {
        "gained": will & ~was,
        "lost": was & ~will,
        "refused_otherwise": payments & ~will & ~was & (before.outcomes != after.outcomes),
    }
    return {
        "payments": figures(payments),
        "before": answers(before),
        "after": answers(after),
        **{name: figures(places) for name, places in changes.items()},
        "examples": {name: _largest(amounts_minor, changes[name]) for name in ("gained", "lost")},
    }


def count_names(names: np.ndarray, measured: np.ndarray) -> dict[int, int]:
    """How often each name stands in `Decided.limits` or `on_paper` (u2[n]) of the cases `measured` bool[n]."""
    found, counts = np.unique(names[measured & (names != 0)], return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def _largest(amounts_minor: np.ndarray, chosen: np.ndarray) -> list[int]:
    places = np.flatnonzero(chosen)
    order = np.argsort(-amounts_minor[places], kind="stable")[:EXAMPLES_MAX]
    return [int(place) for place in places[order]]
