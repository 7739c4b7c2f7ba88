"""
Whether the books of a stopped server balance: its ledger against its journal, every authorization of both.

Of every authorization as much must be pending, in as many transfers, and as much settled, as the decisions on it and
on the messages about it come to.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.embedded import EmbeddedLedger
from ledger.money import currency_letters
from ledger.reconcile import STANDING, Drift, Standings, numbered
from ledger.reconcile import compare as reconcile
from ledger.state import Totals
from ledger.tigerbeetle import TigerBeetleLedger
from ledger.transfer import ACCOUNT, BATCH_MAX, QUERY_FILTER, TRANSFER, Accounts, Transfers
from server.core.journal_reader import JournalReader
from server.core.record import DECISION, Chain, Operation

APPROVALS: Final = (b"00", b"10")
IN_ITS_STEAD: Final = (b"91", b"N0")

CLUSTER_S: Final = 30.0
"""How long a cluster may take to answer."""

Ids = NDArray[np.uint64]


class BooksUnknown(RuntimeError):  # noqa: N818 - told as what it is
    """The books can't be looked at; the text says why."""


def examine(
    home: Path, told: Ids, told_codes: NDArray[np.bytes_], told_minor: NDArray[np.int64]
) -> dict[str, Any]:
    """
    What the embedded ledger and the journal in `home` say, ready for JSON; `sound` where the books balance.

    `told` u8[n, 2] are the ids of the answers that left, with their codes (S2) and approved amounts: each must be the
    journal's. Raises BooksUnknown where the journal no longer reaches back to its beginning, LedgerError and
    JournalCorrupt where one can't be read.
    """
    return judge(home, *read_embedded(home), told, told_codes, told_minor)


def judge(
    home: Path,
    totals: Mapping[int, Totals],
    transfers: Transfers,
    told: Ids,
    told_codes: NDArray[np.bytes_],
    told_minor: NDArray[np.int64],
) -> dict[str, Any]:
    """As `examine`, of a ledger whose totals and transfers are at hand."""
    decisions = read_decisions(home / "journal.sqlite")
    found = compare(transfers, decisions)
    lost = count_lost(decisions, told, told_codes, told_minor)
    return {
        "sound": all(sums.balanced for sums in totals.values())
        and not any(found["faults"].values())
        and not lost,
        "totals": {currency_letters(number): asdict(sums) for number, sums in totals.items()},
        **found,
        "answers_lost": lost,
    }


def read_embedded(home: Path) -> tuple[dict[int, Totals], Transfers]:
    """Totals by ledger number, and all transfers of the embedded ledger in `home`, in order. Raises LedgerError."""
    ledger = EmbeddedLedger.open(home / "ledger", now_ns=time.time_ns)
    try:
        return ledger.totals(), np.concatenate([np.zeros(0, TRANSFER), *ledger.history_blocking()])
    finally:
        ledger.close_blocking()


async def read_cluster(cluster_id: int, addresses: Sequence[str]) -> tuple[dict[int, Totals], Transfers]:
    """As `read_embedded`, of a TigerBeetle cluster."""
    ledger = await TigerBeetleLedger.open(addresses, cluster_id, deadline_s=CLUSTER_S)
    try:
        wanted = np.zeros(1, QUERY_FILTER)
        wanted["limit"] = BATCH_MAX
        accounts = [np.zeros(0, ACCOUNT)]
        while len(page := await ledger.query_accounts(wanted)):
            accounts.append(page)
            wanted["timestamp_min"] = page["timestamp"][-1] + np.uint64(1)
        transfers = [np.zeros(0, TRANSFER), *[page async for page in ledger.history()]]
    finally:
        await ledger.close()
    return _totals(np.concatenate(accounts)), np.concatenate(transfers)


def _totals(accounts: Accounts) -> dict[int, Totals]:
    def total(rows: Accounts, name: str) -> int:
        return sum(rows[f"{name}_lo"].tolist()) + (sum(rows[f"{name}_hi"].tolist()) << 64)

    return {
        number: Totals(**{field.name: total(rows, field.name) for field in fields(Totals)})
        for number in np.unique(accounts["ledger"]).tolist()
        for rows in [accounts[accounts["ledger"] == number]]
    }


