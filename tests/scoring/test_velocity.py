"""Limits hold, whoever comes at once, and what is given back is given back: against a plain twin."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.velocity import (
    LIMIT_NAMES,
    LIMITS,
    STEP_REDUCE,
    STEP_RELEASE,
    STEP_RESERVE,
    LimitFlag,
    Velocity,
    flag_names,
)
from scoring.windows import INT64_MAX, WINDOWS

pytestmark = pytest.mark.kernel

T0 = 1_750_000_000
NO_LIMITS = np.zeros((1, LIMITS), np.int64)


class NaiveVelocity:
    """The plain twin: every event kept in dictionaries, every total summed from the definition."""

    def __init__(self):
        self.cells = [defaultdict(lambda: [0, 0]) for _ in WINDOWS]
        self.heads = [0] * len(WINDOWS)
        self.periods = [defaultdict(int), defaultdict(int)]
        self.period_heads = [0, 0]

    def reserve(self, time_s, amount, day, month, limits):
        used = self.used(time_s, amount, day, month)
        flags = sum(1 << bit for bit, limit in enumerate(limits) if 0 < limit < used[bit])
        if not flags:
            self.change(time_s, amount, day, month, count=1)
        return flags, used

    def used(self, time_s, amount, day, month):
        counts, sums = [], []
        for number, window in enumerate(WINDOWS):
            bucket, head = time_s // window.step_s, self.heads[number]
            reach = window.span_s // window.step_s
            inside = [
                cell
                for at, cell in self.cells[number].items()
                if at >= bucket - reach and head - reach <= at <= head
            ]
            counts.append(sum(cell[0] for cell in inside) + 1)
            sums.append(min(sum(min(cell[1], INT64_MAX) for cell in inside) + amount, INT64_MAX))
        calendar = [
            min((self.periods[kind][at] if self._kept(kind, at) else 0) + amount, INT64_MAX)
            for kind, at in ((0, day), (1, month))
        ]
        return [*counts, *sums, amount, *calendar]

    def change(self, time_s, amount, day, month, *, count):
        """A count of +1 reserves; -1 and 0 give back with and without the count."""
        sign = 1 if count > 0 else -1
        for number, window in enumerate(WINDOWS):
            bucket, reach = time_s // window.step_s, window.span_s // window.step_s
            if count > 0:
                self.heads[number] = max(self.heads[number], bucket)
            cell = self.cells[number][bucket]
            if self.heads[number] - reach <= bucket <= self.heads[number]:
                cell[0] = max(cell[0] + count, 0)
                if not (sign < 0 and cell[1] == INT64_MAX):
                    cell[1] = min(max(cell[1] + sign * amount, 0), INT64_MAX)
        for kind, at in ((0, day), (1, month)):
            if count > 0:
                self.period_heads[kind] = max(self.period_heads[kind], at)
            held = self.periods[kind][at]
            if self._kept(kind, at) and not (sign < 0 and held == INT64_MAX):
                self.periods[kind][at] = min(max(held + sign * amount, 0), INT64_MAX)

    def _kept(self, kind, at):
        return self.period_heads[kind] - 1 <= at <= self.period_heads[kind]


def calendar_of(times_s):
    days = np.asarray(times_s) // 86_400
    return {"day_ids": days.astype(np.int32), "month_ids": (days // 30).astype(np.int32)}


def reserve(velocity, times_s, amounts, limits=NO_LIMITS, rows=None, counted=None):
    count = len(times_s)
    return velocity.reserve(
        np.zeros(count, np.uint32) if rows is None else np.asarray(rows, np.uint32),
        np.asarray(times_s, np.int64),
        np.asarray(amounts, np.int64),
        programmes=np.zeros(count, np.uint16),
        counted=np.ones(count, np.bool_) if counted is None else np.asarray(counted),
        limits=limits,
        **calendar_of(times_s),
    )


def release(velocity, times_s, amounts, rows=None):
    velocity.release(
        np.zeros(len(times_s), np.uint32) if rows is None else np.asarray(rows, np.uint32),
        np.asarray(times_s, np.int64),
        np.asarray(amounts, np.int64),
        **calendar_of(times_s),
    )


def limits_of(**ceilings):
    table = NO_LIMITS.copy()
    for name, ceiling in ceilings.items():
        table[0, LIMIT_NAMES.index(name)] = ceiling
    return table


def assert_same_state(one, other):
    for name, array in one.arrays().items():
        assert array.tobytes() == other.arrays()[name].tobytes(), name


steps_s = st.one_of(
    st.integers(-20, 40), st.integers(-4_000, 8_000), st.integers(-100_000, 200_000), st.just(900_000)
)
operations = st.lists(
    st.tuples(st.sampled_from(["reserve", "reserve", "release", "confirm"]), steps_s, st.integers(0, 9_000)),
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(operations)
def test_velocity_equals_its_plain_twin_for_any_order_of_times(steps):
    """Flags and compared values agree over reservations, late ones too, confirmations and releases."""
    velocity, twin = Velocity(1), NaiveVelocity()
    limits = limits_of(count_1h=6, amount_24h=60_000, amount_day=50_000, amount_transaction=8_500, count_1m=4)
    time_s, open_ones = T0, []
    for kind, step_s, amount in steps:
        if kind == "reserve":
            time_s += step_s
            flags, used = reserve(velocity, [time_s], [amount], limits)
            day, month = (int(ids[0]) for ids in calendar_of([time_s]).values())
            expected_flags, expected_used = twin.reserve(time_s, amount, day, month, limits[0])
            assert (flags[0], list(used[0])) == (expected_flags, expected_used)
            if not expected_flags:
                open_ones.append((time_s, amount))
        elif open_ones:
            at, held = open_ones.pop(amount % len(open_ones))
            given = held if kind == "release" else held // 3
            day, month = (int(ids[0]) for ids in calendar_of([at]).values())
            twin.change(at, given, day, month, count=-1 if kind == "release" else 0)
            if kind == "release":
                release(velocity, [at], [held])
            else:
                open_ones.append((at, held - given))
                velocity.confirm(
                    np.zeros(1, np.uint32), np.array([at]), np.array([held]), np.array([held - given]),
                    **calendar_of([at]),
                )  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 500)), min_size=1, max_size=60), st.data())
def test_a_window_lies_between_its_span_and_one_step_more_when_times_are_in_order(events, data):
    """The bound of the error: never less than the exact window, never more than one step too long."""
    velocity = Velocity(1)
    times_s = np.cumsum([gap % data.draw(st.sampled_from([30, 4_000, 400_000])) for gap, _ in events]) + T0
    amounts = np.array([amount for _, amount in events])
    _, used = reserve(velocity, times_s, amounts)
    for index, now_s in enumerate(times_s):
        for number, window in enumerate(WINDOWS):
            ages_s = now_s - times_s[: index + 1]
            exact = amounts[: index + 1][ages_s <= window.span_s].sum()
            most = amounts[: index + 1][ages_s < window.span_s + window.step_s].sum()
            assert exact <= used[index, 4 + number] <= most


def test_reserve_lets_no_more_through_than_the_limit_when_a_hundred_come_at_once():
    """A hundred requests in one batch share a limit of seven."""
    flags, used = reserve(Velocity(1), [T0] * 100, [500] * 100, limits_of(count_1h=7))
    assert list(flags) == [0] * 7 + [LimitFlag.COUNT_1H] * 93
    assert list(used[:8, 1]) == [1, 2, 3, 4, 5, 6, 7, 8]


def test_reserve_takes_all_or_nothing_when_one_of_several_limits_is_passed():
    """What fits the windows but not the day is counted nowhere."""
    velocity, untouched = Velocity(1), Velocity(1)
    flags, _ = reserve(velocity, [T0], [901], limits_of(amount_day=900, count_1m=5))
    assert flag_names(int(flags[0])) == ["amount_day"]
    assert_same_state(velocity, untouched)


@pytest.mark.parametrize("name", LIMIT_NAMES)
def test_reserve_names_the_limit_that_was_passed(name):
    """Each limit alone declines the second of two requests, and is named as velocity_flags show it."""
    ceiling = 1 if name.startswith("count") else 100
    amounts = [50, 150] if name == "amount_transaction" else [60, 60]
    flags, used = reserve(Velocity(1), [T0, T0], amounts, limits_of(**{name: ceiling}))
    assert [flag_names(int(bits)) for bits in flags] == [[], [name]]
    assert used[1, LIMIT_NAMES.index(name)] > ceiling


def test_reserve_skips_what_an_earlier_check_declined():
    """An uncounted request is neither judged nor counted."""
    flags, used = reserve(
        Velocity(1), [T0] * 3, [80] * 3, limits_of(amount_1m=100), counted=[True, False, False]
    )
    assert list(flags) == [0, 0, 0]
    assert not used[1:].any()


def test_reserve_reads_the_limits_of_each_request_s_own_programme():
    """The same card's requests are judged by the row of limits that they name."""
    limits = np.vstack([limits_of(amount_transaction=10), limits_of(amount_transaction=1_000)])
    flags, _ = Velocity(1).reserve(
        np.zeros(2, np.uint32), np.array([T0, T0]), np.array([500, 500]),
        programmes=np.array([0, 1], np.uint16), counted=np.ones(2, np.bool_), limits=limits,
        **calendar_of([T0, T0]),
    )  # fmt: skip
    assert list(flags) == [LimitFlag.AMOUNT_TRANSACTION, 0]


