"""When a champion has lost its footing."""

import numpy as np
import pytest

from scoring.floor import Floor, floor_of, footing


def scores(seed, frauds, genuine, found):
    """Fraud of which a share `found` scores above all that is genuine, and the genuine."""
    rng = np.random.default_rng(seed)
    fraud = np.where(np.arange(frauds) < found * frauds, 0.9, 0.1) + rng.random(frauds) * 0.05
    return fraud.astype(np.float32), (0.2 + rng.random(genuine) * 0.5).astype(np.float32)


@pytest.mark.parametrize(("found", "fallen"), [(0.8, False), (0.5, False), (0.49, True), (0.0, True)])
def test_a_champion_falls_when_it_finds_less_than_its_floor(found, fallen):
    """At the floor it still stands."""
    stood = footing(Floor(0.5), *scores(1, 100, 5_000, found))
    assert (stood.recall, stood.fallen, stood.frauds) == (pytest.approx(found), fallen, 100)


@pytest.mark.parametrize(
    ("floor", "frauds", "genuine"),
    [(Floor(0.5, frauds=101), 100, 5_000), (Floor(0.5), 100, 99), (Floor(0.5), 0, 0)],
)
def test_too_few_labels_say_nothing(floor, frauds, genuine):
    """Neither good nor bad."""
    stood = footing(floor, *scores(2, frauds, genuine, 0.0))
    assert (stood.recall, stood.fallen) == (None, False)


def test_a_champion_without_a_floor_never_falls():
    """It is measured all the same."""
    stood = footing(Floor(None), *scores(3, 100, 5_000, 0.1))
    assert (stood.recall, stood.fallen) == (pytest.approx(0.1), False)


def test_what_was_not_scored_is_no_score():
    """It counts for nothing."""
    fraud, genuine = scores(4, 100, 5_000, 0.8)
    stood = footing(Floor(0.5), np.append(fraud, np.float32("nan")), np.append(genuine, np.float32("nan")))
    assert (stood.frauds, stood.genuine, stood.recall) == (100, 5_000, pytest.approx(0.8))


@pytest.mark.parametrize(
    ("metrics", "recall"),
    [
        ({"a": {"recall_at_fpr_0.01": 0.9}, "b": {"recall_at_fpr_0.01": 0.8}}, 0.4),
        ({"recall_at_fpr_0.01": 0.9}, 0.45),
        ({"a": {"recall_at_fpr_0.01": None}}, None),
        ({"a": {"recall_at_fpr_0.01": 0.0}}, None),
        ({}, None),
    ],
)
def test_the_floor_of_a_new_version_is_half_of_what_it_was_measured_to_find(metrics, recall):
    """Of the part where it found least."""
    assert floor_of(metrics).recall == recall
