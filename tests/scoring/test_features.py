"""Features mean what their list says: against a plain twin, in any batches, with anything missing."""

import math
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scoring.attempt import ATTEMPT, TIME_MISSING, empty_attempts, hash_merchant
from scoring.category import GROUP_MISSING, GROUP_NAMES, group_table
from scoring.features import FEATURE_NAMES, FEATURES, Features
from scoring.windows import WINDOWS

pytestmark = pytest.mark.kernel

T0 = 1_750_000_000
NAN = math.nan


class NaiveCard:
    """The plain twin: one card's whole past, each feature from its definition."""

    def __init__(self):
        self.past = []
        self.mean, self.variance, self.night_share = 0.0, 0.0, 0.0
        self.nights, self.amounts = [], []
        self.timed = 0
        self.group_means, self.group_counts = defaultdict(float), defaultdict(int)
        self.group_variances = defaultdict(float)
        self.merchants = {}
        self.last_s, self.placed_s, self.place = 0, 0, None
        self.heads = [0] * len(WINDOWS)

    def observe(self, attempt, groups):
        amount = attempt["amount_minor"] / 100
        log_amount = math.log1p(amount)
        time_s = int(attempt["time_s"])
        group = int(groups[attempt["category"]])
        row = dict.fromkeys(FEATURE_NAMES, NAN)
        row.update(amount=amount, log_amount=log_amount, card_present=float(attempt["card_present"]))
        row.update(attempts_known=len(self.past), entry_mode=float(attempt["entry_mode"] or NAN))
        if self.past:
            row["amount_ratio"] = math.exp(log_amount - self.mean)
            row["seconds_since_last"] = max(time_s - self.last_s, 0)
        if len(self.past) >= 3:
            row["amount_z"] = (log_amount - self.mean) / max(math.sqrt(self.variance), 0.25)
        if group != GROUP_MISSING:
            row["category_group"] = group
            row["is_first_in_group"] = float(self.group_counts[group] == 0)
            if self.group_counts[group]:
                row["amount_group_ratio"] = math.exp(log_amount - self.group_means[group])
            if self.group_counts[group] >= 3:
                spread = max(math.sqrt(self.group_variances[group]), 0.25)
                row["amount_group_z"] = (log_amount - self.group_means[group]) / spread
        self._windows(row, time_s)
        self._merchant(row, int(attempt["merchant"]))
        if attempt["country"] and attempt["home_country"]:
            row["is_domestic"] = float(attempt["country"] == attempt["home_country"])
        place = (float(attempt["latitude_deg"]), float(attempt["longitude_deg"]))
        home = (float(attempt["home_latitude_deg"]), float(attempt["home_longitude_deg"]))
        row["distance_home_km"] = central_angle_km(place, home)
        if self.placed_s:
            row["distance_last_km"] = central_angle_km(place, self.place)
            row["speed_kmh"] = row["distance_last_km"] * 3600 / max(abs(time_s - self.placed_s), 60)
        self._lately(row, max(time_s, self.last_s))
        self._local_time(row, int(attempt["local_time_s"]), amount, max(time_s, self.last_s))
        self._remember(log_amount, amount, time_s, group, place)
        return [row[name] for name in FEATURE_NAMES]

    def _windows(self, row, time_s):
        for number, window in enumerate(WINDOWS):
            reach = window.span_s // window.step_s
            bucket, head = time_s // window.step_s, self.heads[number]
            known = [
                amount
                for at_s, amount, counted in self.past
                if counted[number] and at_s // window.step_s >= max(bucket, head) - reach
            ]
            row[f"attempts_{window.name}"] = len(known)
            row[f"amount_{window.name}"] = sum(known)

    def _merchant(self, row, merchant):
        if merchant:
            slot, tag = merchant // 65_536 % 32, merchant % 65_536 or 1
            row["is_first_at_merchant"] = float(self.merchants.get(slot) != tag)
            self.merchants[slot] = tag

    def _lately(self, row, now_s):
        row["night_spend"] = sum(amount * math.exp(-(now_s - at_s) / 86_400) for at_s, amount in self.nights)
        if self.amounts:
            row["recent_peak"] = max(
                log_amount - (now_s - at_s) / 86_400 for at_s, log_amount in self.amounts
            )

    def _local_time(self, row, local_time_s, amount, now_s):
        if local_time_s == TIME_MISSING:
            return
        moment = np.datetime64(local_time_s, "s").item()
        night = float(moment.hour >= 22 or moment.hour < 6)
        row.update(hour=moment.hour, weekday=moment.weekday(), is_night=night)
        row["is_weekend"] = float(moment.weekday() >= 5)
        if self.timed:
            row["night_share"] = self.night_share
        self.nights += [(now_s, amount)] if night else []
        self.timed += 1
        self.night_share += (night - self.night_share) / min(self.timed, 100)

    def _remember(self, log_amount, amount, time_s, group, place):
        # A late attempt counts as of the newest time known.
        self.amounts.append((max(time_s, self.last_s), log_amount))
        counted = []
        for number, window in enumerate(WINDOWS):
            bucket = time_s // window.step_s
            self.heads[number] = max(self.heads[number], bucket)
            counted.append(bucket >= self.heads[number] - window.span_s // window.step_s)
        self.past.append((time_s, amount, counted))
        weight = 1 / min(len(self.past), 100)
        off = log_amount - self.mean
        self.mean += weight * off
        self.variance = (1 - weight) * (self.variance + weight * off * off)
        if group != GROUP_MISSING:
            self.group_counts[group] = min(self.group_counts[group] + 1, 20)
            weight = 1 / self.group_counts[group]
            off = log_amount - self.group_means[group]
            self.group_means[group] += weight * off
            self.group_variances[group] = (1 - weight) * (self.group_variances[group] + weight * off * off)
        if not math.isnan(place[0] + place[1]) and time_s >= self.placed_s:
            self.placed_s, self.place = time_s, (np.float32(place[0]), np.float32(place[1]))
        self.last_s = max(self.last_s, time_s)


def central_angle_km(one, other):
    """The distance by the angle between two unit vectors: another formula than the kernel's."""
    vectors = []
    for latitude, longitude in (one, other):
        phi, theta = np.radians(np.float64(latitude)), np.radians(np.float64(longitude))
        vectors.append((np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)))
    across = np.linalg.norm(np.cross(*vectors))
    return 6371.0 * float(np.arctan2(across, np.dot(*vectors)))


