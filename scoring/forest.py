"""
Trees as flat arrays, and the walk down them (Numba).

LightGBM's own prediction follows one tree at a time and pays for each branch that the processor guessed
wrong, about 60 ns a tree. Here many rows go down a tree together, or few rows a group of trees, one level at a
step, without branches: the right child stands behind the left one, a leaf leads to itself, and a row is laid out so that
each decision is one comparison. Decisions and the order of sums are LightGBM's, so that the result is the
same to the last bit: the tests compare them.

**Layout of a row.** A missing value goes left in some nodes and right in others, so that every feature
has two columns: one in which missing is -inf, and one in which it is +inf. Behind them stands a column for
each set of categories that some node tests: 0 for a category inside, which goes left, else 1.
"""

from typing import Final, NamedTuple

import numpy as np
from numba import njit

from scoring.manifest import ModelError

# As many trees as keep the processor busy while each one's next node is fetched.
_GROUP_TREES: Final = 24
# So many rows go down one tree together, whose nodes stay close to the processor; fewer are walked one by one.
_BLOCK_ROWS: Final = 32
_BLOCK_LEAST: Final = 8
_CATEGORICAL, _DEFAULT_LEFT, _MISSING_ZERO, _MISSING_NAN = 1, 2, 1, 2
_CATEGORIES: Final = 32
_FLOAT32_MAX: Final = np.float32(np.finfo(np.float32).max)


class Forest(NamedTuple):
    """
    All trees, node by node; a node's place is unsigned, which spares Numba a check for each step.

    thresholds f4[nodes]: a value above it goes right; columns u4[nodes]: which value, in the layout of a row;
    lefts u4[nodes]: the left child, the right one is the next; a leaf has itself, and nothing is above its
    threshold; values f8[nodes]: of leaves; roots u4[trees]; depths i8[trees]: decisions on the longest way;
    category_column: the one feature that may be categorical, -1 = none; sets f4[_CATEGORIES + 1, sets]: the
    last columns of a row by category, the last line for one that is missing or unknown.
    """

    thresholds: np.ndarray
    columns: np.ndarray
    lefts: np.ndarray
    values: np.ndarray
    roots: np.ndarray
    depths: np.ndarray
    category_column: int
    sets: np.ndarray


class Covers(NamedTuple):
    """
    What explaining needs of the trees beside a Forest: tested u4[nodes], the feature that an inner node looks at
    (0 for leaves); counts i8[nodes], the training rows that came by.
    """

    tested: np.ndarray
    counts: np.ndarray


@njit(cache=True)
def lay_out(values: np.ndarray, category_column: int, sets: np.ndarray, row: np.ndarray) -> None:
    """Features f4[features] as the nodes' columns know them, f4[2 * features + sets]; see above."""
    features = len(values)
    for feature in range(features):
        # A node that parts what is missing from all else has the largest number as its threshold.
        value = min(values[feature], _FLOAT32_MAX)
        missing = np.isnan(values[feature])
        row[feature] = -np.inf if missing else value
        row[features + feature] = np.inf if missing else value
    if category_column >= 0:
        value = values[category_column]
        category = int(value) if value >= 0 and value < _CATEGORIES else _CATEGORIES
        for column in range(sets.shape[1]):
            row[2 * features + column] = sets[category, column]


@njit(cache=True)
def walk_kernel(
    rows: np.ndarray,
    thresholds: np.ndarray,
    columns: np.ndarray,
    lefts: np.ndarray,
    values: np.ndarray,
    roots: np.ndarray,
    depths: np.ndarray,
    category_column: int,
    sets: np.ndarray,
    out: np.ndarray,
) -> None:
    """The sum of the trees' leaf values f8[n] for rows f4[n, features]; the arrays are a Forest's."""
    width = 2 * rows.shape[1] + sets.shape[1]
    block = min(len(rows), _BLOCK_ROWS)
    laid = np.empty((block, width), np.float32)
    at = np.empty(max(len(roots), block), np.uint32)
    for first in range(0, len(rows), _BLOCK_ROWS):
        count = min(len(rows) - first, _BLOCK_ROWS)
        for row in range(count):
            lay_out(rows[first + row], category_column, sets, laid[row])
            out[first + row] = 0.0
        if count < _BLOCK_LEAST:
            for row in range(count):
                _walk_row(laid[row], thresholds, columns, lefts, values, roots, depths, at, out, first + row)
            continue
        for tree in range(len(roots)):
            for row in range(count):
                at[row] = roots[tree]
            for _ in range(depths[tree]):
                for row in range(count):
                    node = at[row]
                    at[row] = lefts[node] + np.uint32(laid[row, columns[node]] > thresholds[node])
            for row in range(count):
                out[first + row] += values[at[row]]


@njit(cache=True)
def _walk_row(
    laid: np.ndarray,
    thresholds: np.ndarray,
    columns: np.ndarray,
    lefts: np.ndarray,
    values: np.ndarray,
    roots: np.ndarray,
    depths: np.ndarray,
    at: np.ndarray,
    out: np.ndarray,
    place: int,
) -> None:
    """One row, laid out, down groups of trees; its sum into `out` at `place`."""
    for first in range(0, len(roots), _GROUP_TREES):
        end = min(first + _GROUP_TREES, len(roots))
        deepest = 0
        for tree in range(first, end):
            at[tree] = roots[tree]
            deepest = max(deepest, depths[tree])
        for _ in range(deepest):
            for tree in range(first, end):
                node = at[tree]
                at[tree] = lefts[node] + np.uint32(laid[columns[node]] > thresholds[node])
        for tree in range(first, end):
            out[place] += values[at[tree]]


