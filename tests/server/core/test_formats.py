"""Journals and snapshots of formats 1 and 2, read by today's server."""

import asyncio
import sqlite3
import zlib

import numpy as np
import pytest

from server.core.entries import ENTRY, EntryState
from server.core.formats import (
    DECISIONS,
    INTENTS,
    UnknownFormat,
    decisions_of,
    read_intents,
)
from server.core.journal_reader import JournalReader
from server.core.record import DECISION, INTENT, REQUEST_VERSION
from server.core.snapshot import read_arrays, write_arrays
from tests.server.core.lives import clear, reverse
from tests.server.core.scene import Core, directory, purchase

NEW_IN_ENTRY_3 = {"merchant", "device", "network", "reserved_newest", "reserved_older", "reserved_minor"}
NEW_IN_ENTRY = {
    1: {"newest", "older", "reserved_s", "part_minor", "owed_minor", "captured_minor", "credit"}
    | NEW_IN_ENTRY_3,
    2: NEW_IN_ENTRY_3,
}
VERSIONS = sorted(NEW_IN_ENTRY)


def as_before(records, layout, version):
    """Today's records as an older format had them; the limits that it passed as bits."""
    old = np.zeros(len(records), layout)
    for name in layout.names:
        if name == "request":
            old["request"] = as_before(records["request"], layout["request"], version)
        elif name == "velocity_flags":
            old[name] = np.bitwise_or.reduce(1 << records["limits_passed"].astype(np.uint16) >> 1, axis=1)
        elif name == "features":
            old[name] = records[name][:, : layout[name].shape[0]]
        elif name not in ("reserved", "limits", "used"):
            old[name] = records[name]
    if "version" in layout.names:
        old["version"] = version
    return old


def rewrite(path, version):
    """Every row of a journal as an older format wrote it."""
    reader = JournalReader(path)
    batches = list(reader.read_all(0))
    reader.close()
    with sqlite3.connect(path) as connection:
        for batch in batches:
            some = (
                as_before(batch.intents, INTENTS[version], version)
                if len(batch.intents)
                else as_before(batch.decisions, DECISIONS[version], version)
            )
            raw = some.tobytes()
            connection.execute(
                "UPDATE batches SET kind = ?, crc32 = ?, records = ? WHERE number = ?",
                (1 if len(batch.intents) else 2, zlib.crc32(raw), raw, batch.number),
            )
    connection.close()


def age_snapshot(path, version):
    """A snapshot of today as an older format wrote it."""
    arrays = read_arrays(path, REQUEST_VERSION)
    entries = arrays["repeats_entries"]
    names = [name for name in ENTRY.names if name not in NEW_IN_ENTRY[version]]
    old = np.zeros(
        len(entries), [(name, DECISIONS[version] if name == "answer" else ENTRY[name]) for name in names]
    )
    for name in names:
        answer = name == "answer"
        old[name] = as_before(entries[name], DECISIONS[version], version) if answer else entries[name]
    arrays["repeats_entries"] = old
    arrays["undecided"] = as_before(arrays["undecided"], INTENTS[version], version)
    heads, sums = arrays["limits_velocity_card_heads"], arrays["limits_velocity_card_sums"]
    kept = {name: array for name, array in arrays.items() if not name.startswith(("limits_vel", "features_"))}
    kept |= {"limits_velocity_period_heads": heads, "limits_velocity_period_sums": sums}
    kept |= {"limits_velocity_heads": np.zeros((len(heads), 4), np.int64)}
    kept |= {"features_moments": np.zeros((len(heads), 7), np.float32)}
    write_arrays(path, version, kept)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("with_snapshot", [False, True])
def test_a_home_of_an_older_format_goes_on(tmp_path, with_snapshot, version):
    """Its holds can be reversed and cleared, its repeats get their answers, its reversals stay reversed."""
    spent = []
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
        spent.append(core.state.limits.velocity.arrays()["card_sums"][:3].copy())
        await core.stop()
        return again["replayed"].tolist(), answers[["approved_minor", "released_minor"]].tolist(), states

    assert asyncio.run(before()) == ["00"] * 4
    rewrite(tmp_path / "journal.sqlite", version)
    if with_snapshot:
        age_snapshot(tmp_path / "state.npz", version)
    replayed, answers, states = asyncio.run(after())
    assert replayed == [1]
    assert answers == [(600, 0), (0, 0), (700, 300)]
    assert states == [EntryState.OPEN, EntryState.REVERSED, EntryState.CLEARED]
    # 600 let go of the first, all of the second, 300 of the third: what stands counts to its day and month.
    assert spent[0].sum(axis=2).tolist() == [[400, 400], [0, 0], [700, 700]]


def test_records_of_no_known_size_are_refused():
    """By how many they are, and the formats that are read."""
    with pytest.raises(UnknownFormat, match="2 records of 7 bytes are of none of the formats 1 and 2 and 3"):
        read_intents(b"1234567", 2)
    wrong = np.zeros(1, INTENT)
    wrong["request"]["version"] = 4
    with pytest.raises(UnknownFormat):
        read_intents(wrong.tobytes(), 1)


def test_records_of_today_are_left_as_they_are():
    """Nothing is copied."""
    decisions = np.zeros(3, DECISION)
    assert decisions_of(decisions) is decisions