def random_attempts(rng, count, cards):
    """Attempts at every pace, late ones among them, with each field missing now and then."""
    attempts = empty_attempts(count)
    attempts["card_row"] = rng.integers(0, cards, count)
    attempts["time_s"] = T0 + np.cumsum(rng.choice([0, 3, 40, 1_000, 20_000, -15, -2_000], count))
    attempts["amount_minor"] = np.exp(rng.normal(8, 1.5, count)).astype(np.int64)
    attempts["merchant"] = [hash_merchant(b"", b"shop %d" % shop) for shop in rng.integers(0, 60, count)]
    attempts["category"] = rng.choice([5411, 5541, 5812, 7011, 9_999, 0], count)
    attempts["country"], attempts["home_country"] = rng.choice([840, 276, 0], count), 840
    attempts["entry_mode"] = rng.integers(0, 7, count)
    attempts["card_present"] = rng.integers(0, 2, count)
    attempts["local_time_s"] = attempts["time_s"] - 5 * 3600
    attempts["latitude_deg"], attempts["longitude_deg"] = (
        rng.uniform(-80, 80, count),
        rng.uniform(-180, 180, count),
    )
    attempts["home_latitude_deg"], attempts["home_longitude_deg"] = 40.7, -74.0
    for name, lacks in (
        ("local_time_s", TIME_MISSING),
        ("merchant", 0),
        ("latitude_deg", np.nan),
        ("longitude_deg", np.nan),
        ("home_latitude_deg", np.nan),
    ):
        attempts[name][rng.random(count) < 0.15] = lacks
    return attempts


@pytest.mark.parametrize("seed", range(6))
def test_features_equal_their_plain_twin_for_any_history(seed):
    """Every feature, from its definition over the card's whole past."""
    rng = np.random.default_rng(seed)
    attempts = random_attempts(rng, 150, cards=3)
    cards, groups = [NaiveCard() for _ in range(3)], group_table()
    expected = np.array([cards[attempt["card_row"]].observe(attempt, groups) for attempt in attempts])
    observed = Features(3).observe(attempts)
    for column, name in enumerate(FEATURE_NAMES):
        np.testing.assert_allclose(
            observed[:, column], expected[:, column], rtol=2e-4, atol=2e-4, err_msg=name
        )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.lists(st.integers(0, 80), max_size=8))
def test_features_are_the_same_bits_however_requests_fell_into_batches(seed, cuts):
    """Any split of a sequence gives equal features and an equal state."""
    attempts = random_attempts(np.random.default_rng(seed), 80, cards=4)
    whole, split = Features(4), Features(4)
    expected = whole.observe(attempts)
    observed = np.concatenate([split.observe(part) for part in np.split(attempts, sorted(cuts))])
    assert observed.tobytes() == expected.tobytes()
    for name, array in whole.arrays().items():
        assert array.tobytes() == split.arrays()[name].tobytes(), name


