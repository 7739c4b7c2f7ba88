"""
Whether a ledger's balances follow from its history, and whether ours are those of a recorded one.

`verify` reads every transfer of a ledger, posts each once more by our rules, and compares every account: so the
embedded books are TigerBeetle's independent witness, and their own. `conform` runs what a server was once asked
through fresh books, and compares what it answered. Both say what differs; neither changes anything.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger.book import Ledger, LedgerError
from ledger.chart import describe
from ledger.state import State
from ledger.transfer import (
    ACCOUNT,
    BATCH_MAX,
    QUERY_FILTER,
    RESULT,
    TRANSFER,
    AccountFlags,
    Accounts,
    CreateAccountStatus,
    CreateTransferStatus,
    Results,
    Transfers,
    ids_of,
)

DIFFERENCES_MAX = 100  # told; all are counted
ROUNDS_MAX = 20  # how often accounts that moved meanwhile are looked at again

_BALANCES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_LATER_NS = 3_600 * 10**9
_CREATED = int(CreateTransferStatus.CREATED)


class RecordingUnreadable(LedgerError):  # noqa: N818 - told as what it is
    """A recorded history can't be used; the text says why."""


@dataclass
class Verification:
    """What `verify` found; sound where no transfer was refused and no account differs."""

    accounts: int = 0
    transfers: int = 0
    refused: int = 0  # stored transfers and accounts that our rules would not have let in
    differing: int = 0  # accounts whose balances or state do not follow from the history
    moving: int = 0  # accounts that moved each time they were looked at: not compared
    differences: list[dict[str, Any]] = field(default_factory=list)  # the first of them

    @property
    def is_sound(self) -> bool:
        return not self.refused and not self.differing

    def tell(self, **difference: Any) -> None:
        """Keep a difference, while there are few."""
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(difference)


@dataclass
class _Read:
    """The times from which to ask next, ns."""

    accounts_ns: int = 0
    transfers_ns: int = 0


async def verify(
    ledger: Ledger,
    now_ns: Callable[[], int],
    *,
    settling_ns: int = 0,
    progress: Callable[[int, int], None] = lambda _transfers, _stamp_ns: None,
) -> Verification:
    """
    Replay a ledger's whole history and compare every account with what follows from it.

    `now_ns` is the ledger's clock, within `settling_ns`: a hold whose time is over less long than that may stand
    or be gone. `progress` is told how many transfers are replayed, and the time of the last. The ledger may be
    used meanwhile; accounts that move are looked at again. Raises LedgerError.
    """
    found = Verification()
    books = State()
    read = _Read()
    await _open_accounts(ledger, books, read, found)
    await _catch_up(ledger, books, read, found, progress)
    waiting = await _all_accounts(ledger)
    for _ in range(ROUNDS_MAX):
        row = len(books.transfers())
        await _catch_up(ledger, books, read, found, progress)
        now = max(now_ns(), books.last_ns + 1)
        moved = books.touched((row, len(books.transfers()))) | _unsettled(books, now, settling_ns)
        if now - settling_ns > books.last_ns:
            books.expire(now - settling_ns)
        waiting = _compare(books, waiting, moved, found)
        if not len(waiting):
            break
        waiting = await _look_again(ledger, waiting)
    found.moving = len(waiting)
    found.accounts = len(books.accounts())
    found.transfers = len(books.transfers())
    return found


async def _look_again(ledger: Ledger, accounts: Accounts) -> Accounts:
    ids = ids_of(accounts)
    pages = [await ledger.lookup_accounts(ids[i : i + BATCH_MAX]) for i in range(0, len(ids), BATCH_MAX)]
    return np.concatenate(pages)


async def _account_page(ledger: Ledger, since_ns: int) -> Accounts:
    wanted = np.zeros(1, QUERY_FILTER)
    wanted["timestamp_min"], wanted["limit"] = since_ns, BATCH_MAX
    return await ledger.query_accounts(wanted)


async def _all_accounts(ledger: Ledger) -> Accounts:
    pages = [np.zeros(0, ACCOUNT)]
    since_ns = 0
    while len(page := await _account_page(ledger, since_ns)):
        pages.append(page)
        since_ns = int(page["timestamp"][-1]) + 1
    return np.concatenate(pages)


async def _open_accounts(ledger: Ledger, books: State, read: _Read, found: Verification) -> None:
    """Open what accounts there are that the books lack."""
    while len(page := await _account_page(ledger, read.accounts_ns)):
        statuses = books.retrace_accounts(page)
        for i in np.flatnonzero(statuses != _CREATED).tolist():
            found.refused += 1
            found.tell(account=_name(page[i]), refused=CreateAccountStatus(int(statuses[i])).name.lower())
        read.accounts_ns = int(page["timestamp"][-1]) + 1


