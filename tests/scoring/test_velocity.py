"""Limits hold, whoever comes at once, and what is given back is given back: against a plain twin."""

import numpy as np
import pytest

from scoring.attempt import empty_attempts
from scoring.limit import AMOUNT, CONSULTED, FREQUENCY, LIMIT, TRANSACTION, LimitTable, Measure, Of, Subject
from scoring.limit import DAY as WINDOW_DAY
from scoring.pool import TOP
from scoring.roster import WAYS, first_slot
from scoring.velocity import (
    NO_ROW,
    PAST_NAMES,
    STEP,
    STEP_ADD,
    STEP_ATTEMPT,
    STEP_DECLINE,
    STEP_REDUCE,
    STEP_RELEASE,
    STEP_RESERVE,
    Velocity,
)
from scoring.velocity_rows import SLOTS_MAX
from scoring.windows import AMOUNT_CEILING_MAX_MINOR, WINDOWS
from tests.scoring.naive_velocity import NaiveVelocity

pytestmark = pytest.mark.kernel

T0 = 1_750_000_000
CARDS, ACCOUNTS = 6, 5
WINDOW = {window.name: number for number, window in enumerate(WINDOWS)}


def limit(number, ceiling, window, measure=Measure.COUNT, of=Of.APPROVALS, subject=Subject.CARD, shadow=0):
    line = np.zeros(1, LIMIT)
    line["number"], line["name"], line["ceiling"], line["window"] = number, number, ceiling, window
    line["measure"], line["of"], line["subject"], line["shadow"] = measure, of, subject, shadow
    return line


def table(*lines):
    limits = np.concatenate([np.zeros(0, LIMIT), *lines])
    return LimitTable(limits, np.array([0, 0, len(limits)], np.uint32))


def attempt(
    time_s=T0, amount_minor=100, card_row=0, account=0, merchant=0, device=0, ip=0, category=0, country=0
):
    one = empty_attempts(1)
    one["time_s"], one["amount_minor"], one["card_row"], one["account"] = (
        time_s,
        amount_minor,
        card_row,
        account,
    )
    one["merchant"], one["device"], one["ip"] = merchant, device, ip
    one["category"], one["country"] = category, country
    return one


