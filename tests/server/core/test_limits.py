"""What an approval consumes: reserved in order, given back, rebuilt."""

import numpy as np
import pytest

from scoring.velocity import DAY as DAY_WINDOW
from scoring.velocity import LIMIT, MONTH, TRANSACTION, LimitTable, Measure
from server.core.attempts import attempts_again
from server.core.directory import CardFlag
from server.core.limits import LIMITS_RESERVED, MEMORY, PIN_TRIES_MAX, SINGLE_USE_RESERVED, Limits, recall
from server.core.policy import DECLINING, Check
from server.core.record import DECISION, INTENT, NO_ROW, CheckResult, Operation
from tests.server.core.lives import reverse
from tests.server.core.scene import NOON_S, directory, limit, purchase, records

kernel = pytest.mark.kernel
DAY = NOON_S // 86_400
PIN = (CheckResult.ABSENT, CheckResult.MATCH, CheckResult.MISMATCH, CheckResult.UNAVAILABLE)


def intents_of(count, **fields):
    """INTENT[count] of 10.00 on card 0 at noon."""
    made = np.zeros(count, INTENT)
    made["request"] = purchase()
    made["billed_minor"] = 1_000
    made["day_id"], made["month_id"] = DAY, 665
    for name, value in fields.items():
        if name in (made["request"].dtype.names or ()):
            made["request"][name] = value
        else:
            made[name] = value
    return made


KINDS = {
    "transaction": (Measure.AMOUNT, TRANSACTION),
    "day": (Measure.AMOUNT, DAY_WINDOW),
    "month": (Measure.AMOUNT, MONTH),
    "count_1m": (Measure.COUNT, 1),
}


def limits_of(**ceilings):
    """One limit set, number 0, by names of KINDS; a limit's name is its number there."""
    table = np.zeros(len(ceilings), LIMIT)
    for line, (name, ceiling) in zip(table, ceilings.items(), strict=True):
        line["measure"], line["window"] = KINDS[name]
        line["number"] = line["name"] = list(KINDS).index(name) + 1
        line["ceiling"] = ceiling
    return LimitTable(table, np.array([0, len(table)], np.uint32))


def stage():
    """Limits with room for four cards on one account."""
    limits = Limits()
    limits.grow(4, 1)
    return limits


def reserve(limits, intents, table):
    """As the core does, with attempts by the journal's facts alone."""
    return limits.reserve(intents, attempts_again(intents), table)


def give_back(limits, intents):
    """A ledger that held nothing of INTENT[n]."""
    decisions = np.zeros(len(intents), DECISION)
    decisions["operation"], decisions["response_code"] = Operation.AUTHORIZE, "51"
    limits.retrace(intents[:0], intents, decisions, np.zeros(len(intents), np.int64))


def consumed(limits):
    """What the calendar says of card 0's day."""
    return int(limits.velocity.arrays()["card_sums"][0, 0, DAY % 2])


def naive_recall(intents, memory):
    """PIN verdicts and single use, as sentences: per card a dictionary."""
    found = []
    for intent in intents:
        bits, taken = int(intent["checks_failed"]), 0
        if intent["card_row"] != NO_ROW:
            card = memory.setdefault(int(intent["card_row"]), {"day": 0, "misses": 0, "used": False})
            pin = intent["request"]["pin_verification"]
            if pin in (CheckResult.MATCH, CheckResult.MISMATCH):
                if intent["day_id"] > card["day"]:
                    card.update(day=int(intent["day_id"]), misses=0)
                if card["misses"] == PIN_TRIES_MAX:
                    bits |= 1 << Check.PIN_TRIES
                elif pin == CheckResult.MATCH:
                    card["misses"] = 0
                else:
                    card["misses"] += 1
                    bits |= 1 << Check.PIN_MISMATCH
            if intent["card_flags"] & CardFlag.SINGLE_USE and intent["billed_minor"] > 0:
                if card["used"]:
                    bits |= 1 << Check.SINGLE_USE
                elif not bits & int(DECLINING):
                    card["used"], taken = True, SINGLE_USE_RESERVED
        found.append((bits, taken))
    return found


@kernel
@pytest.mark.parametrize("seed", range(3))
def test_pins_and_single_use_are_counted_as_a_dictionary_counts_them(seed):
    """Random verdicts on a few cards over a few days."""
    rng = np.random.default_rng(seed)
    memory, plain = np.zeros(4, MEMORY), {}
    for _ in range(60):
        count = rng.integers(1, 8)
        intents = intents_of(
            count,
            card_row=rng.choice([0, 1, 2, 3, NO_ROW], count),
            pin_verification=rng.choice(PIN, count),
            day_id=DAY + rng.integers(0, 3, count),
            card_flags=rng.choice([0, CardFlag.SINGLE_USE], count),
            billed_minor=rng.choice([0, 1_000], count),
            checks_failed=rng.choice([0, 1 << Check.CARD_LOST, 1 << Check.UNSCORED], count),
        )
        expected = naive_recall(intents, plain)
        recall(records(intents), records(memory), DECLINING)
        found = zip(intents["checks_failed"].tolist(), intents["reserved_limits"].tolist(), strict=True)
        assert list(found) == expected