async def _catch_up(
    ledger: Ledger, books: State, read: _Read, found: Verification, progress: Callable[[int, int], None]
) -> None:
    """Replay what the ledger has and the books lack."""
    async for page in ledger.history(read.transfers_ns):
        await _open_accounts(ledger, books, read, found)
        statuses = books.retrace_transfers(page)
        for i in np.flatnonzero(statuses != _CREATED).tolist():
            found.refused += 1
            found.tell(transfer=_hex(page[i]), refused=CreateTransferStatus(int(statuses[i])).name.lower())
        read.transfers_ns = int(page["timestamp"][-1]) + 1
        progress(len(books.transfers()), int(page["timestamp"][-1]))


def _unsettled(books: State, now_ns: int, settling_ns: int) -> NDArray[np.bool_]:
    """Which accounts have a hold whose time may just be over, or just not."""
    found = np.zeros(len(books.accounts()), bool)
    if settling_ns:
        for row in books.expiring(now_ns - settling_ns, now_ns + settling_ns).tolist():
            found |= books.touched((row, row + 1))
    return found


def _compare(books: State, theirs: Accounts, moved: NDArray[np.bool_], found: Verification) -> Accounts:
    """Compare those accounts that did not move; those that did."""
    rows = books.account_rows(ids_of(theirs))
    assert (rows >= 0).all()
    ours = books.accounts()[rows]
    settled = ~moved[rows]
    # An account may have been opened closed, and then nothing ever moved it.
    untouched = ~books.touched()[rows]
    closed = np.where(untouched, theirs["flags"] & AccountFlags.CLOSED, 0).astype(np.uint16)
    ours["flags"] |= closed
    for i in np.flatnonzero(settled & (ours != theirs)).tolist():
        found.differing += 1
        found.tell(account=_name(theirs[i]), **_difference(ours[i], theirs[i]))
    return theirs[~settled]


def _difference(ours: Any, theirs: Any) -> dict[str, Any]:
    """The fields in which two accounts differ: what follows from the history, and what stands there."""
    fields: dict[str, Any] = {}
    for name in _BALANCES:
        pair = [int(r[f"{name}_lo"]) | int(r[f"{name}_hi"]) << 64 for r in (ours, theirs)]
        if pair[0] != pair[1]:
            fields[name] = {"expected": pair[0], "found": pair[1]}
    for name in ("flags", "ledger", "code", "timestamp"):
        if ours[name] != theirs[name]:
            fields[name] = {"expected": int(ours[name]), "found": int(theirs[name])}
    return fields


def _name(account: Any) -> str:
    return describe(int(account["id_lo"]), int(account["id_hi"]))


def _hex(record: Any) -> str:
    return f"{int(record['id_hi']):016x}{int(record['id_lo']):016x}"


@dataclass
class Conformance:
    """What `conform` found; counts of what differs, and the first differences."""

    accounts: int = 0
    transfers: int = 0
    batches: int = 0
    account_statuses_differ: int = 0
    statuses_differ: int = 0
    balances_differ: int = 0
    transfers_differ: int = 0
    differences: list[dict[str, Any]] = field(default_factory=list)

    @property
    def conforms(self) -> bool:
        return not (
            self.account_statuses_differ
            or self.statuses_differ
            or self.balances_differ
            or self.transfers_differ
        )

    def tell(self, **difference: Any) -> None:
        """Keep a difference, while there are few."""
        if len(self.differences) < DIFFERENCES_MAX:
            self.differences.append(difference)


def conform(recorded: Mapping[str, NDArray[Any]]) -> Conformance:
    """
    Run a recorded history through fresh books, each batch at the server's own time, and compare.

    `recorded` has `accounts`, `transfers`, `batch_sizes`, `results` and `accounts_after`, and may have
    `account_results` and `transfers_after`: TigerBeetle's own 128-byte and 16-byte records, in any array that has
    their bytes. Raises RecordingUnreadable.
    """
    events = _records(recorded, "accounts", ACCOUNT)
    transfers = _records(recorded, "transfers", TRANSFER)
    results = _records(recorded, "results", RESULT)
    after = _records(recorded, "accounts_after", ACCOUNT)
    sizes = _sizes(recorded, len(transfers))
    if len(results) != len(transfers):
        raise RecordingUnreadable(f"it has {len(transfers)} transfers, but {len(results)} results")
    found = Conformance(len(events), len(transfers), len(sizes))
    books = State()
    _run_accounts(books, events, recorded, found)
    start = 0
    for size in sizes:
        expected = results[start : start + size]
        first_ns = _taken_at(expected, books.last_ns, CreateTransferStatus.EXISTS)
        books.expire(first_ns)
        books.last_ns = first_ns - 1  # the server let go of them before
        given = books.create_transfers(transfers[start : start + size], first_ns)
        for i in np.flatnonzero(given["status"] != expected["status"]).tolist():
            found.statuses_differ += 1
            _tell_status(found, CreateTransferStatus, "transfer", start + i, given[i], expected[i])
        start += size
    _compare_after(books, after, found)
    if "transfers_after" in recorded:
        _compare_stored(books, _records(recorded, "transfers_after", TRANSFER), found)
    return found