def admit(velocity, attempts, limits=None, counted=True, entering=True):
    count = len(attempts)
    days = (attempts["time_s"] // 86_400).astype(np.int32)
    return velocity.admit(
        attempts, day_ids=days, month_ids=days // 30, counted=np.full(count, counted), entering=np.full(count, entering),
        limit_sets=np.ones(count, np.uint32), limits=limits or table(),
    )  # fmt: skip


def step_of(attempts, kind, amount_minor=None):
    step = np.zeros(len(attempts), STEP)
    for name in (
        "time_s",
        "amount_minor",
        "merchant",
        "device",
        "ip",
        "card_row",
        "account",
        "category",
        "country",
    ):
        step[name] = attempts[name]
    step["day_id"] = attempts["time_s"] // 86_400
    step["month_id"] = step["day_id"] // 30
    step["step"] = kind
    if amount_minor is not None:
        step["amount_minor"] = amount_minor
    return step


def assert_same_state(one, other):
    for name, array in one.arrays().items():
        assert array.tobytes() == other.arrays()[name].tobytes(), name


def random_life(seed, length):
    """Attempts at random times, late and far-ahead ones too, with give-backs of what was reserved."""
    rng = np.random.default_rng(seed)
    time_s, reserved = T0, []
    for _ in range(length):
        kind = rng.choice(["attempt", "reserve", "reserve", "reserve", "add", "release", "reduce", "decline"])
        if kind in ("release", "reduce", "decline") and reserved:
            place = int(rng.integers(len(reserved)))
            yield kind, reserved.pop(place) if kind == "release" else reserved[place]
            continue
        if kind in ("release", "reduce", "decline"):
            continue
        time_s += int(rng.choice([0, 1, 7, 45, 900, 7_000, 70_000, 400_000]))
        if rng.random() < 0.02:
            time_s += 3_000_000
        late_s = int(rng.choice([0, 0, 0, 5, 100, 3_000, 90_000, 1_000_000, 4_000_000]))
        one = attempt(
            time_s - late_s, int(rng.integers(0, 5_000)), int(rng.integers(CARDS)), int(rng.integers(ACCOUNTS)),
            int(rng.integers(5)), int(rng.integers(4)), int(rng.integers(4)), int(rng.integers(3)), int(rng.integers(3)),
        )  # fmt: skip
        if kind != "attempt":
            reserved.append(one)
        yield kind, one


def live(velocity, kind, one):
    """Does one step of a life as the server does; the STEP that its journal would tell."""
    if kind in ("attempt", "reserve", "add"):
        admit(velocity, one, counted=kind != "attempt", entering=kind != "add")
        return step_of(one, {"attempt": STEP_ATTEMPT, "reserve": STEP_RESERVE, "add": STEP_ADD}[kind])
    amount_minor = one["amount_minor"] // 3 if kind == "reduce" else one["amount_minor"]
    step = step_of(
        one, {"release": STEP_RELEASE, "reduce": STEP_REDUCE, "decline": STEP_DECLINE}[kind], amount_minor
    )
    if kind == "reduce":
        one["amount_minor"] -= amount_minor
    velocity.retrace(step)
    return step


@pytest.mark.parametrize("seed", range(6))
def test_velocity_equals_its_plain_twin_over_random_lives(seed):
    """Past and compared values of all five subjects agree: late, far-ahead and out-of-order times, give-backs, accounts that split."""
    velocity, twin = Velocity(CARDS, ACCOUNTS), NaiveVelocity()
    for kind, one in random_life(seed, 90):
        plain = {name: int(one[name][0]) for name in one.dtype.names if one[name].dtype.kind in "iu"}
        if kind in ("attempt", "reserve", "add"):
            assert_past_is(twin, plain, admit_past(velocity, one))
            for subject in Subject:
                row = (
                    twin.row_of(subject.name.lower(), plain)
                    if subject != Subject.ACCOUNT or plain["account"]
                    else None
                )
                lines = [
                    limit(1 + window, 1 << 40, window, subject=subject, measure=measure)
                    for window, measure in enumerate([Measure.COUNT, Measure.AMOUNT] * 3)
                ]
                used = compared(velocity, one, lines)
                if row is None:
                    assert used == [None] * 6
                else:
                    fields = ["approvals", "consumed"] * 3
                    expected = [
                        row.total(window, plain["time_s"], field) for window, field in enumerate(fields)
                    ]
                    more = [1, plain["amount_minor"]] * 3
                    assert used == [now + plus for now, plus in zip(expected, more, strict=True)]
            twin.enter(plain, kind != "add", kind != "attempt")
        elif kind == "decline":
            twin.change(plain, declines=1)
        elif kind == "reduce":
            twin.change(plain, consumed=-(plain["amount_minor"] // 3))
        else:
            twin.change(plain, approvals=-1, consumed=-plain["amount_minor"])
        live(velocity, kind, one)


def admit_past(velocity, one):
    probe = Velocity(CARDS, ACCOUNTS)
    probe.load({name: array.copy() for name, array in velocity.arrays().items()})
    return dict(zip(PAST_NAMES, admit(probe, one, counted=False).past[0].tolist(), strict=True))


def compared(velocity, one, lines):
    """What limits would be brought to, asked of a copy of the state."""
    probe = Velocity(CARDS, ACCOUNTS)
    probe.load({name: array.copy() for name, array in velocity.arrays().items()})
    told = admit(probe, one, table(*lines), entering=False).consulted[0]
    found = {int(line["number"]): int(line["used"]) for line in told if line["number"]}
    return [found.get(int(line["number"][0])) for line in lines]


def assert_past_is(twin, step, past):
    """Every column of the past, from the twin's events."""
    card = twin.row_of("card", step)
    for name, value in past.items():
        subject, _, rest = name.partition("_")
        named = subject in ("account", "merchant", "device", "ip") and not rest.startswith("since")
        row = twin.row_of(subject, step) if named and step[subject] else None if named else card
        what, _, window = (rest if named else name).rpartition("_")
        if row is None:
            assert np.isnan(value), name
        elif what in ("attempts", "amount"):
            field = "attempts" if what == "attempts" else "attempted"
            assert value == row.total(WINDOW[window], step["time_s"], field), name
        elif name.endswith("since_s"):
            kind = subject
            last_s = row.seen.get((kind, step[kind]))
            expected = np.nan if not step[kind] else -1 if last_s is None else max(step["time_s"] - last_s, 0)
            assert value == expected or (np.isnan(value) and np.isnan(expected)), name
        else:
            kind = {
                "merchants": "merchant",
                "countries": "country",
                "categories": "category",
                "cards": "card_row",
                "devices": "device",
            }[what]
            assert value == row.distinct(WINDOW[window], step["time_s"], kind), name


@pytest.mark.parametrize("seed", range(4))
def test_a_state_is_rebuilt_byte_for_byte_from_what_a_journal_tells(seed):
    """Steps retraced in one call, from a journal, give the arrays of the life that was lived one request at a time."""
    lived, again = Velocity(CARDS, ACCOUNTS), Velocity()
    steps = [live(lived, kind, one) for kind, one in random_life(100 + seed, 150)]
    again.grow(2, 3)
    again.grow(CARDS, ACCOUNTS)
    again.retrace(np.concatenate(steps))
    assert_same_state(lived, again)


def test_a_hundred_requests_at_once_share_a_limit_in_one_batch_and_one_by_one():
    """Of a hundred that come together seven are reserved, and only those."""
    limits = table(limit(1, 7, WINDOW["1h"]))
    together, apart = Velocity(1), Velocity(1)
    reserved = admit(together, np.concatenate([attempt()] * 100), limits)
    assert list(reserved.flags) == [0] * 7 + [FREQUENCY] * 93
    assert [bool(admit(apart, attempt(), limits).reserved[0]) for _ in range(100)] == [True] * 7 + [
        False
    ] * 93
    assert_same_state(together, apart)


def test_a_live_limit_declines_and_a_shadow_limit_only_tells():
    """Both are passed; the request is refused by the live one alone, and both are told, live first."""
    shadow, live_one = (
        limit(1, 50, TRANSACTION, Measure.AMOUNT, shadow=1),
        limit(2, 60, TRANSACTION, Measure.AMOUNT),
    )
    told = admit(Velocity(1), attempt(), table(shadow, live_one))
    assert (told.flags[0], bool(told.reserved[0])) == (AMOUNT, False)
    assert [(line["number"], line["passed"]) for line in told.consulted[0][:2]] == [(2, 1), (1, 1)]
    assert admit(Velocity(1), attempt(), table(shadow)).reserved[0]


def test_of_many_limits_the_passed_and_the_nearest_are_told():
    """Eight of ten are told: the passed one, then those with the least left."""
    lines = [limit(number, 100 + 10 * number, WINDOW["1h"], Measure.AMOUNT) for number in range(1, 10)]
    told = admit(Velocity(1), attempt(), table(*lines, limit(10, 99, WINDOW["1h"], Measure.AMOUNT)))
    assert list(told.consulted[0]["number"]) == [10, 1, 2, 3, 4, 5, 6, 7]
    assert told.consulted.dtype == CONSULTED


def test_declines_count_against_a_limit_where_there_were_as_many():
    """Two declines pass a limit of two declines, for the third request."""
    velocity, limits = Velocity(1), table(limit(1, 2, WINDOW["1h"], of=Of.DECLINES))
    for _ in range(2):
        assert admit(velocity, attempt(), limits).flags[0] == 0
        velocity.retrace(step_of(attempt(), STEP_DECLINE))
    assert admit(velocity, attempt(), limits).flags[0] == FREQUENCY


def test_distinct_merchants_count_this_request_s_own_once():
    """A limit of two merchants lets the two return, and refuses a third."""
    velocity, limits = Velocity(1), table(limit(1, 2, WINDOW["24h"], Measure.MERCHANTS, Of.ATTEMPTS))
    flags = [int(admit(velocity, attempt(merchant=which), limits).flags[0]) for which in (5, 6, 5, 6, 7)]
    assert flags == [0, 0, 0, 0, FREQUENCY]


def test_an_account_s_limit_counts_all_its_cards_when_a_second_one_comes():
    """What the first card had reserved counts for the account, and its release counts too."""
    velocity, limits = (
        Velocity(2, 4),
        table(limit(1, 250, WINDOW["24h"], Measure.AMOUNT, subject=Subject.ACCOUNT)),
    )
    first = attempt(account=3)
    assert admit(velocity, first, limits).reserved[0]
    assert admit(velocity, attempt(card_row=1, account=3), limits).reserved[0]
    assert not admit(velocity, attempt(card_row=1, account=3), limits).reserved[0]
    velocity.retrace(step_of(first, STEP_RELEASE))
    assert admit(velocity, attempt(card_row=1, account=3), limits).reserved[0]


def test_a_late_message_counts_to_its_own_day():
    """Yesterday's message fills yesterday's limit, not today's."""
    midnight_s = T0 // 86_400 * 86_400
    velocity, limits = Velocity(1), table(limit(1, 100, WINDOW_DAY, Measure.AMOUNT))
    times_s, amounts = [midnight_s + 60, midnight_s - 60, midnight_s - 50], [90, 60, 60]
    told = [admit(velocity, attempt(at, amount), limits) for at, amount in zip(times_s, amounts, strict=True)]
    assert [int(one.flags[0]) for one in told] == [0, 0, AMOUNT]
    assert [int(one.consulted[0, 0]["used"]) for one in told] == [90, 60, 120]


def test_sums_stay_at_their_largest_when_amounts_overflow():
    """A saturated sum passes every limit that can be set, also after something was given back."""
    velocity, huge = Velocity(1), attempt(amount_minor=9 * 10**18)
    for _ in range(2):
        admit(velocity, huge)
    velocity.retrace(step_of(huge, STEP_RELEASE))
    limits = table(limit(1, AMOUNT_CEILING_MAX_MINOR, WINDOW["1h"], Measure.AMOUNT))
    assert admit(velocity, attempt(amount_minor=1), limits).flags[0] == AMOUNT


def keys_of_one_set(count):
    """Keys that share a set of the largest roster, and so of every smaller one."""
    keys = np.random.default_rng(3).integers(1, 1 << 62, 3_000_000).astype(np.uint64)
    mixed = keys ^ (keys << np.uint64(13))
    mixed ^= mixed >> np.uint64(7)
    mixed ^= mixed << np.uint64(17)
    sets = mixed & np.uint64(SLOTS_MAX[0] // WAYS - 1)
    alike = keys[sets == np.uint64(5)][:count]
    assert first_slot(SLOTS_MAX[0], alike[0]) == 5 * WAYS
    return alike


def test_the_longest_unused_merchant_goes_when_its_set_is_full():
    """A roster grows to its largest size; then a ninth key of a set takes the place of the one unused for longest."""
    alike = keys_of_one_set(WAYS + 1)
    velocity = Velocity(1)
    for place, key in enumerate(alike[:WAYS]):
        admit(velocity, attempt(T0 + 10 * place, merchant=key))
    admit(velocity, attempt(T0 + 100, merchant=alike[0]))
    admit(velocity, attempt(T0 + 110, merchant=alike[WAYS]))
    keys = velocity.arrays()["merchant_keys"]
    assert len(keys) == SLOTS_MAX[0]
    assert set(keys[keys != 0].tolist()) == set(np.delete(alike, 1).tolist())


@pytest.mark.parametrize("seed", range(3))
def test_step_that_gives_back_makes_room_for_its_longer_list_right_after_a_load(seed):
    """A snapshot has no chunk to spare; a list with a decline, or with what two subjects shared, may need one."""
    velocity = Velocity(CARDS, ACCOUNTS)
    for kind, one in random_life(200 + seed, 90):
        loaded = Velocity()
        loaded.load({name: array.copy() for name, array in velocity.arrays().items()})
        live(loaded, kind, one)
        arrays = loaded.arrays()
        assert arrays["control"][TOP] == len(arrays["chunks"])
        velocity = loaded


def test_state_survives_growth_and_a_snapshot():
    """A round trip through arrays, and more rows, change nothing that was known."""
    velocity, loaded = Velocity(1), Velocity()
    admit(velocity, attempt(merchant=9))
    loaded.load({name: array.copy() for name, array in velocity.arrays().items()})
    loaded.grow(4, 9)
    velocity.grow(4, 9)
    assert (loaded.cards, loaded.accounts) == (4, 9)
    for state in (velocity, loaded):
        admit(state, attempt(card_row=3, account=8, merchant=9))
    assert_same_state(velocity, loaded)


@pytest.mark.parametrize(
    "damage", [{"chunks": np.zeros((3, 9), np.uint32)}, {"card_rows": np.zeros((7, 2), np.uint32)}]
)
def test_load_refuses_a_state_of_another_layout(damage):
    """What doesn't fit is named, not read."""
    with pytest.raises(ValueError, match=next(iter(damage))):
        Velocity().load({**Velocity(2).arrays(), **damage})


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (attempt(card_row=9), IndexError),
        (attempt(account=9), IndexError),
        (attempt(amount_minor=-1), ValueError),
    ],
)
def test_admit_changes_nothing_when_its_input_is_bad(bad, error):
    """An unknown row or account, or an amount below zero, is an error before anything is entered."""
    velocity = Velocity(1)
    with pytest.raises(error):
        admit(velocity, np.concatenate([attempt(), bad]))
    assert_same_state(velocity, Velocity(1))


def test_an_unknown_card_s_attempt_counts_where_it_was_made():
    """Without a card only the merchant, the device and the IP remember it."""
    velocity = Velocity(1)
    for _ in range(2):
        past = admit(velocity, attempt(card_row=NO_ROW, merchant=4), counted=False).past[0]
    named = dict(zip(PAST_NAMES, past.tolist(), strict=True))
    assert named["merchant_attempts_1h"] == 1
    assert np.isnan(named["attempts_1h"])


def test_times_that_no_cell_can_hold_are_judged_and_never_counted():
    """A time before 1970 or after 2106 leaves nothing."""
    velocity = Velocity(1)
    for time_s in (-5, 1 << 32):
        assert admit(velocity, attempt(time_s), counted=False).flags[0] == 0
    assert_same_state(velocity, Velocity(1))
