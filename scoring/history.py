"""
Labelled histories: transactions in order of time, with what became of each and when that became known.

A file is one of three layouts (Parquet), told apart by its columns: Holdfast's own (`layout`), Sparkov's, the
Handbook's (`public_layouts`). Its rows may stand in any order; those of one second keep the file's. Two equal
rows are refused, because nobody can say whether that is one transaction or two, unless rows have ids.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.lib.recfunctions import repack_fields

from scoring.attempt import Verdict
from scoring.layout import own_layout
from scoring.public_layouts import (
    HANDBOOK_COLUMNS,
    SPARKOV_COLUMNS,
    handbook,
    sparkov,
)
from scoring.table import HistoryError, Table, fingerprint
from scoring.transactions import Transactions

__all__ = ["LABEL_DELAY_S", "History", "HistoryError", "in_time_order", "read_history"]

LABEL_DELAY_S: Final = 7 * 86_400
"""How long after a transaction its label becomes known, where a history doesn't say."""


class History(NamedTuple):
    """
    Transactions in time order with what became of them.

    attempts ATTEMPT[n], card rows counting through `cards`; verdicts u1[n] (`attempt.Verdict`), 0 where nobody
    said anything; known_s i8[n]: when that is known, later than the attempt: of a row without a verdict, when
    silence means that it was genuine; cards: the identity of each card row in the file; fingerprint: SHA-256 of
    the files, hexadecimal; rows i8[n]: each one's place in the file; is_labelled: whether the file has labels;
    is_settled: whether it says of every row what became of it, so that silence needn't ripen.

    Beside them, where the file has it: scenarios (a name for each row, "" for none), born and regions (birth
    date, YYYY-MM-DD, and region of each card's holder, "" where unknown), unread (columns that nobody read).
    """

    attempts: np.ndarray
    verdicts: np.ndarray
    known_s: np.ndarray
    cards: Sequence[str]
    fingerprint: str
    rows: np.ndarray
    is_labelled: bool = True
    is_settled: bool = True
    scenarios: np.ndarray | None = None
    born: Sequence[str] = ()
    regions: Sequence[str] = ()
    unread: Sequence[str] = ()

    @property
    def is_fraud(self) -> np.ndarray:
        """Which transactions turned out to be fraud, confirmed or disputed: bool[n]."""
        return (self.verdicts == Verdict.FRAUD) | (self.verdicts == Verdict.DISPUTE)


def read_history(data: Path, customers: Path | None = None, *, label_delay_s: int = LABEL_DELAY_S) -> History:
    """
    Reads a file of transactions. `customers` is Sparkov's customer file (CSV, `|`), for cardholders' homes.

    Labels become known `label_delay_s` after the transaction where the file doesn't say. Raises HistoryError,
    naming column and row, for anything that isn't what its layout allows.
    """
    table = Table(data)
    if table.names >= SPARKOV_COLUMNS:
        found = sparkov(table, customers)
    elif table.names >= HANDBOOK_COLUMNS:
        found = handbook(table)
    else:
        found = own_layout(table)
    files = [data] if customers is None or table.names < SPARKOV_COLUMNS else [data, customers]
    history = in_time_order(found, fingerprint(files), label_delay_s)
    if not found.has_ids:
        _refuse_twins(table.name, history)
    return history


def in_time_order(found: Transactions, fingerprint: str, label_delay_s: int = LABEL_DELAY_S) -> History:
    """The history of transactions, whatever they were read from."""
    times_s = found.attempts["time_s"]
    order = np.argsort(times_s, kind="stable")
    verdicts = np.zeros(len(order), np.uint8) if found.verdicts is None else found.verdicts
    known_s = times_s + label_delay_s
    if found.known_s is not None:
        known_s = np.where(found.known_s > 0, found.known_s, known_s)
    return History(
        found.attempts[order],
        verdicts[order],
        # Nobody knows a verdict in the second of the transaction: it would be learnt before it.
        np.maximum(known_s, times_s + 1)[order],
        found.cards,
        fingerprint,
        order,
        found.verdicts is not None,
        found.is_settled,
        None if found.scenarios is None else found.scenarios[order],
        found.born,
        found.regions,
        found.unread,
    )


def _refuse_twins(name: str, history: History) -> None:
    attempts = history.attempts
    # Few rows share a second with another one: only those are compared in full.
    same = np.flatnonzero(attempts["time_s"][1:] == attempts["time_s"][:-1])
    crowded = np.union1d(same, same + 1)
    met: dict[bytes, int] = {}
    # Without the padding between fields, which holds anything.
    for place, record in zip(crowded.tolist(), repack_fields(attempts[crowded]), strict=True):
        first = met.setdefault(record.tobytes(), place)
        if first != place:
            rows = sorted(history.rows[[first, place]].tolist())
            raise HistoryError(
                f"{name}: rows {rows[0]} and {rows[1]} are equal in everything: one transaction written twice, or"
                " two? Take one out, or tell them apart by a column id (layout of Holdfast's own histories)"
            )
