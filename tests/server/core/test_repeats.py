"""The table of repeats against a plain dictionary."""

import numpy as np
import pytest
from numba import config

from server.core.entries import (
    CARRIED,
    ENTRY,
    KEPT,
    KEPT_S,
    OLD,
    SIZE,
    TOP,
    EntryState,
    carry_over,
    enter,
    fresh_slots,
    place_of,
    sweep,
    tend,
)
from server.core.parts import OPEN_KEPT_S, resolve
from server.core.record import DECISION, INTENT, REQUEST, Chain, Operation
from server.core.repeats import Admission, Original, Repeats, admit, readmit, take_over
from tests.server.core.scene import NOON_S, purchase, records, reversal

kernel = pytest.mark.kernel
ROOM = 1 << 12
LOOK_EVERY, SEEDS = (10, 2) if config.DISABLE_JIT else (1, 4)
"""Steps from one look at all keys to the next."""


class NaiveRepeats:
    """The same table as a dictionary of dictionaries."""

    def __init__(self):
        self.entries = {}

    def admit(self, request):
        key, content = _key(request["authorization_id"]), tuple(request["content"].tolist())
        entry = self.entries.get(key)
        admission, original = Admission.NEW, Original.NONE
        if entry is not None:
            if entry["state"] == EntryState.AHEAD:
                admission = Admission.TOO_LATE
            elif entry["content"] != content:
                return Admission.CONFLICT, original
            elif entry["state"] == EntryState.IN_FLIGHT:
                return Admission.WAIT, original
            else:
                return Admission.REPEAT, original
        if request["operation"] == Operation.REVERSE:
            target = _key(request["original_id"])
            found = self.entries.get(target)
            if found is None:
                self.entries[target] = {"state": EntryState.AHEAD, "content": (0, 0), "code": b""}
                original = Original.UNKNOWN
            elif found["state"] in (EntryState.IN_FLIGHT, EntryState.BUSY):
                return Admission.WAIT, original
            elif found["state"] == EntryState.OPEN:
                found["state"], original = EntryState.BUSY, Original.HELD
            else:
                original = Original.NOTHING_HELD
        self.entries.setdefault(key, {"code": b""}).update(state=EntryState.IN_FLIGHT, content=content)
        return admission, original

    def resolve(self, request, decision):
        entry = self.entries[_key(request["authorization_id"])]
        entry["code"] = decision["response_code"]
        entry["state"] = EntryState.DONE
        if request["operation"] == Operation.AUTHORIZE:
            entry["state"] = EntryState.OPEN if decision["held"] else EntryState.DONE
        elif self.entries[_key(request["original_id"])]["state"] == EntryState.BUSY:
            standing = EntryState.OPEN if decision["held"] else EntryState.REVERSED
            self.entries[_key(request["original_id"])]["state"] = standing

    def summary(self):
        return {key: (int(e["state"]), e["content"], bytes(e["code"])) for key, e in self.entries.items()}


def _key(identifier):
    return tuple(identifier.tolist())


class Table:
    """The kernels on arrays of their own."""

    def __init__(self):
        self.entries = records(np.zeros(ROOM, ENTRY))
        self.slots = np.zeros(2 * ROOM, np.uint32)
        fresh_slots(self.slots, ROOM)

    def admit(self, requests):
        n = len(requests)
        admissions, originals = np.empty(n, np.uint8), np.empty(n, np.uint8)
        places, waits = np.empty(n, np.int64), np.empty(n, np.int64)
        admit(self.slots, self.entries, records(requests), admissions, places, originals, waits)
        return admissions, originals

    def resolve(self, intents, decisions):
        resolve(self.slots, self.entries, records(intents), records(decisions))

    def summary(self):
        return summary_of(self.entries[1 : self.slots[TOP]])


def summary_of(entries):
    """What a table says of every id."""
    return {
        _key(e["id"]): (int(e["state"]), _key(e["content"]), bytes(e["answer"]["response_code"]))
        for e in entries.view(ENTRY)
    }


