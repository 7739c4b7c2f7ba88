"""Snapshots made beside a running core, and a journal that is trimmed no further than it may be."""

import asyncio
import os

import numpy as np
import pytest

from server.core import fold as folding
from server.core.fold import JOURNAL, SNAPSHOT, Abandoned, fold
from server.core.journal_reader import JournalReader
from server.core.keeper import TRIM_ROWS, Keeper, KeeperLimits
from server.core.risk import Risk
from server.core.snapshot import write_arrays
from server.core.state import SNAPSHOT_FORMAT, State, position_of
from tests.server.core.scene import WAIT_S, purchase
from tests.server.core.test_replay import ROWS, assert_same, busy_directory, contents, drive

FOLD_WAIT_S = 600
"""A fold has the lowest priority, and compiles where nobody has."""


def keeper_of(core, shipped, **limits):
    """The keeper of a core's journal; `shipped` is the row that PostgreSQL has."""
    given = {"fold_requests": 1, "rows_min": 1} | limits
    return Keeper(
        core.home,
        core.journal,
        core.reader.first(),
        requests=lambda: core.state.sequence,
        shipped=lambda: shipped,
        limits=KeeperLimits(**given),
    )


def test_a_fold_makes_the_snapshot_that_the_core_would_have_made(with_core):
    """In a process of its own, from the journal alone; the next one goes on from the first."""

    async def act(core):
        rng = np.random.default_rng(5)
        keeper = keeper_of(core, 0)
        for _ in range(2):
            await drive(core, rng, 5, span_s=3_600)
            await asyncio.wait_for(keeper.fold(), FOLD_WAIT_S)
            core.state.journal_number = core.journal.number
            folded = State(Risk())
            folded.load(core.home / SNAPSHOT)
            folded.grow(ROWS, ROWS)
            assert_same(contents(core.state), contents(folded))
        return keeper.folds

    assert with_core(act, busy_directory(), opening_minor=40_000) == 2


def test_a_start_reads_back_only_what_followed_the_fold_and_answers_as_before(with_core):
    """Rows that it covers may be gone."""
    request = purchase()

    async def act(core):
        codes = await core.codes(request)
        await asyncio.wait_for(keeper_of(core, 0).fold(), FOLD_WAIT_S)
        codes += await core.codes(purchase(1))
        keeper = keeper_of(core, core.journal.number)
        await keeper._note_snapshot()
        await keeper.trim()
        return codes, keeper.first_row

    async def after(core):
        answers = await core.ask(request)
        return core.reader.first(), answers["replayed"].tolist()

    assert with_core(act) == (["00", "00"], 3)
    assert with_core(after) == (3, [1])


def test_trimming_goes_as_far_as_snapshot_shipping_and_what_is_kept_allow(with_core):
    """And a few rows at a time."""

    async def act(core):
        for _ in range(TRIM_ROWS + 3):
            await core.codes(purchase())
        last = core.journal.number
        core.state.journal_number = last
        core.state.save(core.home / SNAPSHOT)
        firsts = []
        for shipped, rows_min in ((0, 1), (last - 1, 1), (last, last), (last, 10), (last, 0)):
            keeper = keeper_of(core, shipped, rows_min=rows_min)
            await keeper._note_snapshot()
            await keeper.trim()
            firsts.append(core.reader.first())
        return last, firsts

    last, firsts = with_core(act)
    assert firsts == [1, 1, 1, last - 9, last]


def test_an_undecided_intent_is_never_trimmed(with_core):
    """Its decision, when it comes, names the row."""

    async def act(core):
        await core.codes(purchase())
        await core.codes(purchase())
        path = core.home / SNAPSHOT
        reader = JournalReader(core.journal.path)
        state = State(Risk())
        state.replay(reader.read_chunks(0, 3))
        reader.close()
        state.save(path)
        keeper = keeper_of(core, core.journal.number)
        await keeper._note_snapshot()
        await keeper.trim()
        return position_of(path).row, position_of(path).settled, core.reader.first()

    assert with_core(act) == (3, 2, 3)


def test_a_snapshot_of_an_earlier_row_never_replaces_a_later_one(tmp_path):
    """A fold that outlived its server comes too late."""
    path = tmp_path / SNAPSHOT
    late, early = State(Risk()), State(Risk())
    late.journal_number, early.journal_number = 9, 4
    late.save(path)
    early.save(path)
    assert position_of(path).row == 9
    late.journal_number = 12
    late.save(path)
    assert position_of(path).row == 12
    write_arrays(path, SNAPSHOT_FORMAT, {"other": np.zeros(1)})
    early.save(path)
    assert position_of(path).row == 4


def test_a_fold_gives_up_when_its_server_is_gone(with_core, monkeypatch):
    """No snapshot is written behind the next server's back."""

    async def act(core):
        await core.codes(purchase())
        parents = iter([os.getppid(), 1])
        monkeypatch.setattr(folding.os, "getppid", lambda: next(parents))
        with pytest.raises(Abandoned):
            fold(core.home, core.journal.durable)
        return (core.home / SNAPSHOT).exists(), (core.home / JOURNAL).exists()

    assert with_core(act) == (False, True)


def test_a_keeper_folds_by_itself_after_so_many_requests_and_ends_its_process_when_cancelled(with_core):
    """Nothing is left running."""

    async def act(core):
        await core.codes(*[purchase() for _ in range(5)])
        keeper = keeper_of(core, 0, fold_requests=5)
        running = asyncio.ensure_future(keeper.run())
        await asyncio.wait_for(keeper.folded.wait(), FOLD_WAIT_S)
        running.cancel()
        await asyncio.wait([running], timeout=WAIT_S)
        await core.codes(*[purchase() for _ in range(5)])
        again = keeper_of(core, 0, fold_requests=5)
        running = asyncio.ensure_future(again.run())
        for _ in range(20):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running], timeout=WAIT_S)
        return running.cancelled(), position_of(core.home / SNAPSHOT).sequence

    cancelled, sequence = with_core(act)
    assert cancelled
    assert sequence in {5, 10}
