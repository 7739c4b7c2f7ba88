"""Cards found by PAN and by token, changes applied, and the file that stands in for PostgreSQL."""

import asyncio
import json

import numpy as np
import pytest
from numpy.lib import recfunctions as rfn

from server.core import directory_file
from server.core.block_lists import BlockEntry, BlockKind
from server.core.card_index import CARRIED, OLD, SIZE, carry_over, find_rows, index_rows
from server.core.directory import (
    CARD,
    Action,
    CardState,
    Condition,
    ControlSet,
    Directory,
    DirectoryChange,
    Operator,
    Rule,
    slices,
)
from server.core.directory_file import DirectoryFile
from server.core.record import NO_ROW, CardReference, TransactionType
from server.core.snapshot import SnapshotUnreadable, write_arrays
from tests.server.core.scene import cards, directory, limit, programme, purchase, records

kernel = pytest.mark.kernel


@kernel
@pytest.mark.parametrize("size", [256, 1024])
def test_every_card_is_found_by_both_its_keys_when_slots_collide(size):
    """And none by a key that is near one of them; also while the rows of a smaller table are carried over."""
    rng = np.random.default_rng(1)
    known = cards(200)
    known["pan_key"] = rng.integers(0, 1 << 62, (200, 2))
    known["pan_key"][:50, 0] = 7 + 1024 * np.arange(50)  # one slot for many
    known["card_id"][:, 0] = rng.permutation(200) % 13
    known["card_id"][:, 1] = np.arange(200)
    by_pan, by_token = np.zeros(2048, np.uint32), np.zeros(2048, np.uint32)
    for slots in (by_pan, by_token):
        slots[SIZE] = size
    index_rows(records(known), np.arange(100, dtype=np.uint32), by_pan, by_token)
    for slots, name in ((by_pan, "pan"), (by_token, "token")) if size < 1024 else ():
        slots[SIZE], slots[OLD] = 1024, size
        carry_over(slots, records(known), name == "pan", 40)
        assert slots[CARRIED] == 40
    index_rows(records(known), np.arange(100, 200, dtype=np.uint32), by_pan, by_token)
    for reference, key in ((CardReference.PAN, "pan_key"), (CardReference.TOKEN, "card_id")):
        requests = np.concatenate([purchase()] * 400)
        requests["card_reference"] = reference
        requests["card_key"] = np.concatenate([known[key], known[key] + np.array([0, 1 << 63], np.uint64)])
        rows = np.empty(400, np.uint32)
        find_rows(records(requests), records(known), by_pan, by_token, rows)
        assert rows[:200].tolist() == list(range(200))
        assert (rows[200:] == NO_ROW).all()


def test_cards_stay_where_they_are_when_the_directory_grows():
    """Rows are the cards' numbers, whatever comes later."""
    known = Directory()
    made = cards(5_000)
    for first in range(0, 5_000, 700):
        known.apply(DirectoryChange(cards=made[first : first + 700], programmes=[programme()]))
    requests = np.concatenate([purchase(row) for row in (0, 699, 700, 4_999, 5_000)])
    assert known.find(requests).tolist() == [0, 699, 700, 4_999, NO_ROW]
    assert known.count == 5_000


def test_a_card_whose_key_has_changed_is_found_by_the_new_one_alone():
    """A card that moves to another PAN key keeps its row, and so everything that is known of it."""
    known, made = directory(cards(3)), cards(3)
    asked = np.concatenate([purchase(row) for row in range(4)])
    made["pan_key"][1] = asked["card_key"][3]
    known.apply(DirectoryChange(cards=made))
    assert known.find(asked).tolist() == [0, NO_ROW, 2, 1]
    assert known.count == known.rows == 3


def test_a_directory_grows_without_forgetting_when_cards_come_a_few_at_a_time():
    """Past many sizes of its index, of which the last is still being filled; by PAN and by token."""
    known, made = Directory(), cards(40_000)
    rng = np.random.default_rng(3)
    made["pan_key"], made["card_id"] = rng.integers(0, 1 << 62, (2, 40_000, 2))
    for first in range(0, 40_000, 160):
        known.apply(DirectoryChange(cards=made[first : first + 160]))
    for reference, key in ((CardReference.PAN, "pan_key"), (CardReference.TOKEN, "card_id")):
        requests = np.repeat(purchase(), 40_000)
        requests["card_reference"], requests["card_key"] = reference, made[key]
        assert (known.find(requests) == np.arange(40_000)).all()
    assert known.take_changed().tolist() == list(range(40_000))
    assert len(known.take_changed()) == 0