def test_release_makes_room_again_for_exactly_what_it_gave_back():
    """After a release the state counts and sums as if the reservation had never been."""
    velocity, other = Velocity(2), Velocity(2)
    reserve(velocity, [T0, T0 + 5, T0 + 9], [100, 250, 70], rows=[0, 1, 0])
    release(velocity, [T0 + 5], [250], rows=[1])
    reserve(other, [T0, T0 + 9], [100, 70], rows=[0, 0])
    for name in ("counts", "sums", "period_sums"):
        assert np.array_equal(velocity.arrays()[name], other.arrays()[name]), name


def test_release_is_forgotten_when_its_bucket_has_left_the_window():
    """A reversal eight days later takes nothing from what is spent today."""
    velocity = Velocity(1)
    reserve(velocity, [T0, T0 + 9 * 86_400], [100, 30])
    release(velocity, [T0], [100])
    _, used = reserve(velocity, [T0 + 9 * 86_400], [1])
    assert list(used[0, 4:8]) == [31, 31, 31, 31]


def test_a_late_message_counts_to_its_own_day_and_month():
    """Yesterday's message fills yesterday's limit, not today's."""
    midnight_s = T0 // 86_400 * 86_400
    velocity = Velocity(1)
    limits = limits_of(amount_day=100)
    flags, used = reserve(velocity, [midnight_s + 60, midnight_s - 60, midnight_s - 50], [90, 60, 60], limits)
    assert list(flags) == [0, 0, LimitFlag.AMOUNT_DAY]
    assert list(used[:, 9]) == [90, 60, 120]