def test_a_bare_request_lacks_what_it_does_not_carry():
    """The first attempt of a card, with nothing but an amount: the rest is NaN, not zero."""
    attempts = empty_attempts(1)
    attempts["amount_minor"], attempts["time_s"] = 1_250, T0
    row = dict(zip(FEATURE_NAMES, Features(1).observe(attempts)[0].tolist(), strict=True))
    known = {name: value for name, value in row.items() if not math.isnan(value)}
    windows = {f"{kind}_{window.name}": 0.0 for kind in ("attempts", "amount") for window in WINDOWS}
    assert known == windows | {
        "amount": 12.5,
        "log_amount": pytest.approx(math.log(13.5)),
        "card_present": 0.0,
        "attempts_known": 0.0,
        "night_spend": 0.0,
    }


@pytest.mark.parametrize(("hour", "night"), [(21, 0), (22, 1), (23, 1), (0, 1), (5, 1), (6, 0), (12, 0)])
def test_is_night_is_22_to_06_of_the_merchant_s_wall_clock(hour, night):
    """Night is told by the local time, whatever the transmission time says."""
    attempts = empty_attempts(1)
    attempts["time_s"], attempts["local_time_s"] = T0, T0 // 86_400 * 86_400 + hour * 3600 + 1800
    features = Features(1).observe(attempts)[0]
    assert features[FEATURE_NAMES.index("is_night")] == night
    assert features[FEATURE_NAMES.index("hour")] == hour


def test_a_late_attempt_moves_neither_the_last_time_nor_the_last_place_back():
    """After an older attempt, the newest one still is the last."""
    attempts = empty_attempts(3)
    attempts["time_s"] = [T0, T0 - 600, T0 + 60]
    attempts["latitude_deg"], attempts["longitude_deg"] = [50.0, 10.0, 50.0], 8.0
    features = Features(1).observe(attempts)
    since, far = FEATURE_NAMES.index("seconds_since_last"), FEATURE_NAMES.index("distance_last_km")
    assert list(features[1:, since]) == [0.0, 60.0]
    assert features[2, far] == pytest.approx(0.0, abs=0.01)


def test_features_stay_finite_when_amounts_are_as_large_as_they_get():
    """A hundred attempts at the largest amount overflow nothing."""
    attempts = empty_attempts(100)
    attempts["amount_minor"], attempts["time_s"], attempts["category"] = np.iinfo(np.int64).max, T0, 5411
    features = Features(1).observe(attempts)
    assert not np.isinf(features).any()
    assert features[-1, FEATURE_NAMES.index("attempts_1h")] == 99


@pytest.mark.parametrize(
    ("field", "value", "error"), [("card_row", 7, IndexError), ("amount_minor", -1, ValueError)]
)
def test_observe_changes_nothing_when_its_input_is_bad(field, value, error):
    """An unknown row or an amount below zero is an error before anything is written."""
    features, attempts = Features(1), empty_attempts(2)
    attempts[field][1] = value
    with pytest.raises(error):
        features.observe(attempts)
    assert not any(array.any() for array in features.arrays().values())


def test_state_survives_growth_and_a_snapshot():
    """More rows, and a round trip through arrays, change no feature of what follows."""
    attempts = random_attempts(np.random.default_rng(3), 60, cards=2)
    first, second = attempts[:40], attempts[40:]
    straight, grown, loaded = Features(2), Features(2), Features()
    straight.observe(first)
    grown.observe(first)
    grown.grow(9)
    loaded.load({name: array.copy() for name, array in grown.arrays().items()})
    assert loaded.cards == 9
    assert straight.observe(second).tobytes() == loaded.observe(second).tobytes()


def test_load_refuses_a_state_of_another_layout():
    """A snapshot of other features is named, not read."""
    arrays = Features(2).arrays()
    with pytest.raises(ValueError, match="'moments' is missing or has another layout"):
        Features().load({**arrays, "moments": np.zeros((2, 1), np.float32)})


def test_every_category_code_has_a_group_with_a_name():
    """The table knows each of the 9,999 codes; only 0, a missing category, has none."""
    groups = group_table()
    assert groups[0] == GROUP_MISSING
    assert set(groups[1:10_000]) == set(range(len(GROUP_NAMES)))


def test_the_list_of_features_says_what_each_one_is():
    """Names are unique; unit, range and meaning are never empty."""
    assert len(set(FEATURE_NAMES)) == len(FEATURES)
    assert all(feature.unit and feature.span and feature.meaning for feature in FEATURES)
    assert ATTEMPT.isalignedstruct