def test_a_change_applied_twice_is_applied_once():
    """The feed may send a row again."""
    lock = ControlSet(merchants_allowed=frozenset({5}))
    made = cards(3)
    made["state"][1] = CardState.FROZEN
    blocked = BlockEntry(BlockKind.IP, (1, 2))
    change = DirectoryChange(
        cards=made, controls={1: lock}, programmes=[programme()], blocks=[blocked], version=7
    )
    known = Directory()
    known.apply(change)
    before = (known.cards.tobytes(), known.count, known.shared_revision, known.version, list(known.blocks))
    known.apply(change)
    assert before == (
        known.cards.tobytes(),
        known.count,
        known.shared_revision,
        known.version,
        list(known.blocks),
    )
    known.apply(DirectoryChange(blocks=[BlockEntry(BlockKind.IP, (1, 2), active=False)], version=3))
    assert (list(known.blocks), known.version) == ([], 7)


def full_directory():
    """Something of everything that a file must keep."""
    made = cards(40)
    made["home_latitude_deg"][3] = np.nan
    controls = {
        3: ControlSet(
            categories_allowed=frozenset({5411, 5812}),
            countries_blocked=frozenset({643}),
            hours_allowed=0xFF,
            merchants_allowed=frozenset({1 << 63}),
            types_never=frozenset({TransactionType.QUASI_CASH}),
        ),
        4: ControlSet(channels_on=8, channels_off=2),
    }
    known = directory(
        made,
        controls,
        limits=(limit("count", "1m", 1), limit("amount", "day", 9_900, 2, shadow=True)),
        types_never=frozenset({TransactionType.CASH_WITHDRAWAL}),
    )
    conditions = (
        Condition("amount", Operator.ABOVE, (500.5,)),
        Condition("category", Operator.IN, (6011.0, 7995.0)),
    )
    known.apply(
        DirectoryChange(
            cards=made[7:9],
            limits={7: (limit("count", "1h", 3, 5), limit("amount", "24h", None, 6))},
            blocks=[
                BlockEntry(BlockKind.MERCHANT, (9, 0)),
                BlockEntry(BlockKind.CARD, (9, 1), shadow=True),
            ],
            rules=[Rule(1, 6, 0, conditions, Action.STEP_UP, shadow=True)],
            limit_names={1: "count_1m"},
            rule_names={6: "big"},
            version=12,
        )
    )
    return known


def test_a_directory_read_back_from_its_file_is_the_one_that_was_saved(tmp_path):
    """Cards, control sets, programmes, block lists, version, and where the feed goes on."""
    known, again = full_directory(), Directory()
    path = tmp_path / "directory.npz"
    asyncio.run(DirectoryFile(known, path).renew({"database": "x", "version": 3}))
    assert DirectoryFile(again, path).load() == {"database": "x", "version": 3}
    assert again.cards.tobytes() == known.cards.tobytes()
    assert again.control_sets == known.control_sets
    assert again.programmes == known.programmes
    assert (list(again.blocks), again.version, again.count) == (list(known.blocks), 12, known.count)
    assert again.rules == known.rules and len(list(known.blocks)) == 2
    assert (again.limit_names, again.rule_names) == (known.limit_names, known.rule_names)
    limits = {0: known.programmes[0].limits}
    tables = [one.limit_sets.compile(limits) for one in (known, again)]
    assert [table.limits.tobytes() for table in tables] == [tables[0].limits.tobytes()] * 2
    assert again.accounts == known.accounts


def test_a_change_of_a_large_directory_writes_what_has_changed_alone(tmp_path, monkeypatch):
    """Changes stand beside the whole that they belong to; many of them make a new whole, beside which they are passed over."""
    monkeypatch.setattr("server.core.directory_file.WHOLE_MAX", 30)
    known, path = full_directory(), tmp_path / "directory.npz"
    file, changed = DirectoryFile(known, path), cards(40)
    changed["state"] = CardState.FROZEN

    def state_of(row):
        again = Directory()
        return DirectoryFile(again, path).load(), again.cards["state"][row], again.count

    asyncio.run(file.renew({"version": 1}))
    whole = path.read_bytes()
    known.apply(DirectoryChange(cards=changed[9:10], version=13))
    asyncio.run(file.renew({"version": 2}))
    beside = directory_file.changes_path(path).read_bytes()
    assert path.read_bytes() == whole
    assert len(beside) < len(whole)
    assert state_of(9) == ({"version": 2}, CardState.FROZEN, 40)
    following = DirectoryFile(again := Directory(), path)
    following.load()
    again.apply(DirectoryChange(cards=changed[10:11]))
    asyncio.run(following.renew({"version": 3}))
    assert [state_of(row)[1] for row in (9, 10, 11)] == [CardState.FROZEN, CardState.FROZEN, CardState.ACTIVE]
    again.apply(DirectoryChange(cards=changed[12:20]))
    asyncio.run(following.renew({"version": 4}))
    assert path.read_bytes() != whole
    directory_file.changes_path(path).write_bytes(beside)
    assert state_of(12) == ({"version": 4}, CardState.FROZEN, 40)
    directory_file.changes_path(path).write_bytes(beside[:-9])
    with pytest.raises(SnapshotUnreadable, match="directory_changes"):
        state_of(12)


