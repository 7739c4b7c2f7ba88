"""Block lists in one table, against a dictionary."""

import numpy as np
import pytest

from server.core.block_lists import BlockEntry, BlockKind, BlockLists, move_lines, place_of
from tests.server.core.scene import block_lists

kernel = pytest.mark.kernel


def test_lines_stand_as_they_were_put_last_over_random_changes():
    """Entered, moved, lifted and written again, while the table grows."""
    rng, lists, known = np.random.default_rng(2), BlockLists(), {}
    for _ in range(3_000):
        kind = BlockKind(int(rng.integers(1, 6)))
        value = (int(rng.integers(0, 60)) << int(rng.integers(0, 2)) * 40, int(rng.integers(0, 2)) << 63)
        active, shadow = bool(rng.integers(0, 3)), bool(rng.integers(0, 2))
        entry = BlockEntry(kind, value, active=active, shadow=active and shadow)
        lists.put([entry])
        known.pop((kind, value), None)
        if active:
            known[kind, value] = entry
    wanted = sorted(known.values(), key=lambda line: (line.kind, line.value[1], line.value[0]))
    assert list(lists) == wanted and len(wanted) > 100


@kernel
def test_a_line_is_found_among_others_that_want_its_place():
    """Also after they moved into a larger table together; what isn't there ends at a free place."""
    entries = [BlockEntry(BlockKind.DEVICE, (7 + 64 * k, 0)) for k in range(20)]
    lists = block_lists(*entries)
    larger = np.zeros(128, lists.lines.dtype)
    move_lines(lists.lines, larger)
    for table in (lists.lines, larger):
        for entry in entries:
            line = table[place_of(table, int(entry.kind), np.uint64(entry.value[0]), np.uint64(0))]
            assert (line["low"], line["state"]) == (entry.value[0], 1)
        stranger = place_of(table, int(BlockKind.IP), np.uint64(7), np.uint64(0))
        assert table[stranger]["state"] == 0


@pytest.mark.parametrize("active", [True, False])
def test_a_line_put_twice_is_put_once(active):
    """The feed may send a row again; a lifted one that was never there leaves nothing."""
    once, twice = BlockLists(), BlockLists()
    entry = BlockEntry(BlockKind.IP, (1, 2), active=active)
    once.put([entry])
    twice.put([entry, entry])
    assert once.lines.tobytes() == twice.lines.tobytes() and once.counts.tolist() == twice.counts.tolist()
