"""
Laundering patterns in a whole graph of transfers: which parties stand in one, and in which.

A pattern is made of transfers that belong together by time and by amount, not of many transfers: counting degrees finds
shops and employers. Two kinds of evidence are joined:

- **A cycle**: money comes back to where it began over 3 to `CYCLE_MAX` parties, each step later than the last, each
  amount like the one before (at most `SHRINK` less: what a mule keeps). No amount need be odd for that.
- **Odd transfers in company**: a transfer is *odd* where its amount is unlike what its sender otherwise sends, or unlike
  what anybody sends. One alone says nothing. Several alike ones within `WINDOW` steps do: into one party (fan-in, or a
  burst from one sender), out of one party (fan-out), or in and out again (pass-through).

Odd for a sender is by `OWN_RATIO` from the median over the days on which it sends (31 CFR 1020.210(a)(2)(v): activity against
the customer's profile). Odd for all is a modified z-score of the logarithm above 3.5 (Iglewicz and Hoaglin, How to
Detect and Handle Outliers, 1993). Nothing here was learnt from labels.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

CYCLE_MAX: Final = 10
CYCLE_MIN: Final = 3
SHRINK: Final = 0.10
WINDOW: Final = 60
"""Steps (days) from the first to the last transfer of a pattern."""

OWN_RATIO: Final = 2.0
OWN_MIN: Final = 3
"""More days than so many make a sender's habit."""

Z_MAX: Final = 3.5
_MAD_TO_SIGMA: Final = 1.4826
ALIKE: Final = 2.0
"""Odd amounts of one pattern lie within this factor of each other."""

COMPANY_MIN: Final = 2
"""So many odd transfers make a pattern."""

PATHS_MAX: Final = 2_000
"""Steps of the search for one cycle: a bound, not a tuning."""


class Pattern(StrEnum):
    """What a party stands in."""

    CYCLE = "cycle"
    FAN_IN = "fan_in"
    FAN_OUT = "fan_out"
    PASS_THROUGH = "pass_through"  # noqa: S105 - no password: money in and out again


@dataclass(frozen=True, slots=True)
class Graph:
    """Transfers between parties, by the numbers of their rows. Sorted by time on the way in."""

    source: NDArray[np.int64]
    target: NDArray[np.int64]
    amount_minor: NDArray[np.int64]
    step: NDArray[np.int64]  # days, or any other whole steps of time

    @classmethod
    def of(
        cls,
        source: NDArray[np.int64],
        target: NDArray[np.int64],
        amount_minor: NDArray[np.int64],
        step: NDArray[np.int64],
    ) -> "Graph":
        """The graph of these columns, i8[n] each, in any order. Raises ValueError for an amount that is not positive."""
        if len(amount_minor) and amount_minor.min() <= 0:
            raise ValueError(f"amount_minor must be positive, found {amount_minor.min()}")
        order = np.argsort(step, kind="stable")
        return cls(source[order], target[order], amount_minor[order], step[order])

    @property
    def parties(self) -> int:
        """One more than the highest number."""
        return 1 + int(max(self.source.max(), self.target.max())) if len(self.source) else 0


@dataclass(slots=True)
class Suspects:
    """Who stands in which patterns, and by which transfers (rows of the graph)."""

    patterns: dict[int, set[Pattern]] = field(default_factory=lambda: defaultdict(set))
    rows: set[int] = field(default_factory=set)

    def note(self, graph: Graph, pattern: Pattern, rows: list[int]) -> None:
        """Everybody who sends or gets one of these transfers stands in the pattern."""
        self.rows.update(rows)
        for row in rows:
            self.patterns[int(graph.source[row])].add(pattern)
            self.patterns[int(graph.target[row])].add(pattern)


def suspects(graph: Graph) -> Suspects:
    """Everybody who stands in a pattern."""
    found = Suspects()
    for cycle in cycles(graph):
        found.note(graph, Pattern.CYCLE, cycle)
    odd = np.flatnonzero(odd_transfers(graph))
    _company(graph, odd, graph.target, Pattern.FAN_IN, found)
    _company(graph, odd, graph.source, Pattern.FAN_OUT, found)
    _pass_through(graph, odd, found)
    return found


