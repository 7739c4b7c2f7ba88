"""
Drift: how far what is scored today has moved from what the model learnt, column by column.

The population stability index of a column compares the shares of its values in fixed bins: sum of
(now - then) * ln(now / then) (Siddiqi, Credit Risk Scorecards, 2006). Under 0.1 nothing has moved, above 0.25 the
column is another one. Bins are deciles of the reference, a value that many rows share has bins of its own, and
missing values are a bin too: features that go missing are the commonest drift there is.

The reference lies beside the model, in `reference.json`: written in training, of the rows that taught it.
"""

import json
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from scoring.features import FEATURE_NAMES
from scoring.manifest import ModelError

REFERENCE_FILE: Final = "reference.json"
FORMAT_VERSION: Final = 1
SCORE: Final = "score"
BINS: Final = 10
PSI_MAX: Final = 0.25
"""Above it a column has drifted."""

_SHARE_LEAST: Final = 1e-4
"""Stands for an empty bin, whose logarithm would say infinity."""


class Reference(NamedTuple):
    """
    What a model learnt from, in bins. columns are the features and the score; edges f8[columns, BINS - 1], rising,
    +inf where a column has fewer; shares f8[columns, BINS + 1], of which the last is missing values; approval_rate of
    the history, None where it doesn't say.
    """

    columns: tuple[str, ...]
    edges: np.ndarray
    shares: np.ndarray
    approval_rate: float | None


def reference_of(
    features: np.ndarray, scores: np.ndarray, *, approval_rate: float | None = None
) -> Reference:
    """The reference of features f4[n, len(FEATURE_NAMES)] and their scores f4[n], of n > 0 rows."""
    columns = (*FEATURE_NAMES, SCORE)
    table = np.column_stack([features, scores]).astype(np.float32)
    edges = np.full((len(columns), BINS - 1), np.inf)
    for place in range(len(columns)):
        values = table[:, place]
        values = values[~np.isnan(values)]
        if len(values):
            own = _edges(values)
            edges[place, : len(own)] = own
    counts = histogram(edges, table)
    return Reference(columns, edges, np.round(counts / len(table), 6), approval_rate)


def _edges(values: np.ndarray) -> np.ndarray:
    """Deciles; where few values make up a column, the upper end of each."""
    distinct = np.unique(values)
    if len(distinct) <= BINS:
        return distinct[:-1].astype(np.float64)
    return np.unique(np.quantile(values, np.arange(1, BINS) / BINS, method="lower")).astype(np.float64)


def histogram(edges: np.ndarray, table: np.ndarray) -> np.ndarray:
    """How many values of each column of f4[n, columns] lie in each bin (at most its edge): i8[columns, BINS + 1]."""
    counts = np.zeros((len(edges), edges.shape[1] + 2), np.int64)
    count_bins(np.ascontiguousarray(edges, np.float64), np.ascontiguousarray(table, np.float32), counts)
    return counts


@njit(cache=True, nogil=True)
def count_bins(edges: np.ndarray, table: np.ndarray, counts: np.ndarray) -> None:
    """Count each value of f4[n, columns] in its bin, into i8[columns, bins]; the last is for missing ones."""
    ends = edges.shape[1]
    for row in range(len(table)):
        for column in range(len(edges)):
            value = np.float64(table[row, column])
            place = 0
            if np.isnan(value):
                place = ends + 1
            else:
                while place < ends and edges[column, place] < value:
                    place += 1
            counts[column, place] += 1


def psi(shares: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """The index of each column, f8[columns], of counts i8[columns, bins] against shares f8[columns, bins]; NaN without any."""
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        now = np.maximum(counts / total, _SHARE_LEAST)
    then = np.maximum(shares, _SHARE_LEAST)
    return ((now - then) * np.log(now / then)).sum(axis=1)


def psi_of_rate(then: float, now: float) -> float:
    """The index of a share between 0 and 1, such as the approval rate."""
    shares, counts = np.array([[then, 1 - then]]), np.array([[now, 1 - now]])
    return float(psi(shares, counts)[0])


def write_reference(folder: Path, reference: Reference) -> None:
    """Writes `reference.json` into a model's folder: the same reference gives the same bytes."""
    document = {
        "format_version": FORMAT_VERSION,
        "approval_rate": reference.approval_rate,
        "columns": {
            name: {
                "edges": [float(edge) for edge in reference.edges[place] if np.isfinite(edge)],
                "shares": [float(share) for share in reference.shares[place]],
            }
            for place, name in enumerate(reference.columns)
        },
    }
    text = json.dumps(document, indent=1) + "\n"
    (folder / REFERENCE_FILE).write_text(text, encoding="utf-8", newline="\n")


def read_reference(folder: Path) -> Reference | None:
    """
    The reference of a model's folder; None where it has none. Raises ModelError where it is damaged, or of other
    features than this code computes.
    """
    try:
        stored = json.loads((folder / REFERENCE_FILE).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder.name}: {REFERENCE_FILE} can't be read: {error}") from error
    if not isinstance(stored, dict) or stored.get("format_version") != FORMAT_VERSION:
        raise ModelError(f"{folder.name}: {REFERENCE_FILE} is not of format {FORMAT_VERSION}")
    try:
        return _reference(stored)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError(f"{folder.name}: {REFERENCE_FILE} is damaged: {error}") from error


def _reference(stored: dict[str, Any]) -> Reference:
    columns = tuple(stored["columns"])
    if columns != (*FEATURE_NAMES, SCORE):
        raise ValueError("its columns are not the features that this code computes")
    edges = np.full((len(columns), BINS - 1), np.inf)
    shares = np.empty((len(columns), BINS + 1))
    for place, column in enumerate(stored["columns"].values()):
        edges[place, : len(column["edges"])] = column["edges"]
        if len(column["shares"]) != BINS + 1:
            raise ValueError(f"a column has {len(column['shares'])} shares, not {BINS + 1}")
        shares[place] = column["shares"]
    rate = stored["approval_rate"]
    return Reference(columns, edges, shares, None if rate is None else float(rate))