def test_cards_that_change_while_a_large_directory_is_copied_are_saved_as_they_are_then(
    tmp_path, monkeypatch
):
    """The copy is made a few cards at a time; what they share is of its end, and so are they."""
    monkeypatch.setattr("server.core.directory_file._COPY_ROWS", 10)
    known, path = full_directory(), tmp_path / "directory.npz"
    changed = cards(41)
    changed["state"] = CardState.LOST

    async def act():
        renewing = asyncio.ensure_future(DirectoryFile(known, path).renew({}))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        known.apply(DirectoryChange(cards=changed[[0, 39, 40]]))
        await renewing

    asyncio.run(act())
    again = Directory()
    DirectoryFile(again, path).load()
    assert again.cards["state"][[0, 1, 39, 40]].tolist() == [
        CardState.LOST,
        0,
        CardState.LOST,
        CardState.LOST,
    ]
    assert (again.count, again.rows) == (41, 41)


def test_a_change_comes_in_slices_that_together_are_the_change(monkeypatch):
    """What cards share comes first, the position last."""
    monkeypatch.setattr("server.core.directory.SLICE_CARDS", 7)
    known, again, whole = full_directory(), Directory(), cards(40)
    lock = ControlSet(merchants_allowed=frozenset({5}))
    change = DirectoryChange(
        cards=whole,
        controls={11: lock},
        limits={3: (limit("count", "1h", 3, 5),)},
        programmes=[programme()],
        version=9,
    )
    parts = list(slices(change))
    assert [len(part.cards) for part in parts] == [0, 7, 7, 7, 7, 7, 5, 0]
    for part in parts:
        again.apply(part)
    known = Directory()
    known.apply(change)
    assert again.cards.tobytes() == known.cards.tobytes()
    assert (again.version, again.control_sets) == (9, known.control_sets)


def test_a_file_of_the_oldest_format_gives_its_limits_their_names(tmp_path):
    """A programme's columns become limits, numbered as the bits of older decisions were."""
    known, path = full_directory(), tmp_path / "directory.npz"
    arrays = directory_file.contents(known, {}, "", known.cards[: known.rows])
    shared = json.loads(arrays["shared"].tobytes())
    former = {"limit_transaction_minor": 7, "limit_day_minor": 0, "limit_month_minor": 9}
    shared["programmes"][0] |= {**former, "velocity_limits": [[5, 0], [0, 6], [0, 0], [0, 0]]}
    del shared["programmes"][0]["limits"]
    for name in ("limits", "rules", "blocks_shadow", "limit_names", "rule_names"):
        del shared[name]
    arrays["shared"] = np.frombuffer(json.dumps(shared).encode(), np.uint8)
    kept = [name for name in CARD.names if name != "limits"]
    arrays["cards"] = rfn.repack_fields(arrays["cards"][kept])
    write_arrays(path, directory_file.OLDEST, arrays)
    again = Directory()
    DirectoryFile(again, path).load()
    assert again.programmes[0].limits == (
        limit("count", "1m", 5, 1),
        limit("amount", "1h", 6, 6),
        limit("amount", "transaction", 7, 9),
        limit("amount", "month", 9, 11),
    )
    assert again.count == known.count and not again.cards["limits"].any()
    names = [again.limit_names[found.name] for found in again.programmes[0].limits]
    assert names == ["count_1m", "amount_1h", "amount_transaction", "amount_month"]


def test_a_damaged_file_is_refused_by_name(tmp_path):
    """Wherever a byte has changed, it is the file that is named, and nothing is loaded."""
    known, path = full_directory(), tmp_path / "directory.npz"
    asyncio.run(DirectoryFile(known, path).renew({}))
    whole = path.read_bytes()
    columns, shared = whole.index(known.cards[:40].tobytes()), whole.index(b'{"source"')
    rng = np.random.default_rng(4)
    for place in [0, *(columns + rng.integers(0, 2_000, 20)), *(shared + rng.integers(0, 500, 20))]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        empty = Directory()
        with pytest.raises(SnapshotUnreadable, match=path.name):
            DirectoryFile(empty, path).load()
        assert empty.count == 0