def read_decisions(path: Path) -> NDArray[Any]:
    """All decisions (DECISION[n]) of a journal, in order."""
    reader = JournalReader(path)
    try:
        if reader.first() > 1:
            raise BooksUnknown(
                f"{path} begins at row {reader.first()}: what came before is in PostgreSQL alone"
            )
        decisions = [batch.decisions for batch in reader.read_all(0)]
    finally:
        reader.close()
    return np.concatenate([np.zeros(0, DECISION), *decisions])


def compare(transfers: Transfers, decisions: NDArray[Any]) -> dict[str, Any]:
    """Counts of authorizations, approvals, what was taken back of them and standing holds; under `faults`, of what must not be."""
    standings = Standings()
    standings.add(transfers)
    found = standings.all()
    authorizing = decisions["operation"] == Operation.AUTHORIZE
    # What was let go again, since its sender was told otherwise.
    taken_back = (decisions["operation"] == Operation.DISOWN) & (decisions["chain"] == Chain.REPLACED)
    (place,) = numbered(np.ascontiguousarray(decisions["authorization_id"]))
    drift = reconcile(found, expected_standings(decisions), settled=True)["kind"]
    return {
        "authorizations": int(authorizing.sum()),
        "approvals": int(np.isin(decisions["response_code"][authorizing], APPROVALS).sum()),
        "holds": int(found["holds"].sum()),
        "taken_back": int(taken_back.sum()),
        "expired": int((decisions["operation"] == Operation.EXPIRE).sum()),
        "faults": {
            "decided_twice": int((np.bincount(place) > 1).sum()),
            **{kind.name.lower(): int((drift == kind).sum()) for kind in Drift},
        },
    }


def expected_standings(decisions: NDArray[Any]) -> NDArray[Any]:
    """What the DECISIONs together leave pending, and settled, for each authorization: STANDING[n]."""
    own = np.asarray(~decisions["original_id"].any(axis=1))
    ids = np.where(own[:, None], decisions["authorization_id"], decisions["original_id"])
    (place,) = numbered(ids)
    expected = np.zeros(int(place.max(initial=-1)) + 1, STANDING)
    expected["authorization_id"][place] = ids
    replaced = decisions["chain"] == Chain.REPLACED
    last = np.zeros(len(expected), np.uint64)
    np.maximum.at(last, place[replaced], decisions["sequence"][replaced])
    stands = (decisions["chain"] != Chain.UNTOUCHED) & (decisions["sequence"] >= last[place])
    for name in ("part_minor", "owed_minor"):
        np.add.at(expected["pending_minor"], place[stands], decisions[name][stands])
        np.add.at(expected["holds"], place[stands], decisions[name][stands] > 0)
    cleared = (decisions["operation"] == Operation.CLEAR) & (decisions["response_code"] == b"00")
    signed = np.where(decisions["credit"] != 0, -decisions["approved_minor"], decisions["approved_minor"])
    np.add.at(expected["settled_minor"], place[cleared], signed[cleared])
    return expected


def count_lost(
    decisions: NDArray[Any], told: Ids, codes: NDArray[np.bytes_], approved_minor: NDArray[np.int64]
) -> int:
    """
    How many answers that left are not in the journal as they were given.

    What was answered in the core's stead (91, N0) stands in the journal as taken over, whatever the core had said.
    """
    stood = decisions["original_id"][decisions["operation"] == Operation.DISOWN]
    place, asked, taken_over = numbered(
        np.ascontiguousarray(decisions["authorization_id"]), told, np.ascontiguousarray(stood)
    )
    row = np.full(max((int(part.max()) + 1 for part in (place, asked) if len(part)), default=0), -1, np.intp)
    row[place] = np.arange(len(decisions))
    at = row[asked]
    known = at >= 0
    same = np.zeros(len(told), np.bool_)
    same[known] = (decisions["response_code"][at[known]] == codes[known]) & (
        decisions["approved_minor"][at[known]] == approved_minor[known]
    )
    same |= np.isin(asked, taken_over) & np.isin(codes, IN_ITS_STEAD)
    return int((~same).sum())
