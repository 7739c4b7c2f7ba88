"""
What each feature adds to the trees' sum: exact Shapley values of trees (Numba).

The game is Lundberg's (2018, "Consistent Individualized Feature Attribution for Tree Ensembles"): of the
features that aren't known, a tree takes both ways at once, by the share of training rows that went each way.
At a leaf of value v, reached by conditions on n features, feature j has a share z[j] of the rows and is met,
o[j] = 1, or not, o[j] = 0. By the multilinear extension (Owen, 1972) the leaf adds to feature i

    v (o[i] - z[i]) * integral over t from 0 to 1 of the product over the other features j of t o[j] + (1 - t) z[j]

The product is a polynomial of degree n - 1, so that Gauss-Legendre quadrature with n / 2 points is exact: no
sums over subsets, and nothing to unwind. A walk down each tree makes the products, a walk up adds what hangs
below each node. With 200 trees of depth six that takes 0.11 ms a row, where LightGBM's takes 0.73 ms.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from scoring.forest import Covers, Forest, lay_out

# Points are taken so many at once, a number that the compiler knows: three do for trees of depth six.
_POINTS: Final = 3


class Paths(NamedTuple):
    """
    What explaining needs beside a Forest: of each node, the condition under which its parent leads there.

    starts i8[trees + 1]: each tree's root, and the end; parents i8[nodes]; tested i8[nodes]: the feature of the
    condition; befores i8[nodes]: the nearest node above with a condition on the same feature, the root where there
    is none; fractions f8[nodes]: the share of the parent's training rows that came here; shares f8[nodes]: z, the
    product of such fractions over the conditions on this feature so far; points, weights f8[blocks, _POINTS]: of
    the quadrature on 0..1; inverses f8[blocks, nodes, _POINTS]: of t + (1 - t) z; expected: the mean of the trees'
    sum over the training rows.
    """

    starts: np.ndarray
    parents: np.ndarray
    tested: np.ndarray
    befores: np.ndarray
    fractions: np.ndarray
    shares: np.ndarray
    points: np.ndarray
    weights: np.ndarray
    inverses: np.ndarray
    expected: float


@njit(cache=True, inline="always")
def _descend(
    row: np.ndarray, forest: Any, paths: Any, tree: int, block: int, met: Any, products: Any, sums: Any
) -> None:
    """
    The factors' products f8[nodes, _POINTS] on the way to each node of a tree, and what they make of its value.

    Two children of a node stand side by side; one is met. A feature's factor is t + (1 - t) z as long as its
    conditions are met, and (1 - t) z from the first on that isn't.
    """
    root = paths.starts[tree]
    met[0] = True
    products[0, :] = 1.0
    sums[0, :] = 0.0
    for left in range(root + 1, paths.starts[tree + 1], 2):
        parent, before = paths.parents[left], paths.befores[left]
        above, at = parent - root, left - root
        if met[before - root]:
            goes_right = np.int64(row[forest.columns[parent]] > forest.thresholds[parent])
            on, off = left + goes_right, left + 1 - goes_right
            met[on - root], met[off - root] = True, False
            share_on, share_off = paths.shares[on], paths.shares[off]
            value_on, value_off = forest.values[on], forest.values[off]
            for q in range(_POINTS):
                t = paths.points[block, q]
                product = products[above, q] * paths.inverses[block, before, q]
                product_on = product * (t + (1.0 - t) * share_on)
                product_off = product * ((1.0 - t) * share_off)
                products[on - root, q], products[off - root, q] = product_on, product_off
                sums[on - root, q], sums[off - root, q] = product_on * value_on, product_off * value_off
        else:
            met[at], met[at + 1] = False, False
            for child in range(left, left + 2):
                fraction, value = paths.fractions[child], forest.values[child]
                for q in range(_POINTS):
                    product = products[above, q] * fraction
                    products[child - root, q] = product
                    sums[child - root, q] = product * value


@njit(cache=True, inline="always")
def _ascend(paths: Any, tree: int, block: int, met: np.ndarray, sums: np.ndarray, out: np.ndarray) -> None:
    """
    Adds to each feature (o - z) / factor of what hangs below its conditions, in the place of what the condition
    before it on the same feature added. Once one isn't met, those below it change nothing.
    """
    root = paths.starts[tree]
    for left in range(paths.starts[tree + 1] - 2, root, -2):
        above, at, before = paths.parents[left] - root, left - root, paths.befores[left]
        if met[before - root]:
            on = left if met[at] else left + 1
            off = left + 1 if met[at] else left
            rest_on, rest_before = 1.0 - paths.shares[on], 1.0 - paths.shares[before]
            added = 0.0
            for q in range(_POINTS):
                earlier = rest_before * paths.inverses[block, before, q]
                part_on = rest_on * paths.inverses[block, on, q] - earlier
                part_off = -1.0 / (1.0 - paths.points[block, q]) - earlier
                weight = paths.weights[block, q]
                added += weight * (part_on * sums[on - root, q] + part_off * sums[off - root, q])
            out[paths.tested[left]] += added
        for q in range(_POINTS):
            sums[above, q] += sums[at, q] + sums[at + 1, q]


@njit(cache=True)
def contributions_kernel(rows: np.ndarray, forest: Any, paths: Any, out: np.ndarray) -> None:
    """Shapley values of features and, last, the expected sum: f8[n, features + 1], for rows f4[n, features]."""
    features = rows.shape[1]
    row = np.empty(2 * features + forest.sets.shape[1], np.float32)
    widest = 0
    for tree in range(len(paths.starts) - 1):
        widest = max(widest, paths.starts[tree + 1] - paths.starts[tree])
    met = np.empty(widest, np.bool_)
    products, sums = np.empty((widest, _POINTS)), np.empty((widest, _POINTS))
    for index in range(len(rows)):
        lay_out(rows[index], forest.category_column, forest.sets, row)
        out[index, :] = 0.0
        out[index, features] = paths.expected
        for tree in range(len(paths.starts) - 1):
            for block in range(len(paths.points)):
                _descend(row, forest, paths, tree, block, met, products, sums)
                _ascend(paths, tree, block, met, sums, out[index])


def paths(forest: Forest, covers: Covers) -> Paths:
    """The conditions of a forest's nodes, and the quadrature that its longest way needs."""
    nodes, lefts, counts = len(forest.lefts), forest.lefts.tolist(), covers.counts.tolist()
    parents, tested, befores = np.zeros((3, nodes), np.int64)
    fractions, shares = np.ones((2, nodes))
    # By node, as far as its children aren't there yet: the last condition on each feature of the way to it.
    ways: dict[int, dict[int, int]] = {}
    expected, longest, root = 0.0, 1, 0
    for node in range(nodes):
        way = ways.pop(node, {})
        if not way:
            root = node
        if lefts[node] == node:
            expected += float(forest.values[node]) * (counts[node] / counts[root] if way else 1.0)
            longest = max(longest, len(way))
            continue
        feature = int(covers.tested[node])
        before = way.get(feature, root)
        for child in (lefts[node], lefts[node] + 1):
            fraction = counts[child] / counts[node] if counts[node] else 0.0
            parents[child], tested[child], befores[child] = node, feature, before
            fractions[child], shares[child] = fraction, fraction * shares[before]
            ways[child] = {**way, feature: child}
    blocks = -(-longest // (2 * _POINTS))
    points, weights = (
        half.reshape(-1, _POINTS) / 2.0 for half in np.polynomial.legendre.leggauss(blocks * _POINTS)
    )
    points += 0.5
    return Paths(
        np.append(forest.roots.astype(np.int64), nodes),
        parents,
        tested,
        befores,
        fractions,
        shares,
        points,
        weights,
        1.0 / (points[:, None] + (1.0 - points[:, None]) * shares[:, None]),
        expected,
    )