def random_request(rng, asked):
    """A new authorization, or something about an earlier one: a repeat, a conflict, a reversal."""
    choice = rng.integers(6)
    if choice <= 1 or not asked:
        return purchase(content=[[rng.integers(4), 1]], sender=rng.integers(1, 3))
    earlier = asked[rng.integers(len(asked))]
    if choice == 2:
        return earlier.copy()
    if choice == 3:
        again = earlier.copy()
        again["content"][0, 0] += np.uint64(1)
        return again
    if choice == 4:
        return reversal(purchase(), sender=earlier["sender"])
    target = earlier if earlier["operation"][0] == Operation.AUTHORIZE else purchase()
    return reversal(target, sender=target["sender"])


def decided(rng, requests):
    """INTENT[n] and DECISION[n] for requests, half of them held."""
    intents, decisions = np.zeros(len(requests), INTENT), np.zeros(len(requests), DECISION)
    intents["request"] = requests
    decisions["authorization_id"] = requests["authorization_id"]
    decisions["operation"] = requests["operation"]
    decisions["held"] = rng.integers(0, 2, len(requests))
    decisions["response_code"] = np.where(decisions["held"] != 0, b"00", b"51")
    decisions["sequence"] = decisions["claims"] = 1
    decisions["chain"] = np.where(
        requests["operation"] == Operation.AUTHORIZE,
        np.where(decisions["held"] != 0, Chain.ADDED, Chain.UNTOUCHED),
        np.where(decisions["held"] != 0, Chain.UNTOUCHED, Chain.REPLACED),
    )
    decisions["part_minor"] = np.where(decisions["chain"] == Chain.ADDED, 100, 0)
    return intents, decisions


@kernel
@pytest.mark.parametrize("seed", range(6))
def test_the_table_says_what_a_dictionary_says_for_random_traffic(seed):
    """New, repeated, conflicting, reversed before, after and in flight; answered in another order than asked."""
    rng = np.random.default_rng(seed)
    table, naive = Table(), NaiveRepeats()
    asked, in_flight, late = [], [], set()
    seen = set()
    for _ in range(60):
        batch = [random_request(rng, asked) for _ in range(rng.integers(1, 9))]
        requests = np.concatenate(batch)
        admissions, originals = table.admit(requests)
        for i, request in enumerate(requests):
            expected = naive.admit(request)
            assert (admissions[i], originals[i]) == expected
            seen.add(expected)
            if expected[0] in (Admission.NEW, Admission.TOO_LATE):
                in_flight.append(requests[i : i + 1])
                asked.append(requests[i : i + 1])
                if expected[0] == Admission.TOO_LATE:
                    late.add(_key(request["authorization_id"]))
            elif expected[1] == Original.UNKNOWN:
                asked.append(requests[i : i + 1])
        rng.shuffle(in_flight)
        while in_flight and rng.random() < 0.7:
            some = np.concatenate([in_flight.pop() for _ in range(min(len(in_flight), 3))])
            intents, decisions = decided(rng, some)
            is_late = [_key(request["authorization_id"]) in late for request in some]
            decisions["held"][is_late] = 0
            table.resolve(intents, decisions)
            for request, decision in zip(some, decisions, strict=True):
                naive.resolve(request, decision)
        assert table.summary() == naive.summary()
    assert {admission for admission, _ in seen} >= {
        Admission.NEW,
        Admission.REPEAT,
        Admission.CONFLICT,
        Admission.WAIT,
    }
    assert {original for _, original in seen} >= {Original.UNKNOWN, Original.HELD, Original.NOTHING_HELD}


@kernel
def test_a_late_original_is_too_late_when_its_reversal_came_first():
    """In the batch of its reversal, or later."""
    table = Table()
    original = purchase()
    admissions, originals = table.admit(np.concatenate([reversal(original), original]))
    assert admissions.tolist() == [Admission.NEW, Admission.TOO_LATE]
    assert originals.tolist() == [Original.UNKNOWN, Original.NONE]
    other = purchase()
    table.admit(reversal(other))
    assert table.admit(other)[0].tolist() == [Admission.TOO_LATE]