def test_sums_stay_at_their_largest_when_amounts_overflow():
    """Two amounts of 9e18 saturate; giving one back doesn't pretend to know what is left."""
    velocity = Velocity(1)
    huge = 9 * 10**18
    _, used = reserve(velocity, [T0, T0], [huge, huge])
    assert list(used[1, 4:]) == [INT64_MAX] * 4 + [huge] + [INT64_MAX] * 2
    release(velocity, [T0], [huge])
    flags, _ = reserve(velocity, [T0], [1], limits_of(amount_1h=INT64_MAX - 1))
    assert flags[0] == LimitFlag.AMOUNT_1H


def test_state_equals_what_it_was_when_rebuilt_from_what_was_accepted():
    """Reserving the accepted ones again, without limits and in other batches, gives the same bytes."""
    rng = np.random.default_rng(7)
    count = 400
    rows, amounts = rng.integers(0, 5, count), rng.integers(0, 5_000, count)
    times_s = T0 + np.cumsum(rng.integers(-300, 900, count))
    limits = limits_of(count_1h=8, amount_24h=60_000)
    velocity, rebuilt = Velocity(5), Velocity(5)
    flags, _ = reserve(velocity, times_s, amounts, limits, rows=rows)
    accepted = flags == 0
    assert 0 < accepted.sum() < count
    for part in np.array_split(np.flatnonzero(accepted), 9):
        reserve(rebuilt, times_s[part], amounts[part], rows=rows[part])
    assert_same_state(velocity, rebuilt)