def parse(text: bytes, features: int) -> tuple[Forest, Covers]:
    """
    The trees of LightGBM's model text, for rows of so many features. Raises ModelError for a kind of
    tree that the walk doesn't know.
    """
    layout = _Layout(features)
    for block in text.decode().split("\nTree=")[1:]:
        lines = block.split("\n\n", 1)[0].splitlines()[1:]
        try:
            layout.add(dict(line.split("=", 1) for line in lines))
        except (KeyError, ValueError, IndexError) as error:
            raise ModelError(f"tree {len(layout.roots)} can't be read: {error!r}") from error
    if not layout.nodes:
        raise ModelError("the model text holds no trees")
    return layout.forest(), layout.covers()


class _Node(NamedTuple):
    """One node: what Forest and Covers say of it."""

    threshold: float
    column: int
    left: int
    value: float
    tested: int
    rows: int


class _Layout:
    """Gathers trees, breadth first, so that two children stand side by side."""

    def __init__(self, features: int) -> None:
        self.features = features
        self.nodes: list[_Node] = []
        self.roots: list[int] = []
        self.depths: list[int] = []
        self.category_column = -1
        self.sets: dict[int, int] = {}

    def add(self, fields: dict[str, str]) -> None:
        """Adds one tree from the lines of its block: names as in LightGBM's `Tree::ToString`."""
        if fields["is_linear"] != "0":
            raise ValueError("a linear tree has no constant leaves")
        leaf_values = [float(value) for value in fields["leaf_value"].split()]
        is_split = len(leaf_values) > 1
        decisions = self._decisions(fields) if is_split else []
        leaf_counts = [int(count) for count in fields["leaf_count"].split()] if is_split else [0]
        lefts, rights = (
            [int(child) for child in fields.get(side, "").split()] for side in ("left_child", "right_child")
        )
        self.roots.append(len(self.nodes))
        # LightGBM counts leaves as -1, -2, ...; a tree without decisions is its only leaf.
        level, depth = [0 if is_split else -1], -1
        while level:
            depth += 1
            following: list[int] = []
            first = len(self.nodes) + len(level)
            for node in level:
                if node < 0:
                    leaf = -node - 1
                    at = len(self.nodes)
                    self.nodes.append(_Node(np.inf, 0, at, leaf_values[leaf], 0, leaf_counts[leaf]))
                else:
                    threshold, column, tested, count = decisions[node]
                    left = first + len(following)
                    self.nodes.append(_Node(threshold, column, left, 0.0, tested, count))
                    following += [lefts[node], rights[node]]
            if len(self.nodes) - self.roots[-1] > 2 * len(leaf_values):
                raise ValueError("nodes that lead back to each other")
            level = following
        self.depths.append(depth)

    def forest(self) -> Forest:
        """What was gathered, as the walk needs it."""
        sets = np.ones((_CATEGORIES + 1, len(self.sets)), np.float32)
        for members, column in self.sets.items():
            inside = [category for category in range(_CATEGORIES) if members >> category & 1]
            sets[inside, column] = 0.0
        return Forest(
            np.array([node.threshold for node in self.nodes], np.float32),
            np.array([node.column for node in self.nodes], np.uint32),
            np.array([node.left for node in self.nodes], np.uint32),
            np.array([node.value for node in self.nodes], np.float64),
            np.array(self.roots, np.uint32),
            np.array(self.depths, np.int64),
            self.category_column,
            sets,
        )

    def covers(self) -> Covers:
        """What was gathered, as explaining needs it beside."""
        return Covers(
            np.array([node.tested for node in self.nodes], np.uint32),
            np.array([node.rows for node in self.nodes], np.int64),
        )

    def _decisions(self, fields: dict[str, str]) -> list[tuple[float, int, int, int]]:
        """Threshold, column, feature and training rows of each inner node."""
        decisions = []
        for feature_text, threshold_text, kind_text, count_text in zip(
            fields["split_feature"].split(),
            fields["threshold"].split(),
            fields["decision_type"].split(),
            fields["internal_count"].split(),
            strict=True,
        ):
            feature, threshold, kind = int(feature_text), float(threshold_text), int(kind_text)
            if not 0 <= feature < self.features:
                raise ValueError(f"feature {feature} of {self.features}")
            if kind & _CATEGORICAL:
                threshold, column = 0.5, self._set_column(fields, feature, int(threshold))
            else:
                column = feature if _missing_left(kind, threshold) else self.features + feature
                threshold = _rounded_down(threshold)
            decisions.append((threshold, column, feature, int(count_text)))
        return decisions

    def _set_column(self, fields: dict[str, str], feature: int, number: int) -> int:
        bounds = [int(bound) for bound in fields["cat_boundaries"].split()]
        if bounds[number + 1] - bounds[number] != 1 or self.category_column not in {-1, feature}:
            raise ValueError(f"a category beyond {_CATEGORIES - 1}, or a second categorical feature")
        self.category_column = feature
        members = int(fields["cat_threshold"].split()[bounds[number]])
        return 2 * self.features + self.sets.setdefault(members, len(self.sets))


def _missing_left(kind: int, threshold: float) -> bool:
    """Whether a missing value goes left. Where training saw none, LightGBM reads one as zero."""
    if kind >> 2 == _MISSING_ZERO:
        raise ValueError("a node that takes zero for a missing value")
    return bool(kind & _DEFAULT_LEFT) if kind >> 2 == _MISSING_NAN else threshold >= 0.0


def _rounded_down(threshold: float) -> float:
    """The largest finite f4 not above a threshold: an f4 value compares with both alike."""
    rounded = np.float32(min(threshold, float(_FLOAT32_MAX)))
    return float(np.nextafter(rounded, np.float32(-np.inf)) if float(rounded) > threshold else rounded)