@kernel
def test_a_hold_is_not_released_when_another_sender_reverses_it():
    """It finds nothing that is its own."""
    table, rng = Table(), np.random.default_rng(1)
    original = purchase(sender=1)
    table.admit(original)
    intents, decisions = decided(rng, original)
    decisions["held"] = 1
    table.resolve(intents, decisions)
    assert table.admit(reversal(original, sender=2))[1].tolist() == [Original.NOTHING_HELD]
    assert table.admit(reversal(original, sender=1))[1].tolist() == [Original.HELD]


@kernel
@pytest.mark.parametrize("seed", range(4))
def test_a_journal_read_back_enters_what_was_admitted_when_a_batch_mixes_reversals_and_originals(seed):
    """The intents of a batch stand with its authorizations first, however they came."""
    rng = np.random.default_rng(seed)
    live, again = Table(), Table()
    asked = []
    for _ in range(40):
        batch = []
        for _ in range(rng.integers(1, 6)):
            original = purchase(sender=1)
            batch += [original] if rng.random() < 0.5 else [reversal(original, sender=1), original]
            if asked and rng.random() < 0.5:
                batch.append(reversal(asked[rng.integers(len(asked))], sender=1))
        requests = np.concatenate(batch)
        admissions, _ = live.admit(requests)
        late = requests[admissions == Admission.TOO_LATE]
        new = requests[np.isin(admissions, (Admission.NEW, Admission.TOO_LATE))]
        first = new["operation"] == Operation.AUTHORIZE
        ordered = np.concatenate([new[first], new[~first]])
        readmit(again.slots, again.entries, records(ordered))
        intents, decisions = decided(rng, ordered)
        is_late = np.isin(ordered["authorization_id"][:, 0], late["authorization_id"][:, 0])
        decisions["held"][is_late] = 0
        live.resolve(intents, decisions)
        again.resolve(intents, decisions)
        asked += [ordered[i : i + 1] for i in range(int(first.sum()))]
        in_order = [
            np.sort(t.entries[1 : t.slots[TOP]].view(ENTRY), order="id").tobytes() for t in (live, again)
        ]
        assert in_order[0] == in_order[1]


@kernel
def test_entries_leave_by_message_time_but_never_while_they_are_undecided():
    """Decided ones after two hours, open ones thirty days after their hold ended."""
    entries = np.zeros(5, ENTRY)
    entries["id"][:, 0] = np.arange(1, 6) << 8
    entries["state"] = [
        EntryState.DONE,
        EntryState.DONE,
        EntryState.OPEN,
        EntryState.IN_FLIGHT,
        EntryState.BUSY,
    ]
    entries["kept_until_s"] = [NOON_S - 1, NOON_S, NOON_S + OPEN_KEPT_S, 0, 0]
    slots, table = np.zeros(128, np.uint32), records(np.zeros(8, ENTRY))
    fresh_slots(slots, 64)
    take_over(records(entries), slots, table, NOON_S - 2)
    assert slots[KEPT] == slots[TOP] - 1 == 5
    sweep(slots, table, 100, NOON_S)
    assert slots[KEPT] == 4
    assert (table.view(ENTRY)["id"][2:6, 0] >> np.uint64(8)).tolist() == [2, 3, 4, 5]
    assert place_of(slots, table, np.uint64(1 << 8), np.uint64(0)) == -1
    assert enter(slots, table, np.uint64(9 << 8), np.uint64(0), np.uint64(1), np.int64(NOON_S)) == 1


