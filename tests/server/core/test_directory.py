"""Cards found by PAN and by token, changes applied, and the file that stands in for PostgreSQL."""

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
)
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
    directory_file.save(path, directory_file.contents(known, {"database": "x", "version": 3}))
    assert directory_file.load(again, path) == {"database": "x", "version": 3}
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


def test_a_file_of_the_oldest_format_gives_its_limits_their_names(tmp_path):
    """A programme's columns become limits, numbered as the bits of older decisions were."""
    known, path = full_directory(), tmp_path / "directory.npz"
    arrays = directory_file.contents(known, {})
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
    directory_file.load(again, path)
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
    directory_file.save(path, directory_file.contents(known, {}))
    whole = path.read_bytes()
    columns, shared = whole.index(known.cards[:40].tobytes()), whole.index(b'{"source"')
    rng = np.random.default_rng(4)
    for place in [0, *(columns + rng.integers(0, 2_000, 20)), *(shared + rng.integers(0, 500, 20))]:
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        path.write_bytes(damaged)
        empty = Directory()
        with pytest.raises(SnapshotUnreadable, match=path.name):
            directory_file.load(empty, path)
        assert empty.count == 0