def test_a_fourth_pin_is_not_tried_when_three_were_wrong_that_day():
    """75, also for the right one; the next day begins anew, and a late message of today does not."""
    limits = stage()

    def tried(pin, day=DAY):
        intents = intents_of(1, pin_verification=pin, day_id=day)
        reserve(limits, intents, limits_of())
        return int(intents["checks_failed"][0])

    wrong, right = CheckResult.MISMATCH, CheckResult.MATCH
    assert [tried(wrong) for _ in range(4)] == [1 << Check.PIN_MISMATCH] * 3 + [1 << Check.PIN_TRIES]
    assert tried(right) == tried(wrong, DAY - 1) == 1 << Check.PIN_TRIES
    assert tried(right) == 1 << Check.PIN_TRIES
    assert tried(right, DAY + 1) == 0


def test_a_hundred_at_once_never_pass_a_limit_together():
    """Reserved in the order of arrival; given back, the room is there again."""
    limits = stage()
    intents = intents_of(100)
    reserve(limits, intents, limits_of(day=7_500))
    passed = intents["checks_failed"] == 0
    assert passed.tolist() == [True] * 7 + [False] * 93
    assert (intents["reserved_limits"] == np.where(passed, LIMITS_RESERVED, 0)).all()
    assert set(intents["consulted"]["used"][:, 0].tolist()) == {1_000 * n for n in range(1, 9)}
    assert set(intents["limits_passed"][~passed, 0].tolist()) == {list(KINDS).index("day") + 1}
    give_back(limits, intents[:2])
    more = intents_of(5)
    reserve(limits, more, limits_of(day=7_500))
    assert (more["checks_failed"] == 0).tolist() == [True, True, False, False, False]


def test_a_refused_request_consumes_nothing():
    """Neither of the other limits, nor its single use."""
    limits = stage()
    intents = intents_of(1, card_flags=CardFlag.SINGLE_USE, billed_minor=9_000)
    reserve(limits, intents, limits_of(transaction=5_000))
    assert intents["checks_failed"][0] == 1 << Check.LIMIT_AMOUNT
    assert intents["reserved_limits"][0] == 0
    assert not limits.memory["used"].any()
    assert consumed(limits) == 0


def test_a_single_use_card_can_be_used_again_only_when_its_use_was_given_back():
    """A decline further on gives it back."""
    limits = stage()
    first, second, third = (intents_of(1, card_flags=CardFlag.SINGLE_USE) for _ in range(3))
    reserve(limits, first, limits_of())
    reserve(limits, second, limits_of())
    assert first["reserved_limits"][0] == SINGLE_USE_RESERVED | LIMITS_RESERVED
    assert second["checks_failed"][0] == 1 << Check.SINGLE_USE
    give_back(limits, first)
    reserve(limits, third, limits_of())
    assert third["checks_failed"][0] == 0


@pytest.mark.parametrize("seed", range(3))
def test_reserving_again_what_a_journal_says_gives_the_state_that_was(seed):
    """Byte for byte, without the limits that were asked then."""
    rng = np.random.default_rng(seed)
    live, again = stage(), stage()
    for _ in range(40):
        count = rng.integers(1, 30)
        intents = intents_of(
            count,
            card_row=rng.choice([0, 1, 2, 3, NO_ROW], count),
            billed_minor=rng.integers(0, 3_000, count),
            card_flags=rng.choice([0, CardFlag.SINGLE_USE], count),
            pin_verification=rng.choice(PIN, count, p=[0.7, 0.1, 0.1, 0.1]),
            transmission_s=NOON_S + rng.integers(0, 86_400, count),
            checks_failed=rng.choice([0, 1 << Check.CARD_LOST], count, p=[0.9, 0.1]),
        )
        intents["checks_failed"][intents["card_row"] == NO_ROW] |= np.uint64(1 << Check.CARD_UNKNOWN)
        intents["request"]["operation"] = Operation.AUTHORIZE
        reserve(live, intents, limits_of(transaction=2_500, day=20_000, count_1m=8))
        again.retrace(intents, intents[:0], np.zeros(0, DECISION), np.zeros(0, np.int64))
        for name, array in live.arrays().items():
            assert again.arrays()[name].tobytes() == array.tobytes(), name


def test_limits_are_the_same_after_they_were_saved_and_loaded():
    """And grow from there."""
    limits, again = stage(), Limits()
    reserve(limits, intents_of(3), limits_of())
    again.load({name: array.copy() for name, array in limits.arrays().items()})
    assert {n: a.tobytes() for n, a in again.arrays().items()} == {
        n: a.tobytes() for n, a in limits.arrays().items()
    }
    again.grow(9, 1)
    assert len(again.memory) == 9
    with pytest.raises(ValueError, match="another layout"):
        again.load({"memory": np.zeros(3)})


def test_a_hundred_requests_sent_at_once_never_pass_a_limit_together(with_core):
    """Through the whole core, in parcels of one, in overlapping turns."""

    async def act(core):
        sent = [core.send(purchase()) for _ in range(100)]
        return [(await answer)["response_code"][0] for answer in sent]

    codes = with_core(act, directory(limits=(limit("amount", "day", 7_500),)))
    assert codes.count(b"00") == 7
    assert codes.count(b"61") == 93


def test_a_reservation_counts_once_when_its_decision_is_read_twice(with_core):
    """What was reserved does not lead back to itself, and all of it comes back."""
    request = purchase(0, amount_minor=1_000)

    async def act(core):
        await core.ask(request)
        asked, answered = list(core.reader.read_all(0))[:2]
        core.state.repeats.resolve(asked.intents, answered.decisions)
        before = consumed(core.state.limits)
        await core.ask(reverse(request))
        return before, consumed(core.state.limits)

    assert with_core(act) == (1_000, 0)
