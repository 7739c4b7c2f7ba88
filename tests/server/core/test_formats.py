"""Journals and snapshots of format 1, read by today's server."""

import asyncio
import sqlite3
import zlib

import numpy as np
import pytest

from server.core.entries import EntryState
from server.core.formats import DECISION_1, INTENT_1, REQUEST_1, UnknownFormat, decisions_of, read_intents
from server.core.journal import JournalReader
from server.core.record import DECISION, INTENT
from server.core.snapshot import read_arrays, write_arrays
from tests.server.core.lives import clear, reverse
from tests.server.core.scene import Core, directory, purchase


def as_before(records, layout):
    """Today's records as format 1 had them."""
    old = np.zeros(len(records), layout)
    for name in layout.names:
        if name == "request":
            old["request"] = as_before(records["request"], REQUEST_1)
        elif name != "reserved":
            old[name] = records[name]
    if "version" in layout.names:
        old["version"] = 1
    return old


def rewrite(path):
    """Every row of a journal as format 1 wrote it."""
    reader = JournalReader(path)
    batches = list(reader.read_all(0))
    reader.close()
    with sqlite3.connect(path) as connection:
        for batch in batches:
            some = (
                as_before(batch.intents, INTENT_1)
                if len(batch.intents)
                else as_before(batch.decisions, DECISION_1)
            )
            raw = some.tobytes()
            connection.execute(
                "UPDATE batches SET crc32 = ?, records = ? WHERE number = ?",
                (zlib.crc32(raw), raw, batch.number),
            )
    connection.close()


def age_snapshot(path):
    """A snapshot of today as format 1 wrote it."""
    arrays = read_arrays(path, 2)
    entries = arrays["repeats_entries"]
    old_names = [name for name in entries.dtype.names if name not in _NEW_IN_ENTRY]
    old = np.zeros(
        len(entries),
        [(name, DECISION_1 if name == "answer" else entries.dtype[name]) for name in old_names],
    )
    for name in old_names:
        old[name] = as_before(entries["answer"], DECISION_1) if name == "answer" else entries[name]
    arrays["repeats_entries"] = old
    arrays["undecided"] = as_before(arrays["undecided"], INTENT_1)
    write_arrays(path, 1, arrays)


_NEW_IN_ENTRY = {"newest", "older", "reserved_s", "part_minor", "owed_minor", "captured_minor", "credit"}


@pytest.mark.parametrize("with_snapshot", [False, True])
def test_a_home_of_format_1_goes_on(tmp_path, with_snapshot):
    """Its holds can be reversed and cleared, its repeats get their answers, its reversals stay reversed."""
    held, reversed_, cleared = (purchase(card, amount_minor=1_000) for card in range(3))

    async def before():
        core = await Core(tmp_path, directory()).start()
        codes = await core.codes(held, reversed_, cleared)
        codes += await core.codes(reverse(reversed_))
        await core.stop(save=with_snapshot)
        return codes

    async def after():
        core = await Core(tmp_path, directory()).start()
        again = await core.ask(held)
        answers = await core.ask(reverse(held, 400), reverse(reversed_), clear(cleared, 700))
        ids = np.concatenate([held, reversed_, cleared])["authorization_id"]
        states = core.state.repeats.find(ids)["state"].tolist()
        await core.stop()
        return again["replayed"].tolist(), answers[["approved_minor", "released_minor"]].tolist(), states

    assert asyncio.run(before()) == ["00"] * 4
    rewrite(tmp_path / "journal.sqlite")
    if with_snapshot:
        age_snapshot(tmp_path / "state.npz")
    replayed, answers, states = asyncio.run(after())
    assert replayed == [1]
    assert answers == [(600, 0), (0, 0), (700, 300)]
    assert states == [EntryState.OPEN, EntryState.REVERSED, EntryState.CLEARED]


def test_records_of_no_known_size_are_refused():
    """By how many they are, and the formats that are read."""
    with pytest.raises(UnknownFormat, match="2 records of 7 bytes are of none of the formats 1 and 2"):
        read_intents(b"1234567", 2)
    wrong = np.zeros(1, INTENT)
    wrong["request"]["version"] = 3
    with pytest.raises(UnknownFormat):
        read_intents(wrong.tobytes(), 1)


def test_records_of_today_are_left_as_they_are():
    """Nothing is copied."""
    decisions = np.zeros(3, DECISION)
    assert decisions_of(decisions) is decisions