@kernel
@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_index_leads_to_every_entry_while_it_grows_and_entries_come_and_go(seed):
    """Keys that collide, entries let go and their places used again, an older table beside the one in use."""
    rng = np.random.default_rng(seed)
    slots, table = np.zeros(1 << 12, np.uint32), np.zeros(1 << 10, ENTRY)
    entries = records(table)
    fresh_slots(slots, 16)
    known = {}
    for now_s in range(1, 400):
        if slots[KEPT] > 200 and not slots[OLD]:
            sweep(slots, entries, int(rng.integers(40)), now_s)
            known = {key: place for key, place in known.items() if place_of(slots, entries, *key) >= 0}
            assert len(known) == slots[KEPT]
        tend(slots, entries, 0, 0, now_s)
        if 2 * (len(known) + 4) > slots[SIZE]:
            while slots[OLD]:
                carry_over(slots, entries, 1)
            slots[OLD], slots[CARRIED], slots[SIZE] = slots[SIZE], 0, 2 * slots[SIZE]
        for _ in range(rng.integers(4)):
            key = np.uint64(rng.integers(60) << 8 | rng.integers(2)), np.uint64(rng.integers(6))
            if key not in known:
                known[key] = enter(slots, entries, *key, np.uint64(1), np.int64(now_s - KEPT_S))
                table["state"][known[key]] = EntryState.DONE
                table["kept_until_s"][known[key]] = now_s + rng.integers(300)
        if now_s % LOOK_EVERY == 0:
            assert all(place_of(slots, entries, *key) == place for key, place in known.items())
        assert place_of(slots, entries, np.uint64(99 << 8), np.uint64(0)) == -1
    assert slots[SIZE] > 16
    assert slots[TOP] - 1 < 2 * slots[KEPT]


def held_batch(count, transmission_s):
    """REQUEST[count] of distinct keys at one time."""
    requests = np.zeros(count, REQUEST)
    requests["authorization_id"][:, 0] = (np.arange(1, count + 1) + transmission_s * 100_000) << 8
    requests["operation"] = Operation.AUTHORIZE
    requests["transmission_s"] = transmission_s
    return requests


def resolve_all(repeats, requests, held):
    """Decide a whole batch."""
    intents, decisions = np.zeros(len(requests), INTENT), np.zeros(len(requests), DECISION)
    intents["request"], intents["hold_s"] = requests, 7 * 86_400
    decisions["authorization_id"], decisions["operation"] = requests["authorization_id"], Operation.AUTHORIZE
    decisions["held"] = held
    decisions["response_code"] = b"00" if held else b"51"
    decisions["sequence"] = 1
    repeats.resolve(intents, decisions)


def test_places_of_what_may_leave_are_used_again_and_what_is_open_stays():
    """Declines of long ago go, so that the table grows with what is open alone; it ends no larger than it must be."""
    repeats = Repeats(entries_min=64)
    for hour in range(400):
        requests = held_batch(20, NOON_S + hour * 3600)
        repeats.admit(requests)
        resolve_all(repeats, requests[:1], held=1)
        resolve_all(repeats, requests[1:], held=0)
    open_ = [held_batch(20, NOON_S + hour * 3600)[:1] for hour in range(400)]
    found = repeats.find(np.concatenate(open_)["authorization_id"])
    assert (found["state"] == EntryState.OPEN).all()
    recent = held_batch(20, NOON_S + 399 * 3600)[1:]
    assert (repeats.find(recent["authorization_id"])["state"] == EntryState.DONE).all()
    assert len(repeats.kept()) == repeats.count < repeats.top < 1_000
    assert repeats.used_bytes < 1_000_000


def test_the_table_is_the_same_after_it_was_saved_and_loaded():
    """Repeats get their first answers again."""
    repeats, again = Repeats(), Repeats()
    requests = held_batch(50, NOON_S)
    repeats.admit(requests)
    resolve_all(repeats, requests, held=1)
    again.load({name: array.copy() for name, array in repeats.arrays().items()})
    assert again.kept().tobytes() == repeats.kept().tobytes()
    assert (again.admit(requests).admissions == Admission.REPEAT).all()
    assert len(again.find(np.zeros((0, 2), np.uint64))) == 0


def test_a_table_of_another_layout_is_refused():
    """A snapshot of another version's."""
    arrays = {"entries": np.zeros(3, np.int64), "clock_s": np.zeros(1, np.int64)}
    with pytest.raises(ValueError, match="another layout"):
        Repeats().load(arrays)
