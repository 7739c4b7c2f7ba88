"""How far requests have moved from what a model learnt."""

import json
import math

import numpy as np
import pytest

from scoring.drift import (
    BINS,
    PSI_MAX,
    REFERENCE_FILE,
    histogram,
    psi,
    psi_of_rate,
    read_reference,
    reference_of,
    write_reference,
)
from scoring.features import FEATURE_NAMES
from scoring.manifest import ModelError


def table(seed, count):
    """Features and scores: columns of a few values, of many, of one, and missing ones."""
    rng = np.random.default_rng(seed)
    features = rng.lognormal(size=(count, len(FEATURE_NAMES))).astype(np.float32)
    features[:, 1] = rng.integers(0, 3, count)
    features[:, 2] = 7.0
    features[:, 3] = np.nan
    features[:, 4] = np.where(rng.random(count) < 0.7, 0.0, features[:, 4])
    features[rng.random(features.shape) < 0.05] = np.nan
    return features, rng.random(count).astype(np.float32)


def naive_psi(edges, then, values):
    """The index of one column, value by value."""
    counts = [0] * len(then)
    for value in values:
        if math.isnan(value):
            counts[-1] += 1
        else:
            counts[sum(1 for edge in edges if value > edge)] += 1
    total = 0.0
    for share, count in zip(then, counts, strict=True):
        now, before = max(count / len(values), 1e-4), max(share, 1e-4)
        total += (now - before) * math.log(now / before)
    return total


def test_the_index_equals_its_plain_twin():
    """Every column, of another sample."""
    reference = reference_of(*table(1, 4_000))
    features, scores = table(2, 500)
    rows = np.column_stack([features * np.float32(1.5), scores])
    found = psi(reference.shares, histogram(reference.edges, rows))
    assert len(found) == len(FEATURE_NAMES) + 1
    for place in range(len(found)):
        twin = naive_psi(reference.edges[place], reference.shares[place], rows[:, place].tolist())
        assert found[place] == pytest.approx(twin, abs=1e-9)


def test_the_same_kind_of_traffic_has_not_drifted():
    """Another sample of it."""
    reference = reference_of(*table(3, 20_000))
    rows = np.column_stack(table(4, 5_000))
    assert psi(reference.shares, histogram(reference.edges, rows)).max() < 0.02


@pytest.mark.parametrize("harm", ["missing", "shifted", "constant"])
def test_a_column_that_changes_drifts_and_no_other(harm):
    """Gone missing, half as large again, or stuck."""
    reference = reference_of(*table(5, 20_000))
    rows = np.column_stack(table(6, 5_000))
    rows[:, 0] = {"missing": np.nan, "shifted": rows[:, 0] * 2.5, "constant": 1.0}[harm]
    found = psi(reference.shares, histogram(reference.edges, rows))
    assert found[0] > PSI_MAX
    assert found[1:].max() < 0.02


def test_a_rate_that_halves_has_drifted():
    """Ninety-five of a hundred approved, then seventy."""
    assert psi_of_rate(0.95, 0.95) == 0.0
    assert psi_of_rate(0.95, 0.94) < 0.01
    assert psi_of_rate(0.95, 0.70) > PSI_MAX
    assert psi_of_rate(1.0, 0.0) > PSI_MAX


def test_a_reference_reads_back_as_it_was_written(tmp_path):
    """And the same one gives the same bytes."""
    reference = reference_of(*table(7, 3_000), approval_rate=0.97)
    write_reference(tmp_path, reference)
    text = (tmp_path / REFERENCE_FILE).read_bytes()
    found = read_reference(tmp_path)
    assert found.columns == reference.columns and found.approval_rate == 0.97
    assert np.array_equal(found.edges, reference.edges)
    assert np.array_equal(found.shares, reference.shares)
    write_reference(tmp_path, found)
    assert (tmp_path / REFERENCE_FILE).read_bytes() == text
    assert found.shares.shape == (len(found.columns), BINS + 1)
    assert np.allclose(found.shares.sum(axis=1), 1.0, atol=1e-5)


def test_a_model_without_a_reference_has_none(tmp_path):
    """Which is no error."""
    assert read_reference(tmp_path) is None


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda document: document.update(format_version=9), "not of format"),
        (lambda document: document.pop("columns"), "damaged"),
        (lambda document: document["columns"].pop("score"), "not the features"),
        (lambda document: document["columns"]["score"].update(shares=[1.0]), "damaged"),
        (lambda document: document["columns"]["score"].update(edges=["a"]), "damaged"),
    ],
)
def test_a_damaged_reference_is_refused(tmp_path, change, complaint):
    """The text names it."""
    write_reference(tmp_path, reference_of(*table(8, 100)))
    path = tmp_path / REFERENCE_FILE
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))
    with pytest.raises(ModelError, match=complaint):
        read_reference(tmp_path)
