"""A graph of transfers as a CSV file: AMLSim's columns, or our own."""

import csv
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from typing import Final

import numpy as np

from compliance.rules.graph import Graph

COLUMNS: Final = {
    "source": ("source", "sourceNodeId", "from", "sender"),
    "target": ("target", "targetNodeId", "to", "receiver"),
    "amount": ("amount", "value"),
    "step": ("time", "step", "day"),
}
"""What a column may be called; the amount in major units with at most two decimals, the time in whole steps, such as days."""


class GraphFileError(ValueError):
    """A file that is no graph; the message names line and column, and what is allowed."""


def read_graph(lines: Iterable[str]) -> tuple[Graph, list[str]]:
    """The graph, and what its parties are called, by their numbers. Raises GraphFileError."""
    rows = csv.reader(lines)
    header = [name.strip() for name in next(rows, [])]
    places = [_place(header, meaning) for meaning in COLUMNS]
    numbers: dict[str, int] = {}
    columns: tuple[list[int], ...] = ([], [], [], [])
    for row in rows:
        if not row:
            continue
        if len(row) < len(header):
            raise GraphFileError(f"line {rows.line_num} has {len(row)} of {len(header)} columns")
        source, target, amount, step = (row[place].strip() for place in places)
        for column, party in zip(columns[:2], (source, target), strict=True):
            column.append(numbers.setdefault(party, len(numbers)))
        columns[2].append(_cents(amount, rows.line_num))
        columns[3].append(_step(step, rows.line_num))
    graph = Graph.of(*(np.array(column, np.int64) for column in columns))
    return graph, list(numbers)


def read_labels(lines: Iterable[str]) -> dict[str, bool]:
    """AMLSim's nodes.csv: whether each party is in a laundering pattern. Raises GraphFileError."""
    rows = csv.DictReader(lines)
    if not {"nodeid", "isFraud"} <= set(rows.fieldnames or ()):
        raise GraphFileError("labels need the columns nodeid and isFraud")
    return {row["nodeid"].strip(): row["isFraud"].strip().lower() in {"1", "true"} for row in rows}


def _place(header: list[str], meaning: str) -> int:
    for name in COLUMNS[meaning]:
        if name in header:
            return header.index(name)
    raise GraphFileError(f"the first line names no column {meaning}: call it {' or '.join(COLUMNS[meaning])}")


def _cents(text: str, line: int) -> int:
    try:
        cents = Decimal(text) * 100
    except InvalidOperation:
        cents = Decimal(0)
    if not cents.is_finite() or not 0 < cents < 1 << 62:
        raise GraphFileError(f"line {line}: amount {text!r} must be a positive number")
    return max(1, int(cents.to_integral_value()))


def _step(text: str, line: int) -> int:
    try:
        return int(text)
    except ValueError:
        raise GraphFileError(
            f"line {line}: time {text!r} must be a whole number of steps, such as days"
        ) from None
