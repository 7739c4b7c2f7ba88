"""
Whether the books of a stopped server balance: its ledger against its journal, every authorization of both.

A hold *stands* where its pending transfer was neither voided nor posted. Of every authorization exactly one thing must
be true: it was approved (00, 10), was not reversed, and one hold of the approved amount stands; or no hold stands.
"""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.chart import TransferCode
from ledger.embedded import EmbeddedLedger
from ledger.money import currency_letters
from ledger.transfer import TRANSFER, TransferFlags, Transfers, ids_of
from server.core.journal import JournalReader
from server.core.record import DECISION, Operation

APPROVALS: Final = (b"00", b"10")

Ids = NDArray[np.uint64]


class BooksUnknown(RuntimeError):  # noqa: N818 - told as what it is
    """The books can't be looked at; the text says why."""


def examine(
    home: Path, told: Ids, told_codes: NDArray[np.bytes_], told_minor: NDArray[np.int64]
) -> dict[str, Any]:
    """
    What the ledger and the journal in `home` say, ready for JSON; `sound` where the books balance.

    `told` u8[n, 2] are the ids of the answers that left, with their codes (S2) and approved amounts: each must be the
    journal's. Raises BooksUnknown where the journal no longer reaches back to its beginning, LedgerError and
    JournalCorrupt where one can't be read.
    """
    ledger = EmbeddedLedger.open(home / "ledger", now_ns=time.time_ns)
    try:
        totals = ledger.totals()
        transfers = np.concatenate([np.zeros(0, TRANSFER), *ledger.history_blocking()])
    finally:
        ledger.close_blocking()
    decisions, reversed_ids = read_decisions(home / "journal.sqlite")
    found = compare(transfers, decisions, reversed_ids)
    lost = count_lost(decisions, told, told_codes, told_minor)
    return {
        "sound": all(sums.balanced for sums in totals.values())
        and not any(found["faults"].values())
        and not lost,
        "totals": {currency_letters(number): asdict(sums) for number, sums in totals.items()},
        **found,
        "answers_lost": lost,
    }


def read_decisions(path: Path) -> tuple[NDArray[Any], Ids]:
    """All decisions on authorizations (DECISION[n]) of a journal, and the ids (u8[m, 2]) that reversals named."""
    reader = JournalReader(path)
    try:
        if reader.first() > 1:
            raise BooksUnknown(
                f"{path} begins at row {reader.first()}: what came before is in PostgreSQL alone"
            )
        decisions = [np.zeros(0, DECISION)]
        reversed_ids = [np.zeros((0, 2), np.uint64)]
        for batch in reader.read_all(0):
            decisions.append(batch.decisions[batch.decisions["operation"] == Operation.AUTHORIZE])
            requests = batch.intents["request"]
            reversed_ids.append(requests["original_id"][requests["operation"] == Operation.REVERSE])
    finally:
        reader.close()
    return np.concatenate(decisions), np.concatenate(reversed_ids)


def compare(transfers: Transfers, decisions: NDArray[Any], reversed_ids: Ids) -> dict[str, Any]:
    """Counts of authorizations, approvals and standing holds, and under `faults` of what must not be."""
    holds = standing_holds(transfers)
    place, held, reversals = group(
        np.ascontiguousarray(decisions["authorization_id"]), ids_of(holds, "user_data_128"), reversed_ids
    )
    count = max((int(part.max()) + 1 for part in (place, held, reversals) if len(part)), default=0)
    decided = np.bincount(place, minlength=count)
    hold_count = np.bincount(held, minlength=count)
    held_minor = np.zeros(count, np.int64)
    np.add.at(held_minor, held, holds["amount_lo"].astype(np.int64))
    approved = np.isin(decisions["response_code"], APPROVALS)
    wanted_minor = np.full(count, -1, np.int64)
    wanted_minor[place[approved]] = decisions["approved_minor"][approved]
    wanted_minor[reversals] = -1
    wanted = wanted_minor >= 0
    return {
        "authorizations": len(decisions),
        "approvals": int(approved.sum()),
        "holds": len(holds),
        "faults": {
            "decided_twice": int((decided > 1).sum()),
            "approvals_without_hold": int((wanted & (hold_count == 0)).sum()),
            "approvals_held_twice": int((wanted & (hold_count > 1)).sum()),
            "approvals_held_for_another_amount": int(
                (wanted & (hold_count == 1) & (held_minor != wanted_minor)).sum()
            ),
            "holds_without_approval": int(hold_count[~wanted].sum()),
        },
    }


def standing_holds(transfers: Transfers) -> Transfers:
    """The pending transfers of holds that were neither voided nor posted."""
    is_hold = (transfers["code"] == TransferCode.HOLD) & (transfers["flags"] & TransferFlags.PENDING != 0)
    resolving = TransferFlags.VOID_PENDING_TRANSFER | TransferFlags.POST_PENDING_TRANSFER
    holds = transfers[is_hold]
    resolved = ids_of(transfers[transfers["flags"] & resolving != 0], "pending_id")
    place, gone = group(ids_of(holds), resolved)
    return holds[~np.isin(place, gone)]


def count_lost(
    decisions: NDArray[Any], told: Ids, codes: NDArray[np.bytes_], approved_minor: NDArray[np.int64]
) -> int:
    """How many answers that left are not in the journal as they were given."""
    place, asked = group(np.ascontiguousarray(decisions["authorization_id"]), told)
    row = np.full(max((int(part.max()) + 1 for part in (place, asked) if len(part)), default=0), -1, np.intp)
    row[place] = np.arange(len(decisions))
    at = row[asked]
    known = at >= 0
    same = np.zeros(len(told), np.bool_)
    same[known] = (decisions["response_code"][at[known]] == codes[known]) & (
        decisions["approved_minor"][at[known]] == approved_minor[known]
    )
    return int((~same).sum())


def group(*parts: Ids) -> list[NDArray[np.intp]]:
    """For every id (u8[n, 2]) of every part a number: the same for the same id, dense from 0 over all parts."""
    ids = np.concatenate(parts)
    order = np.lexsort((ids[:, 0], ids[:, 1]))
    ordered = ids[order]
    first = np.ones(len(ids), np.bool_)
    first[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
    numbers = np.empty(len(ids), np.intp)
    numbers[order] = np.cumsum(first) - 1
    return np.split(numbers, np.cumsum([len(part) for part in parts])[:-1])
