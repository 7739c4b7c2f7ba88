"""A model scores as LightGBM does, and is refused where it isn't what was trained."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from scoring import registry
from scoring.features import FEATURE_NAMES, FEATURES
from scoring.forest import parse, walk_kernel
from scoring.manifest import MANIFEST_FILE, MODEL_FILE, ModelError
from scoring.model import Model, probability


def random_rows(seed, count):
    """Rows of features of every size, each value missing now and then, with categories beyond the known."""
    rng = np.random.default_rng(seed)
    rows = (rng.normal(0, 1, (count, len(FEATURES))) * 10.0 ** rng.integers(-2, 6, (count, 1))).astype(
        np.float32
    )
    rows[:, FEATURE_NAMES.index("category_group")] = rng.integers(-1, 40, count)
    rows[rng.random(rows.shape) < 0.2] = np.nan
    rows[rng.random(rows.shape) < 0.1] = 0.0
    return rows


class NaiveForest:
    """The plain twin of the walk: each tree followed node by node, as its arrays say."""

    def __init__(self, forest):
        self.forest = forest

    def total(self, row):
        thresholds, columns, lefts, values, roots, _, category_column, sets = self.forest
        wide = [-np.inf if np.isnan(value) else value for value in row]
        wide += [np.inf if np.isnan(value) else value for value in row]
        if category_column >= 0:
            category = row[category_column]
            wide += list(sets[int(category) if 0 <= category < 32 else 32])
        total = 0.0
        for node in map(int, roots):
            while lefts[node] != node:
                node = int(lefts[node]) + int(wide[columns[node]] > thresholds[node])
            total += float(values[node])
        return total


@pytest.mark.kernel
@pytest.mark.parametrize("count", [1, 7, 8, 45])
def test_the_walk_equals_its_plain_twin(count):
    """Every row ends in the same leaves, and sums them in the same order, alone, among few and among many."""
    forest, _ = parse((registry.shipped() / MODEL_FILE).read_bytes(), len(FEATURES))
    rows = random_rows(1, count)
    out = np.empty(len(rows))
    walk_kernel(rows, *forest, out)
    assert list(out) == [NaiveForest(forest).total(row) for row in rows]


@pytest.mark.parametrize("folder", ["small", "shipped"])
def test_scores_are_lightgbm_s_own_to_the_last_bit(folder, small_model_folder):
    """The walk and LightGBM's prediction agree for missing values and unknown categories too."""
    path = small_model_folder if folder == "small" else registry.shipped()
    booster = lightgbm.Booster(model_file=path / MODEL_FILE)
    rows = random_rows(2, 400)
    assert np.array_equal(Model.load(path).log_odds(rows), booster.predict(rows, raw_score=True))


def test_scores_do_not_depend_on_the_batch(small_model):
    """A row alone scores as it does among others; no rows make no scores."""
    rows = random_rows(3, 70)
    whole = small_model.score(rows)
    assert whole.dtype == np.float32
    assert list(whole) == [small_model.score(rows[index : index + 1])[0] for index in range(70)]
    assert len(small_model.score(rows[:0])) == 0
    assert ((whole > 0) & (whole < 1)).all()


def test_numbers_without_end_score_as_lightgbm_s_do(small_model, small_model_folder):
    """An infinite value counts as the largest number there is: a defined score, never NaN."""
    booster = lightgbm.Booster(model_file=small_model_folder / MODEL_FILE)
    rows = random_rows(6, 200)
    storm = np.random.default_rng(6).random(rows.shape)
    storm[:, FEATURE_NAMES.index("category_group")] = 0.5
    rows[storm < 0.1], rows[storm > 0.9] = np.inf, -np.inf
    assert np.array_equal(small_model.log_odds(rows), booster.predict(rows, raw_score=True))
    assert np.isfinite(small_model.score(rows)).all()


def test_a_row_of_nothing_has_a_score_of_its_own(small_model):
    """All missing is one defined score, the same each time, and its parts still sum to it."""
    nothing = np.full((3, len(FEATURES)), np.nan, np.float32)
    assert len(set(small_model.score(nothing).tolist())) == 1
    assert np.isfinite(small_model.contributions(nothing)).all()