def _run_accounts(
    books: State, events: Accounts, recorded: Mapping[str, NDArray[Any]], found: Conformance
) -> None:
    expected = _records(recorded, "account_results", RESULT) if "account_results" in recorded else None
    if expected is not None and len(expected) != len(events):
        raise RecordingUnreadable(f"it has {len(events)} accounts, but {len(expected)} account_results")
    for start in range(0, len(events), BATCH_MAX):
        batch = events[start : start + BATCH_MAX]
        if expected is None:
            books.create_accounts(batch, books.last_ns + 1)
            continue
        wanted = expected[start : start + BATCH_MAX]
        given = books.create_accounts(batch, _taken_at(wanted, books.last_ns, CreateAccountStatus.EXISTS))
        for i in np.flatnonzero(given["status"] != wanted["status"]).tolist():
            found.account_statuses_differ += 1
            _tell_status(found, CreateAccountStatus, "account", start + i, given[i], wanted[i])


def _compare_after(books: State, after: Accounts, found: Conformance) -> None:
    """The balances; also those after an hour, for a recording that waited until its holds had timed out."""
    differing = _differing(books, after)
    if len(differing):
        later = State.copied(books)
        later.expire(later.last_ns + _LATER_NS)
        if len(_differing(later, after)) < len(differing):
            books, differing = later, _differing(later, after)
    found.balances_differ = len(differing)
    for theirs in differing[:DIFFERENCES_MAX]:
        ours = books.lookup_accounts(ids_of(theirs[None]))
        if len(ours):
            found.tell(account=_hex(theirs), **_difference(ours[0], theirs))
        else:
            found.tell(account=_hex(theirs), missing=True)


def _differing(books: State, theirs: Accounts) -> Accounts:
    rows = books.account_rows(ids_of(theirs))
    ours = books.accounts()[np.maximum(rows, 0)] if len(books.accounts()) else np.zeros(len(rows), ACCOUNT)
    ours["timestamp"] = theirs["timestamp"]
    return theirs[(rows < 0) | (ours != theirs)]


def _compare_stored(books: State, theirs: Transfers, found: Conformance) -> None:
    """What is stored of each transfer: everything but its timestamp, and that in the same order."""
    ours = books.transfers().copy()
    if len(ours) != len(theirs):
        found.transfers_differ += 1
        found.tell(stored_transfers={"expected": len(theirs), "found": len(ours)})
    count = min(len(ours), len(theirs))
    ours["timestamp"][:count] = theirs["timestamp"][:count]
    for i in np.flatnonzero(ours[:count] != theirs[:count]).tolist():
        found.transfers_differ += 1
        fields = {
            name: {"expected": int(theirs[i][name]), "found": int(ours[i][name])}
            for name in TRANSFER.names or ()
            if ours[i][name] != theirs[i][name]
        }
        found.tell(stored_transfer=i, **fields)


def _tell_status(
    found: Conformance, kind: type[Any], what: str, number: int, given: Any, expected: Any
) -> None:
    known = {int(status): status.name.lower() for status in kind}
    pair = [known.get(int(r["status"]), str(int(r["status"]))) for r in (expected, given)]
    found.tell(**{what: number}, status={"expected": pair[0], "found": pair[1]})


def _taken_at(results: Results, last_ns: int, exists: int) -> int:
    """When the server took a batch; an `exists` carries the timestamp of the first time instead."""
    own = np.flatnonzero((results["status"] != exists) & (results["timestamp"] != 0))
    if not len(own):
        return last_ns + 1
    return max(last_ns + 1, int(results["timestamp"][own[0]]) - int(own[0]))


def _records(recorded: Mapping[str, NDArray[Any]], name: str, dtype: np.dtype[np.void]) -> NDArray[np.void]:
    if name not in recorded:
        raise RecordingUnreadable(f"it has no {name!r}")
    array = recorded[name]
    if array.dtype.hasobject or array.nbytes % dtype.itemsize:
        raise RecordingUnreadable(f"{name!r} is no array of {dtype.itemsize}-byte records")
    return np.frombuffer(bytearray(np.ascontiguousarray(array).tobytes()), dtype)


def _sizes(recorded: Mapping[str, NDArray[Any]], count: int) -> list[int]:
    if "batch_sizes" not in recorded:
        return [min(BATCH_MAX, count - start) for start in range(0, count, BATCH_MAX)]
    array = recorded["batch_sizes"]
    if array.ndim != 1 or array.dtype.kind not in "iu" or (len(array) and int(array.min()) < 0):
        raise RecordingUnreadable("'batch_sizes' is no list of whole numbers")
    sizes: list[int] = array.tolist()
    if sum(sizes) != count or max(sizes, default=0) > BATCH_MAX:
        raise RecordingUnreadable(
            f"'batch_sizes' gives {sum(sizes)} transfers in batches of up to {max(sizes, default=0)}, but there are "
            f"{count}, and a batch holds {BATCH_MAX}"
        )
    return [size for size in sizes if size]
