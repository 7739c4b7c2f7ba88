"""
How well laundering is found in AMLSim's labelled graphs: precision and recall per node, beside counting degrees.

Each file is an AMLSim run as a .tgz with `nodes.csv` (labels) and `transactions.csv`. Counting degrees gets the threshold
that is best for it, chosen by the labels themselves: it can't do better.
"""

import io
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compliance.rules.graph import Graph, Pattern, suspects
from compliance.rules.graph_file import read_graph, read_labels
from loadtest.figure import Figure

GRAPHS: Final = ("20K_cycle200.tgz", "20K_fanin200.tgz")


class Quality(NamedTuple):
    """How well a set of parties meets the labelled ones."""

    found: int
    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0

    def document(self) -> dict[str, float]:
        """Ready for JSON."""
        return {
            "found": self.found,
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "f1": round(self.f1, 4),
        }


def aml_figures(folder: Path, told: Callable[[str], None]) -> dict[str, Any]:
    """Every graph in `folder`, with its figures. Raises OSError, and ValueError for a file that is no graph."""
    figures, details = [], {}
    for name in GRAPHS:
        told(name)
        graph, labels = _read(folder / name)
        began = time.perf_counter()
        found = suspects(graph)
        seconds = time.perf_counter() - began
        ours = quality(_mask(found.patterns, len(labels)), labels)
        degrees = by_degree(graph, labels)
        title = name.removesuffix(".tgz")
        bar = round(degrees.f1, 3)
        figures.append(
            (title, Figure("F1 per node, beside counting degrees", "", ours.f1, bar, is_floor=True))
        )
        details[title] = {
            "nodes": len(labels),
            "labelled": int(labels.sum()),
            "patterns": ours.document(),
            "counting_degrees": degrees.document(),
            "by_pattern": {
                pattern.value: quality(
                    _mask([party for party, of in found.patterns.items() if pattern in of], len(labels)),
                    labels,
                ).document()
                for pattern in Pattern
            },
            "seconds": round(seconds, 2),
        }
    return {
        "figures": [{"part": part, **figure.document()} for part, figure in figures],
        "details": details,
        "passes": all(figure.passes for _, figure in figures),
    }


def quality(flagged: NDArray[np.bool_], labels: NDArray[np.bool_]) -> Quality:
    """Of bool[n] flagged and labelled."""
    both = int((flagged & labels).sum())
    return Quality(
        int(flagged.sum()),
        both / flagged.sum() if flagged.any() else 0.0,
        both / labels.sum() if labels.any() else 0.0,
    )


def by_degree(graph: Graph, labels: NDArray[np.bool_]) -> Quality:
    """The best that any threshold on transfers in, out or both can do."""
    count = len(labels)
    into, out = (np.bincount(side, minlength=count) for side in (graph.target, graph.source))
    tried = (
        quality(degrees >= least, labels) for degrees in (into, out, into + out) for least in range(1, 200)
    )
    return max(tried, key=lambda one: one.f1)


def _mask(parties: Sequence[int] | dict[int, Any], count: int) -> NDArray[np.bool_]:
    mask = np.zeros(count, bool)
    mask[list(parties)] = True
    return mask


def _read(path: Path) -> tuple[Graph, NDArray[np.bool_]]:
    with tarfile.open(path) as archive:
        graph, names = read_graph(_lines(archive, "transactions.csv"))
        known = read_labels(_lines(archive, "nodes.csv"))
    # Who sends and gets nothing stands in no pattern, and in the labels all the same.
    names += sorted(known.keys() - set(names))
    return graph, np.array([known.get(name, False) for name in names])


def _lines(archive: tarfile.TarFile, name: str) -> io.TextIOWrapper:
    for member in archive:
        if member.name.rsplit("/", 1)[-1] == name and (file := archive.extractfile(member)) is not None:
            return io.TextIOWrapper(file, "utf-8")
    raise ValueError(f"the archive holds no {name}")
