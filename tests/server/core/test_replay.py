"""State rebuilt from the journal is the state that was."""

import asyncio

import numpy as np
import pytest

from server.core.directory import CardFlag
from server.core.journal_reader import JournalReader
from server.core.record import CheckResult, Operation
from server.core.repeats import ENTRY
from server.core.risk import Risk
from server.core.state import State
from tests.server.core.scene import CARDS, NOON_S, Core, cards, directory, limit, purchase, reversal

DAY_S = 86_400
HOUR_S = 3_600
ROWS = 1_024
"""What a directory of a few cards has room for."""


def busy_directory():
    """Single-use cards, and limits that bite."""
    made = cards()
    made["flags"][:3] = CardFlag.SINGLE_USE
    return directory(
        made,
        limits=(
            limit("count", "1m", 5, 1),
            limit("amount", "1h", 15_000, 6),
            limit("amount", "transaction", 9_000, 9),
            limit("amount", "day", 30_000, 10),
            limit("amount", "month", 60_000, 11),
        ),
    )


def traffic(rng, asked, span_s):
    """One request: new, repeated, conflicting, or a reversal of something known, unknown or still to come."""
    choice = rng.integers(10)
    if choice <= 5 or not asked:
        return purchase(
            rng.integers(CARDS + 1),
            amount_minor=rng.integers(1, 10_000),
            transmission_s=NOON_S + rng.integers(span_s),
            partial_approval_allowed=rng.integers(2),
            pin_verification=rng.choice([0, CheckResult.MATCH, CheckResult.MISMATCH], p=[0.8, 0.1, 0.1]),
            merchant=rng.integers(1, 20),
            latitude_deg=rng.choice([np.nan, 40.1]),
            longitude_deg=-75.0,
        )
    earlier = asked[rng.integers(len(asked))]
    if choice == 6:
        return earlier.copy()
    if choice == 7:
        again = earlier.copy()
        again["content"][0, 1] += np.uint64(1)
        return again
    if earlier["operation"][0] == Operation.REVERSE:
        return reversal(purchase())
    return reversal(earlier)


async def drive(core, rng, rounds, span_s=3 * DAY_S):
    """Random parcels, some of them on their way at once."""
    asked = []
    for _ in range(rounds):
        parcels = []
        for _ in range(rng.integers(1, 4)):
            batch = [traffic(rng, asked, span_s) for _ in range(rng.integers(1, 12))]
            if rng.random() < 0.3:
                late = purchase(rng.integers(CARDS))
                batch += [reversal(late), late]
            asked += batch
            parcels.append(core.send(*batch))
        await asyncio.gather(*parcels)


def contents(state):
    """Everything in the state; repeats as a set, by id."""
    entries = np.sort(state.repeats.kept(), order="id")
    arrays = {"repeats": entries}
    arrays |= {f"limits {name}": array for name, array in state.limits.arrays().items()}
    arrays |= {f"features {name}": array for name, array in state.risk.features.arrays().items()}
    return arrays, state.sequence, state.journal_number


def assert_same(live, rebuilt):
    """Byte for byte."""
    assert rebuilt[1:] == live[1:]
    assert rebuilt[0].keys() == live[0].keys()
    for name, array in live[0].items():
        assert rebuilt[0][name].dtype == array.dtype
        assert rebuilt[0][name].tobytes() == array.tobytes(), name


def rebuilt_from(path, pieces=(), rows=ROWS):
    """A state from a journal alone, taken in up to each of `pieces` and then to its end."""
    state = State(Risk())
    state.grow(rows, rows)
    reader = JournalReader(path)
    for up_to in pieces:
        state.replay(reader.read_chunks(state.journal_number, up_to))
    state.replay(reader.read_chunks(state.journal_number))
    reader.close()
    return state


@pytest.mark.parametrize("seed", range(3))
def test_a_state_rebuilt_from_the_journal_is_the_live_one_when_traffic_was_random(tmp_path, seed):
    """Approvals, part approvals, declines by everything, reversals before, after and in flight; turns overlapping."""
    rng = np.random.default_rng(seed)

    async def act():
        core = await Core(tmp_path, busy_directory(), opening_minor=40_000).start()
        await drive(core, rng, 40)
        core.state.journal_number = core.journal.number
        live = contents(core.state)
        await core.stop()
        return live, core.authorizer.counters

    live, counters = asyncio.run(act())
    assert {b"00", b"10", b"51", b"61", b"65", b"14", b"05", b"55"} <= counters.decisions.keys()
    assert counters.repeats
    assert counters.conflicts
    path = tmp_path / "journal.sqlite"
    whole = rebuilt_from(path)
    assert len(whole.undecided()[0]) == 0
    assert_same(live, contents(whole))
    cuts = sorted(rng.integers(1, whole.journal_number, 12).tolist())
    assert_same(live, contents(rebuilt_from(path, cuts)))


def test_a_snapshot_and_the_rows_after_it_give_the_state_when_it_was_taken_at_any_row(tmp_path):
    """Also between an intent and its decision."""
    rng = np.random.default_rng(7)

    async def act():
        core = await Core(tmp_path, busy_directory(), opening_minor=40_000).start()
        await drive(core, rng, 12, HOUR_S)  # a snapshot leaves out what is no longer kept
        core.state.journal_number = core.journal.number
        live = contents(core.state)
        await core.stop()
        return live

    live = asyncio.run(act())
    path, snapshot = tmp_path / "journal.sqlite", tmp_path / "some.npz"
    last = live[2]
    between = 0
    for up_to in rng.integers(1, last, 8).tolist():
        reader = JournalReader(path)
        part = State(Risk())
        part.replay(reader.read_chunks(0, up_to))
        part.save(snapshot)
        between += len(part.undecided()[0]) > 0
        assert part.settled_number() <= up_to
        again = State(Risk())
        again.load(snapshot)
        again.replay(reader.read_chunks(again.journal_number))
        again.grow(ROWS, ROWS)
        reader.close()
        assert_same(live, contents(again))
    assert between


def test_features_remember_nothing_of_the_directory(with_core):
    """So a journal is enough to rebuild them: homes and countries tell features of the moment only."""

    async def act(core):
        await drive(core, np.random.default_rng(3), 6)
        return {name: array.copy() for name, array in core.state.risk.features.arrays().items()}, core.home

    live, home = with_core(act)
    again = rebuilt_from(home / "journal.sqlite").risk.features.arrays()
    assert {name: array.tobytes() for name, array in live.items()} == {
        name: array.tobytes() for name, array in again.items()
    }


def test_repeats_get_their_first_answers_when_the_core_has_started_again(with_core):
    """From the journal, and from a snapshot."""
    request = purchase()

    async def first(core):
        return await core.ask(request)

    async def again(core):
        return await core.ask(request)

    answer = with_core(first)
    for save in (False, True, False):
        repeated = with_core(again, save=save)
        assert repeated["replayed"].tolist() == [1]
        repeated["replayed"] = 0
        assert repeated.tobytes() == answer.tobytes()
    assert ENTRY.fields["answer"][0] == answer.dtype