def odd_transfers(graph: Graph) -> NDArray[np.bool_]:
    """Which transfers' amounts are unlike their sender's others, or unlike everybody's: bool[n]."""
    if not len(graph.source):
        return np.zeros(0, bool)
    logs = np.log(graph.amount_minor.astype(float))
    spread = _MAD_TO_SIGMA * np.median(np.abs(logs - np.median(logs)))
    odd = np.abs(logs - np.median(logs)) > Z_MAX * spread if spread else np.zeros(len(logs), bool)
    order = np.argsort(graph.source, kind="stable")
    borders = np.flatnonzero(np.diff(graph.source[order])) + 1
    for rows in np.split(order, borders):
        days, first = np.unique(graph.step[rows], return_index=True)
        if len(days) > OWN_MIN:
            # A burst of one day is one day's habit, however many transfers it has.
            usual = np.median(logs[rows[first]])
            odd[rows] |= np.abs(logs[rows] - usual) > np.log(OWN_RATIO)
    return odd


def cycles(graph: Graph) -> list[list[int]]:
    """Cycles of transfers in order of time, each amount like the one before: rows of the graph, shortest first for each start."""
    leaving: dict[int, list[int]] = defaultdict(list)
    source, target = graph.source.tolist(), graph.target.tolist()
    amount, step = graph.amount_minor.tolist(), graph.step.tolist()
    for row, party in enumerate(source):
        leaving[party].append(row)
    found = []
    for first in range(len(source)):
        trail = _back_to(first, leaving, source, target, amount, step)
        if trail:
            found.append(trail)
    return found


def _back_to(
    first: int,
    leaving: dict[int, list[int]],
    source: list[int],
    target: list[int],
    amount: list[int],
    step: list[int],
) -> list[int]:
    """The shortest way from this transfer back to its sender; empty where there is none."""
    home, until = source[first], step[first] + WINDOW
    reached = {target[first]}
    trails = [[first]]
    budget = PATHS_MAX
    for length in range(2, CYCLE_MAX + 1):
        longer = []
        for trail in trails:
            last = trail[-1]
            least = amount[last] * (1 - SHRINK)
            for row in leaving.get(target[last], ()):
                budget -= 1
                if step[row] <= step[last] or step[row] > until:
                    continue
                if not least <= amount[row] <= amount[last]:
                    continue
                if target[row] == home:
                    if length >= CYCLE_MIN:
                        return [*trail, row]
                elif target[row] not in reached:
                    reached.add(target[row])
                    longer.append([*trail, row])
        if not longer or budget < 0:
            return []
        trails = longer
    return []


def _company(
    graph: Graph, odd: NDArray[np.int64], side: NDArray[np.int64], pattern: Pattern, found: Suspects
) -> None:
    """Odd transfers on one side of one party that lie near in time and amount."""
    by_party: dict[int, list[int]] = defaultdict(list)
    for row in odd.tolist():
        by_party[int(side[row])].append(row)
    for rows in by_party.values():
        for row in rows:
            near = [other for other in rows if _together(graph, row, other)]
            if len(near) >= COMPANY_MIN:
                found.note(graph, pattern, near)


def _pass_through(graph: Graph, odd: NDArray[np.int64], found: Suspects) -> None:
    """An odd transfer in, and a like one out again, later."""
    leaving: dict[int, list[int]] = defaultdict(list)
    for row in odd.tolist():
        leaving[int(graph.source[row])].append(row)
    for row in odd.tolist():
        onward = [
            other
            for other in leaving.get(int(graph.target[row]), ())
            if graph.step[other] >= graph.step[row] and other != row and _together(graph, row, other)
        ]
        if onward:
            found.note(graph, Pattern.PASS_THROUGH, [row, *onward])


def _together(graph: Graph, one: int, other: int) -> bool:
    ratio = graph.amount_minor[one] / graph.amount_minor[other]
    return bool(abs(graph.step[one] - graph.step[other]) <= WINDOW and 1 / ALIKE <= ratio <= ALIKE)