def test_contributions_sum_to_the_log_odds_of_the_score(small_model):
    """What the features add, with the base, is the score."""
    rows = random_rows(4, 20)
    log_odds = small_model.contributions(rows).sum(axis=1)
    calibration = small_model.manifest.calibration
    trees = small_model.log_odds(rows)
    assert log_odds == pytest.approx(calibration["slope"] * trees + calibration["intercept"], abs=1e-9)
    assert probability(log_odds) == pytest.approx(small_model.score(rows).astype(np.float64), abs=1e-6)


def changed(folder, tmp_path, **fields):
    copy = tmp_path / "model"
    shutil.copytree(folder, copy)
    manifest = json.loads((copy / MANIFEST_FILE).read_text())
    (copy / MANIFEST_FILE).write_text(json.dumps({**manifest, **fields}))
    return copy


@pytest.mark.parametrize(
    "damage", [lambda text: text[:-100], lambda text: text.replace(b"leaf_value=", b"leaf_value=9 ", 1)]
)
def test_a_changed_or_truncated_model_is_refused(damage, small_model_folder, tmp_path):
    """One byte of difference from what was trained is an error that says so."""
    copy = changed(small_model_folder, tmp_path)
    (copy / MODEL_FILE).write_bytes(damage((copy / MODEL_FILE).read_bytes()))
    with pytest.raises(ModelError, match="was changed or truncated"):
        registry.open(copy)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"features": ["amount"]}, "trained on other features"),
        ({"format_version": 99}, "not of format 2"),
        ({"surprise": 1}, r"fields differ: \['surprise'\]"),
        ({"calibration": {}}, "calibration is not a slope and an intercept"),
        ({"calibration": {"slope": "steep", "intercept": 0}}, "calibration is not a slope and an intercept"),
    ],
)
def test_a_manifest_that_does_not_fit_is_refused_by_name(fields, message, small_model_folder, tmp_path):
    """A model of other features or another format never scores in silence."""
    with pytest.raises(ModelError, match=message):
        registry.open(changed(small_model_folder, tmp_path, **fields))


def test_a_missing_or_garbled_manifest_is_refused_by_name(small_model_folder, tmp_path):
    """No manifest, or one that isn't JSON: the folder is no model."""
    with pytest.raises(ModelError, match=r"manifest.json can't be read"):
        registry.open(tmp_path)
    copy = changed(small_model_folder, tmp_path)
    (copy / MANIFEST_FILE).write_text("{")
    with pytest.raises(ModelError, match="is not JSON"):
        registry.open(copy)


def one_split(*, feature=0, kind=2 << 2, left=-1, linear=0):
    """A model text of one tree with one decision."""
    lines = (
        f"Tree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature={feature}\nthreshold=1\ndecision_type={kind}\n"
        f"left_child={left}\nright_child=-2\nleaf_value=0 1\nleaf_count=5 5\ninternal_count=10\nis_linear={linear}\n"
    )
    return f"tree\n\n{lines}\n\n".encode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"tree\n", "holds no trees"),
        (b"tree\n\nTree=0\nnum_leaves=2\n\n", "tree 0 can't be read"),
        (one_split(feature=len(FEATURES)), f"feature {len(FEATURES)} of {len(FEATURES)}"),
        (one_split(kind=1 << 2), "takes zero for a missing value"),
        (one_split(left=0), "lead back to each other"),
        (one_split(linear=1), "no constant leaves"),
    ],
)
def test_a_text_that_is_no_forest_is_refused(text, message):
    """What the walk doesn't understand it doesn't score."""
    with pytest.raises(ModelError, match=message):
        parse(text, len(FEATURES))


def test_versions_are_listed_oldest_first(small_model_folder, tmp_path):
    """Names begin with the day of training; what has no manifest is no version."""
    for name in ("2026-11-21-b", "2025-01-01-c", "2026-11-20-a"):
        shutil.copytree(small_model_folder, tmp_path / name)
    (tmp_path / "2027-01-01-x").mkdir()
    assert registry.versions(tmp_path) == ["2025-01-01-c", "2026-11-20-a", "2026-11-21-b"]


def test_scoring_loads_no_training_library():
    """What the server imports, explaining a score included, brings in neither lightgbm nor what it drags along."""
    program = (
        "import sys; from scoring import explain, features, registry, velocity; import numpy as np;"
        f"explain.explain(registry.open(registry.shipped()), np.zeros({len(FEATURES)}, np.float32));"
        "print(sorted({'lightgbm', 'scipy.sparse', 'pyarrow', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=120, check=True
    )
    assert done.stdout.strip() == "[]"
