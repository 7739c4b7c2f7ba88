"""Index and u128 arithmetic against Python's own dictionary and numbers."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger import index, wide
from ledger.transfer import ACCOUNT

pytestmark = pytest.mark.kernel

NEAR = st.sampled_from((0, 1, 2**64 - 1, 2**64, 2**127, 2**128 - 2, 2**128 - 1))
WIDE = NEAR | st.integers(0, 2**128 - 1)


def halves(value: int) -> tuple[np.uint64, np.uint64]:
    return np.uint64(value & (2**64 - 1)), np.uint64(value >> 64)


def joined(pair) -> int:
    return int(pair[0]) | int(pair[1]) << 64


@given(WIDE, WIDE)
def test_wide_arithmetic_is_that_of_whole_numbers(a, b):
    """Comparison, overflow, sum and difference, where they are defined."""
    assert wide.less(*halves(a), *halves(b)) == (a < b)
    assert wide.sum_overflows(*halves(a), *halves(b)) == (a + b >= 2**128)
    assert wide.is_zero(*halves(a)) == (a == 0)
    assert wide.is_max(*halves(a)) == (a == 2**128 - 1)
    if a + b < 2**128:
        assert joined(wide.add(*halves(a), *halves(b))) == a + b
    if a >= b:
        assert joined(wide.subtract(*halves(a), *halves(b))) == a - b


def test_an_index_finds_what_was_put_and_nothing_else_also_while_it_grows():
    """Sequential, sparse and colliding ids; some are burnt; half the slots are taken, then a quarter."""
    rng = np.random.default_rng(5)
    ids = [*range(1, 301), *(int(i) << 64 for i in range(1, 101)), *rng.integers(1, 2**63, 100).tolist()]
    records = np.zeros(len(ids), ACCOUNT)
    burnt = np.zeros((len(ids), 2), np.uint64)
    slots = np.zeros(4096, np.uint64)  # a table of 1024, one of 2048
    expected: dict[int, int] = {}
    counts = [0, 0]
    for i, id_ in enumerate(ids):
        lo, hi = halves(id_)
        position, row = index.find(slots, 1024, 0, records, burnt, lo, hi)
        assert row == index.ABSENT
        if i % 5 == 4:
            burnt[counts[1]] = lo, hi
            index.put_burnt(slots, position, lo, hi, counts[1])
            counts[1] += 1
            expected[id_] = index.BURNT
        else:
            records[counts[0]]["id_lo"], records[counts[0]]["id_hi"] = lo, hi
            index.put(slots, position, lo, hi, counts[0])
            expected[id_] = counts[0]
            counts[0] += 1
    rebuilt = np.zeros(4096, np.uint64)
    index.enter(rebuilt, 2048, records, counts[0])
    index.enter_burnt(rebuilt, 2048, burnt, counts[1])

    def check(some, size, old):
        for id_, row in expected.items():
            assert index.find(some, size, old, records, burnt, *halves(id_))[1] == row
        for id_ in (0, 301, 2**128 - 1, 101 << 64):
            assert index.find(some, size, old, records, burnt, *halves(id_))[1] == index.ABSENT

    check(slots, 1024, 0)
    check(rebuilt, 2048, 0)
    for start in range(0, 1024, 100):
        check(slots, 2048, 1024)
        index.spread(slots, 1024, 2048, start, min(1024, start + 100))
    check(slots, 2048, 1024)
    check(slots, 2048, 0)


def test_an_index_forgets_what_was_put_last():
    """Taking back in reverse order leaves the slots as they were."""
    records = np.zeros(40, ACCOUNT)
    records["id_lo"] = np.arange(1, 41)
    burnt = np.zeros((0, 2), np.uint64)
    slots = np.zeros(128, np.uint64)
    index.enter(slots, 64, records, 20)
    before = slots.copy()
    for row in range(20, 40):
        lo, hi = records[row]["id_lo"], records[row]["id_hi"]
        index.put(slots, index.find(slots, 64, 0, records, burnt, lo, hi)[0], lo, hi, row)
    for row in range(39, 19, -1):
        lo, hi = records[row]["id_lo"], records[row]["id_hi"]
        index.take_back(slots, index.find(slots, 64, 0, records, burnt, lo, hi)[0])
    assert slots.tolist() == before.tolist()
