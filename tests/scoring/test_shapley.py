"""Contributions are the trees' exact Shapley values, as the definition and LightGBM have them."""

from itertools import combinations
from math import factorial

import lightgbm
import numpy as np
import pytest

from scoring import registry
from scoring.features import FEATURES
from scoring.forest import parse
from scoring.manifest import MODEL_FILE
from scoring.shapley import contributions_kernel, paths
from tests.scoring.test_model import random_rows


def contributions(text, rows):
    forest, covers = parse(text.encode(), rows.shape[1])
    out = np.empty((len(rows), rows.shape[1] + 1))
    contributions_kernel(rows, forest, paths(forest, covers), out)
    return out


def grown(seed, *, features=5, trees=3, **parameters):
    """A model text of a few trees over numbers, some missing, and one feature of categories; and rows for it."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(0, 1, (600, features)).astype(np.float32)
    rows[:, 2] = rng.integers(0, 12, 600)
    outcome = rows[:, 0] * rows[:, 1] + np.sin(3 * rows[:, 0]) + (rows[:, 2] % 3) * rows[:, 3]
    rows[rng.random(rows.shape) < 0.1] = np.nan
    parameters = {
        "min_data_in_leaf": 3,
        "min_data_per_group": 5,
        "num_threads": 1,
        "verbose": -1,
        **parameters,
    }
    taught = lightgbm.Dataset(rows, np.nan_to_num(outcome), categorical_feature=[2])
    return lightgbm.train(parameters, taught, trees).model_to_string(), rows


class NaiveTree:
    """The definition: a tree's mean over what isn't known, and its Shapley value by all subsets of features."""

    def __init__(self, forest, covers, root):
        self.forest, self.covers, self.root = forest, covers, int(root)

    def wide(self, row):
        values = [-np.inf if np.isnan(value) else value for value in row]
        values += [np.inf if np.isnan(value) else value for value in row]
        if self.forest.category_column >= 0:
            category = row[self.forest.category_column]
            values += list(self.forest.sets[int(category) if 0 <= category < 32 else 32])
        return values

    def mean(self, wide, known, node):
        """The tree's value where only the features in `known` are: else both ways, by their training rows."""
        left = int(self.forest.lefts[node])
        if left == node:
            return float(self.forest.values[node])
        if int(self.covers.tested[node]) in known:
            goes_right = wide[self.forest.columns[node]] > self.forest.thresholds[node]
            return self.mean(wide, known, left + int(goes_right))
        return sum(
            self.mean(wide, known, child) * int(self.covers.counts[child]) / int(self.covers.counts[node])
            for child in (left, left + 1)
        )

    def contributions(self, row):
        wide, features = self.wide(row), range(len(row))
        added = [0.0] * len(row)
        for feature in features:
            others = [other for other in features if other != feature]
            for size in range(len(row)):
                weight = factorial(size) * factorial(len(row) - size - 1) / factorial(len(row))
                for subset in combinations(others, size):
                    with_it = self.mean(wide, {*subset, feature}, self.root)
                    added[feature] += weight * (with_it - self.mean(wide, set(subset), self.root))
        return [*added, self.mean(wide, set(), self.root)]


@pytest.mark.kernel
def test_contributions_equal_the_definition_over_all_subsets():
    """For small trees the quadrature gives what the sum over every subset of features gives."""
    text, rows = grown(1, trees=3, num_leaves=10)
    forest, covers = parse(text.encode(), rows.shape[1])
    trees = [NaiveTree(forest, covers, root) for root in forest.roots]
    for row, added in zip(rows[:6], contributions(text, rows[:6]), strict=True):
        naive = np.sum([tree.contributions(row) for tree in trees], axis=0)
        assert added == pytest.approx(naive, abs=1e-12)


@pytest.mark.parametrize(
    "shape",
    [
        {"num_leaves": 2},
        {"num_leaves": 31, "max_depth": 6, "bagging_fraction": 0.5, "bagging_freq": 1},
        {"num_leaves": 120, "features": 30, "min_data_in_leaf": 1, "max_cat_to_onehot": 1},
        {"num_leaves": 4, "min_data_in_leaf": 400},
    ],
    ids=["stumps", "as trained here", "deep", "no decision at all"],
)
def test_contributions_are_lightgbm_s_own(shape):
    """Shallow and deep trees, features tested again on one way, categories and missing values: within 1e-9."""
    text, rows = grown(2, trees=20, **shape)
    told = lightgbm.Booster(model_str=text).predict(rows, pred_contrib=True)
    assert contributions(text, rows) == pytest.approx(told, abs=1e-9)


def test_the_shipped_model_s_contributions_are_lightgbm_s_own():
    """The model that customers meet, for values of every size, unknown categories among them."""
    text = (registry.shipped() / MODEL_FILE).read_text()
    rows = random_rows(3, 100)
    assert rows.shape[1] == len(FEATURES)
    told = lightgbm.Booster(model_str=text).predict(rows, pred_contrib=True)
    assert contributions(text, rows) == pytest.approx(told, abs=1e-9)