def test_state_survives_growth_and_a_snapshot():
    """More rows, and a round trip through arrays, change nothing that was known."""
    velocity, loaded = Velocity(1), Velocity()
    reserve(velocity, [T0], [100])
    velocity.grow(4)
    loaded.load({name: array.copy() for name, array in velocity.arrays().items()})
    assert loaded.cards == 4
    _, used = reserve(loaded, [T0, T0], [1, 1], rows=[0, 3])
    assert list(used[:, 4]) == [101, 1]


def test_load_refuses_a_state_of_another_layout():
    """A snapshot with other windows is named, not read."""
    arrays = Velocity(2).arrays()
    with pytest.raises(ValueError, match="'sums' is missing or has another layout"):
        Velocity().load({**arrays, "sums": np.zeros((2, 3), np.int64)})


@pytest.mark.parametrize(
    ("rows", "amounts", "error"), [([0, 9], [1, 1], IndexError), ([0, 0], [1, -1], ValueError)]
)
def test_reserve_changes_nothing_when_its_input_is_bad(rows, amounts, error):
    """A row beyond the state or an amount below zero is an error before anything is counted."""
    velocity = Velocity(1)
    with pytest.raises(error):
        reserve(velocity, [T0, T0], amounts, rows=rows)
    assert_same_state(velocity, Velocity(1))


def test_reserve_takes_the_columns_of_records_as_they_lie():
    """Strided columns of other integer types are judged like arrays of their own."""
    requests = np.zeros(
        3, [("row", np.uint32), ("time_s", np.int64), ("amount_minor", np.int64), ("on", np.uint8)]
    )
    requests["time_s"], requests["amount_minor"], requests["on"] = T0, 60, 1
    _, used = Velocity(1).reserve(
        requests["row"], requests["time_s"], requests["amount_minor"], programmes=requests["row"],
        counted=requests["on"], limits=NO_LIMITS, **calendar_of(requests["time_s"]),
    )  # fmt: skip
    assert list(used[:, 4]) == [60, 120, 180]


def test_steps_retraced_in_order_give_the_state_that_was():
    """What was reserved, given back whole and in part, from a journal: one call for many."""
    rng = np.random.default_rng(9)
    live, again = Velocity(3), Velocity(3)
    steps = []
    reserved = []
    for _ in range(300):
        step = rng.choice([STEP_RESERVE, STEP_RESERVE, STEP_RELEASE, STEP_REDUCE])
        if step == STEP_RESERVE or not reserved:
            time_s = 1_750_000_000 + int(rng.integers(0, 9 * 86_400))
            place = (int(rng.integers(3)), time_s, time_s // 86_400, time_s // 2_592_000)
            amount_minor, step = int(rng.integers(1, 5_000)), STEP_RESERVE
            reserved.append([place, amount_minor])
        else:
            chosen = reserved.pop(rng.integers(len(reserved)))
            place, amount_minor = chosen
            if step == STEP_REDUCE:
                amount_minor //= 2
                reserved.append([place, chosen[1] - amount_minor])
        steps.append((*place, amount_minor, step))
        row, time_s, day, month = place
        one = (np.array([row], np.uint32), np.array([time_s]))
        amount = np.array([amount_minor])
        calendar = {"day_ids": np.array([day], np.int32), "month_ids": np.array([month], np.int32)}
        if step == STEP_RESERVE:
            live.reserve(
                *one,
                amount,
                **calendar,
                programmes=np.zeros(1, np.uint16),
                counted=np.ones(1, np.bool_),
                limits=NO_LIMITS,
            )
        elif step == STEP_RELEASE:
            live.release(*one, amount, **calendar)
        else:
            live.confirm(*one, amount, np.zeros(1, np.int64), **calendar)
    columns = [np.array(column) for column in zip(*steps, strict=True)]
    again.retrace(
        columns[0], columns[1], columns[4], day_ids=columns[2], month_ids=columns[3], steps=columns[5]
    )
    for name, array in live.arrays().items():
        assert again.arrays()[name].tobytes() == array.tobytes(), name
