"""Whose limits a card is judged by, against a plain twin."""

import numpy as np
import pytest

from scoring.limit import LIMIT
from server.core.limit_sets import SET, LimitSets, limit_rows, merge_sets, overrides
from tests.server.core.scene import limit, records

kernel = pytest.mark.kernel


def plain(programme, found):
    """Of each slot the limit nearest to the card, without the lifted."""
    nearest = {one.slot: one for one in (*programme, *found)}
    return sorted(one.number for one in nearest.values() if one.ceiling is not None)


def random_limits(rng, count, first):
    """Limits of at most one a slot; some lift, some only decide on paper."""
    made = [
        limit(
            ("count", "amount")[rng.integers(2)],
            ("1h", "24h", "7d")[rng.integers(3)],
            (None, 5, 9)[rng.integers(3)],
            first + place,
            shadow=bool(rng.integers(2)),
        )
        for place in range(count)
    ]
    return tuple({one.slot: one for one in made}.values())


@kernel
def test_sets_are_merged_as_their_plain_twin_over_random_limits():
    """Any number of programmes and overrides, also none."""
    rng = np.random.default_rng(3)
    for _ in range(50):
        far = [random_limits(rng, rng.integers(0, 6), 100 * p) for p in range(rng.integers(1, 4))]
        near = [random_limits(rng, rng.integers(0, 4), 1000 + 10 * s) for s in range(6)]
        of = np.array([rng.integers(-1, len(far) + 1) for _ in near], np.int64)
        rows = [limit_rows(found) for found in (*near, *far)]
        ends = [np.cumsum([0, *map(len, part)]) for part in (rows[:6], rows[6:])]
        sets = np.zeros(6, SET)
        sets["first"], sets["last"], sets["programme"] = ends[0][:-1], ends[0][1:], of
        merged, starts = np.zeros(99, LIMIT), np.zeros(7, np.uint32)
        tables = [np.concatenate([np.zeros(0, LIMIT), *part]) for part in (rows[:6], rows[6:])]
        count = merge_sets(
            records(tables[0]), records(sets), records(tables[1]), ends[1], records(merged), starts
        )
        assert starts[6] == count
        for place, found in enumerate(near):
            own = merged[starts[place] : starts[place + 1]]
            assert sorted(own["number"].tolist()) == plain(
                far[of[place]] if 0 <= of[place] < len(far) else (), found
            )
            assert (own["ceiling"] > 0).all()


def test_the_nearest_override_of_a_slot_counts():
    """The card's own before its account's, live ones and shadows apart."""
    account = (limit("count", "1h", 5, 1), limit("amount", "1h", 5, 2))
    card = (limit("count", "1h", None, 3), limit("count", "1h", 4, 4, shadow=True))
    assert {one.number for one in overrides(account, card)} == {2, 3, 4}


def test_set_0_is_empty_and_a_programme_keeps_its_own_set():
    """Whatever cards come and go."""
    sets = LimitSets()
    own = sets.own(0)
    other = sets.take(0, (limit("count", "1h", 5, 7),))
    sets.give_back([other])
    assert sets.own(0) == own != 0
    assert sets.take(1, (limit("count", "1h", 5, 8),)) == other
    table = sets.compile({0: (limit("count", "24h", 3, 1),)})
    assert table.sets[0] == table.sets[1] == 0
    assert table.limits["number"][table.sets[own] : table.sets[own + 1]].tolist() == [1]
    assert table.limits["number"][table.sets[other] : table.sets[other + 1]].tolist() == [8]


def test_cards_with_the_same_overrides_share_a_set():
    """Ten thousand cards of one account, one set."""
    sets, found = LimitSets(), (limit("count", "1h", 5),)
    assert len({sets.take(0, found) for _ in range(10_000)}) == 1


def test_a_set_keeps_its_overrides_while_others_come_and_go():
    """Over random lives, against a dictionary; numbers are used again, rows move together."""
    rng, sets, held, highest = np.random.default_rng(8), LimitSets(), [], 0
    for step in range(600):
        if held and rng.integers(3) == 0:
            number, _ = held.pop(rng.integers(len(held)))
            sets.give_back([number])
        elif len(held) < 40:
            found = tuple(
                limit("count", window, 5, step) for window in ("1h", "24h", "7d")[: rng.integers(1, 4)]
            )
            held.append((sets.take(int(rng.integers(2)), found), found))
        highest = max([highest, *(number for number, _ in held)])
        if step % 20 == 0:
            table = sets.compile({})
            for number, found in held:
                own = table.limits[table.sets[number] : table.sets[number + 1]]
                assert own["number"].tolist() == [one.number for one in found]
                assert sets.overrides().get(number, ()) == found
    assert highest <= 40


def test_a_ceiling_beyond_what_can_be_told_apart_is_taken_down_to_it():
    """Passed early, rather than never."""
    assert limit_rows([limit("count", "1h", 1 << 40)])["ceiling"][0] < 1 << 17
