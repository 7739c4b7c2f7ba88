"""Features mean what their list says: against a plain twin, in any batches, with anything missing."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.attempt import ATTEMPT, LABEL, TIME_MISSING, Verdict, empty_attempts, hash_merchant
from scoring.category import GROUP_MISSING, GROUP_NAMES, group_table
from scoring.features import FEATURE_NAMES, FEATURES, Features
from scoring.habits import HABITS
from scoring.places import PLACES_MIN
from scoring.velocity import PAST_NAMES
from tests.scoring.naive_features import NaiveFeatures

pytestmark = pytest.mark.kernel

T0 = 1_750_000_000
DAY_S = 86_400
NO_ROW = 0xFFFFFFFF


def random_attempts(rng, count, cards):
    """Attempts at every pace, late ones among them, with each field missing now and then."""
    attempts = empty_attempts(count)
    attempts["card_row"] = rng.integers(0, cards, count)
    attempts["time_s"] = T0 + np.cumsum(rng.choice([0, 3, 40, 1_000, 20_000, 90_000, -15, -2_000], count))
    attempts["amount_minor"] = np.exp(rng.normal(8, 1.5, count)).astype(np.int64)
    attempts["merchant"] = [hash_merchant(b"", b"shop %d" % shop) for shop in rng.integers(0, 20, count)]
    attempts["terminal"] = rng.integers(1, 6, count)
    attempts["category"] = rng.choice([5411, 5541, 5812, 7011, 9_999, 0], count)
    attempts["country"], attempts["home_country"] = rng.choice([840, 276, 364, 704, 0], count), 840
    attempts["entry_mode"] = rng.integers(0, 7, count)
    attempts["card_present"] = rng.integers(0, 2, count)
    attempts["local_time_s"] = attempts["time_s"] - 5 * 3600
    attempts["latitude_deg"] = rng.uniform(-80, 80, count)
    attempts["longitude_deg"] = rng.uniform(-60, 60, count)
    attempts["home_latitude_deg"], attempts["home_longitude_deg"] = 40.7, -74.0
    for name, lacks in (
        ("local_time_s", TIME_MISSING),
        ("merchant", 0),
        ("terminal", 0),
        ("latitude_deg", np.nan),
        ("longitude_deg", np.nan),
        ("home_latitude_deg", np.nan),
    ):
        attempts[name][rng.random(count) < 0.15] = lacks
    return attempts


def random_past(rng, count):
    """What velocity may say, whatever it means: counts, -1 for what is not remembered, NaN for what is lacking."""
    return rng.choice([-1.0, 0.0, 3.0, 250.0, np.nan], (count, len(PAST_NAMES))).astype(np.float32)


def random_labels(rng, attempts, share=0.4):
    """Labels of some attempts, a few of cards nobody knows, with what a few of them supersede."""
    told = attempts[rng.random(len(attempts)) < share]
    labels = np.zeros(len(told), LABEL)
    for name in ("time_s", "amount_minor", "merchant", "terminal", "card_row"):
        labels[name] = told[name]
    labels["known_s"] = told["time_s"] + rng.choice([3_600, 2 * DAY_S, 9 * DAY_S], len(told))
    labels["card_row"][rng.random(len(told)) < 0.1] = NO_ROW
    labels["verdict"] = rng.choice([1, 1, 1, 2, 3], len(told))
    labels["superseded"] = rng.choice([0, 0, 0, 1, 2, 3], len(told))
    return labels


def labels_of(attempts, verdict=Verdict.FRAUD, superseded=0, delay_s=DAY_S):
    """One label for each attempt."""
    labels = np.zeros(len(attempts), LABEL)
    for name in ("time_s", "amount_minor", "merchant", "terminal", "card_row"):
        labels[name] = attempts[name]
    labels["known_s"] = attempts["time_s"] + delay_s
    labels["verdict"], labels["superseded"] = verdict, superseded
    return labels


def nothing_past(count):
    """A past in which everything lacks."""
    return np.full((count, len(PAST_NAMES)), np.nan, np.float32)


def column(features, name):
    """One feature of rows."""
    return features[:, FEATURE_NAMES.index(name)]


@pytest.mark.parametrize("seed", range(6))
def test_features_equal_their_plain_twin_for_any_history(seed):
    """Every feature, from its definition, with labels learnt between attempts."""
    rng = np.random.default_rng(seed)
    attempts, past = random_attempts(rng, 400, cards=3), random_past(rng, 400)
    features, twin = Features(3), NaiveFeatures()
    for first in range(0, 400, 40):
        part = slice(first, first + 40)
        observed = features.observe(attempts[part], past[part])
        expected = twin.observe(attempts[part], past[part])
        for place, name in enumerate(FEATURE_NAMES):
            # Days are kept in hundredths of a deviation.
            atol = 0.011 if name.startswith(("today_", "yesterday_")) else 5e-4
            np.testing.assert_allclose(
                observed[:, place], expected[:, place], rtol=1e-3, atol=atol, err_msg=f"{name} after {first}"
            )
        labels = random_labels(rng, attempts[part])
        features.learn(labels)
        twin.learn(labels)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 80), max_size=8))
def test_features_are_the_same_bits_however_requests_fell_into_batches(seed, cuts):
    """Any split of a sequence gives equal features and an equal state."""
    rng = np.random.default_rng(seed)
    attempts, past = random_attempts(rng, 80, cards=4), random_past(rng, 80)
    whole, split = Features(4), Features(4)
    expected = whole.observe(attempts, past)
    parts = zip(np.split(attempts, sorted(cuts)), np.split(past, sorted(cuts)), strict=True)
    observed = np.concatenate([split.observe(*part) for part in parts])
    assert observed.tobytes() == expected.tobytes()
    assert_same_state(whole, split)


def assert_same_state(one, other):
    """Byte for byte."""
    for name, array in one.arrays().items():
        assert array.tobytes() == other.arrays()[name].tobytes(), name


def test_the_tables_of_places_grow_at_the_same_attempt_in_any_batches():
    """More merchants than the first table holds: same features and same state, one by one or together."""
    count = PLACES_MIN
    attempts = empty_attempts(count)
    attempts["time_s"] = T0 + np.arange(count)
    attempts["merchant"] = attempts["terminal"] = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(
        0x9E3779B97F4A7C15
    )
    whole, split = Features(1), Features(1)
    expected = whole.observe(attempts, nothing_past(count))
    observed = [split.observe(part, nothing_past(len(part))) for part in np.array_split(attempts, 7)]
    assert np.concatenate(observed).tobytes() == expected.tobytes()
    assert len(whole.arrays()["merchants"]) > PLACES_MIN
    assert_same_state(whole, split)


def test_the_state_does_not_depend_on_what_a_journal_does_not_tell():
    """Another past and other homes give other features and the same state."""
    rng = np.random.default_rng(5)
    attempts, past = random_attempts(rng, 200, cards=3), random_past(rng, 200)
    known, bare = Features(3), Features(3)
    stripped = attempts.copy()
    stripped["home_latitude_deg"], stripped["home_longitude_deg"], stripped["home_country"] = (
        np.nan,
        np.nan,
        0,
    )
    known.observe(attempts, past)
    bare.observe(stripped, nothing_past(200))
    assert_same_state(known, bare)


def test_a_bare_request_lacks_what_it_does_not_carry():
    """The first attempt of a card, with nothing but an amount: the rest is NaN, not zero."""
    attempts = empty_attempts(1)
    attempts["amount_minor"], attempts["time_s"] = 1_250, T0
    features = Features(1).observe(attempts, nothing_past(1))[0].tolist()
    row = dict(zip(FEATURE_NAMES, features, strict=True))
    known = {name: value for name, value in row.items() if not math.isnan(value)}
    assert known == {
        "amount": 12.5,
        "log_amount": pytest.approx(math.log(13.5)),
        "card_present": 0.0,
        "attempts_known": 0.0,
        "night_spend": 0.0,
        "anomaly": pytest.approx(math.log(32 * 88), rel=1e-6),
    }


@pytest.mark.parametrize(("hour", "night"), [(21, 0), (22, 1), (23, 1), (0, 1), (5, 1), (6, 0), (12, 0)])
def test_is_night_is_22_to_06_of_the_merchant_s_wall_clock(hour, night):
    """Night is told by the local time, whatever the transmission time says."""
    attempts = empty_attempts(1)
    attempts["time_s"], attempts["local_time_s"] = T0, T0 // DAY_S * DAY_S + hour * 3600 + 1800
    features = Features(1).observe(attempts, nothing_past(1))
    assert column(features, "is_night") == night
    assert column(features, "hour") == hour


def test_a_late_attempt_moves_neither_the_last_time_nor_the_last_place_back():
    """After an older attempt, the newest one still is the last."""
    attempts = empty_attempts(3)
    attempts["time_s"] = [T0, T0 - 600, T0 + 60]
    attempts["latitude_deg"], attempts["longitude_deg"] = [50.0, 10.0, 50.0], 8.0
    features = Features(1).observe(attempts, nothing_past(3))
    assert list(column(features, "seconds_since_last")[1:]) == [0.0, 60.0]
    assert column(features, "distance_last_km")[2] == pytest.approx(0.0, abs=0.01)


def test_a_terminal_s_rate_moves_when_a_label_becomes_known_and_no_earlier():
    """A fraud that nobody told changes nothing; told, it counts on the day of the transaction."""
    attempts = empty_attempts(30)
    attempts["time_s"], attempts["terminal"] = T0 + DAY_S * np.arange(30), 7
    attempts["amount_minor"] = 5_000
    told, untold = Features(1), Features(1)
    for features in (told, untold):
        features.observe(attempts[:20], nothing_past(20))
    before = untold.observe(attempts[20:], nothing_past(10))
    told.learn(labels_of(attempts[10:11], delay_s=7 * DAY_S))
    after = told.observe(attempts[20:], nothing_past(10))
    assert (column(after, "terminal_fraud_rate") > column(before, "terminal_fraud_rate")).all()
    assert np.isnan(column(before, "terminal_fraud_days")).all()
    np.testing.assert_array_less(9.9, column(after, "terminal_fraud_days"))
    assert column(after, "terminal_genuine_since")[-1] > column(after, "terminal_genuine_since")[0]


@pytest.mark.parametrize("first", [Verdict.FRAUD, Verdict.DISPUTE])
def test_a_false_positive_takes_back_what_a_label_said_before(first):
    """Once it was the cardholder after all, places and patterns count as if nobody had spoken."""
    attempts = empty_attempts(5)
    attempts["time_s"], attempts["terminal"], attempts["merchant"] = T0 + np.arange(5), 7, 9
    spoken, silent = Features(1), Features(1)
    for features in (spoken, silent):
        features.observe(attempts, nothing_past(5))
    spoken.learn(labels_of(attempts[:1], first))
    spoken.learn(labels_of(attempts[:1], Verdict.LEGITIMATE, superseded=first))
    # How long labels take was learnt, and stays.
    for state in (spoken.arrays(), silent.arrays()):
        state["patterns"]["labels"], state["patterns"]["delay_s"] = 0, 0
    assert_same_state(spoken, silent)


def test_a_dispute_that_turns_out_to_be_fraud_counts_once():
    """What supersedes a fraud by a fraud changes nothing."""
    attempts = empty_attempts(1)
    attempts["time_s"], attempts["terminal"], attempts["merchant"] = T0, 7, 9
    once, twice = Features(1), Features(1)
    for features in (once, twice):
        features.observe(attempts, nothing_past(1))
        features.learn(labels_of(attempts, Verdict.DISPUTE))
    twice.learn(labels_of(attempts, Verdict.FRAUD, superseded=Verdict.DISPUTE))
    assert_same_state(once, twice)


def test_features_stay_finite_when_amounts_are_as_large_as_they_get():
    """A hundred attempts at the largest amount overflow nothing."""
    attempts = empty_attempts(100)
    attempts["amount_minor"], attempts["time_s"], attempts["category"] = np.iinfo(np.int64).max, T0, 5411
    attempts["local_time_s"] = T0
    assert not np.isinf(Features(1).observe(attempts, nothing_past(100))).any()


@pytest.mark.parametrize(
    ("field", "value", "error"), [("card_row", 7, IndexError), ("amount_minor", -1, ValueError)]
)
def test_observe_changes_nothing_when_its_input_is_bad(field, value, error):
    """An unknown row or an amount below zero is an error before anything is written."""
    features, attempts = Features(1), empty_attempts(2)
    attempts[field][1] = value
    with pytest.raises(error):
        features.observe(attempts, nothing_past(2))
    assert_same_state(features, Features(1))


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [("card_row", 7, IndexError), ("amount_minor", -1, ValueError), ("verdict", 0, ValueError), ("verdict", 4, ValueError)],
)  # fmt: skip
def test_learn_changes_nothing_when_its_input_is_bad(field, value, error):
    """An unknown row, an amount below zero or no verdict is an error before anything is written."""
    features, labels = Features(1), labels_of(empty_attempts(2))
    labels[field][1] = value
    with pytest.raises(error):
        features.learn(labels)
    assert_same_state(features, Features(1))


def test_state_survives_growth_and_a_snapshot():
    """More rows, and a round trip through arrays, change no feature of what follows."""
    rng = np.random.default_rng(3)
    attempts, past = random_attempts(rng, 60, cards=2), random_past(rng, 60)
    straight, grown, loaded = Features(2), Features(2), Features()
    straight.observe(attempts[:40], past[:40])
    grown.observe(attempts[:40], past[:40])
    grown.grow(9)
    loaded.load({name: array.copy() for name, array in grown.arrays().items()})
    assert loaded.cards == 9
    second = straight.observe(attempts[40:], past[40:]), loaded.observe(attempts[40:], past[40:])
    assert second[0].tobytes() == second[1].tobytes()


def test_load_refuses_a_state_of_another_layout():
    """A snapshot of other features is named, not read."""
    arrays = Features(2).arrays()
    with pytest.raises(ValueError, match="'habits' is missing or has another layout"):
        Features().load({**arrays, "habits": np.zeros(2, np.float32)})


def test_a_card_takes_200_bytes():
    """What ten million cards are promised to fit in."""
    assert HABITS.itemsize == 200


def test_every_category_code_has_a_group_with_a_name():
    """The table knows each of the 9,999 codes; only 0, a missing category, has none."""
    groups = group_table()
    assert groups[0] == GROUP_MISSING
    assert set(groups[1:10_000]) == set(range(len(GROUP_NAMES)))


def test_the_list_of_features_says_what_each_one_is():
    """Names are unique and 64 at most, as many as a journal has room for; unit, range and meaning are never empty."""
    assert len(set(FEATURE_NAMES)) == len(FEATURES) <= 64
    assert all(feature.unit and feature.span and feature.meaning for feature in FEATURES)
    assert ATTEMPT.isalignedstruct


def test_tables_grow_after_they_were_read_back_from_a_file(tmp_path):
    """As after a restart: more merchants than there was room for, and the same features as without one."""
    rng = np.random.default_rng(3)

    def visits(count):
        attempts = empty_attempts(count)
        attempts["time_s"] = 1_750_000_000 + np.arange(count)
        attempts["merchant"] = rng.integers(1, 1 << 60, count)
        attempts["terminal"] = rng.integers(1, 1 << 60, count)
        return attempts, np.full((count, len(PAST_NAMES)), np.nan, np.float32)

    steady, restarted = Features(1), Features(1)
    steady.observe(*visits(100))
    np.savez(tmp_path / "state.npz", **steady.arrays())
    with np.load(tmp_path / "state.npz") as stored:
        restarted.load(dict(stored))
    attempts, past = visits(4 * len(steady.arrays()["merchants"]))
    assert steady.observe(attempts, past).tobytes() == restarted.observe(attempts, past).tobytes()
    assert len(restarted.arrays()["merchants"]) > 1_024
    for name, array in steady.arrays().items():
        assert restarted.arrays()[name].dtype == array.dtype
        assert restarted.arrays()[name].tobytes() == array.tobytes()
