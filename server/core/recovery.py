"""
After a stop or a crash: the state that was, and a decision for every intent that has none.

    snapshot + journal tail ──► state ──► undecided authorizations ──fence──► held: its approval is recorded
                                  │                                      └──► absent: it never can be held; 91 is recorded
                                  ├─────► undecided messages about them: carried out, under the same ids
                                  ├─────► authorizations answered 91, because the ledger was away: fenced, and voided
                                  └─────► holds that no answer promised are voided: no journal knows them
"""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from ledger.transfer import TRANSFER, Transfers, ids_of
from server.core import policy
from server.core.answers import approve_held
from server.core.books import Books, holds_among
from server.core.entries import EntryState
from server.core.journal import Journal
from server.core.journal_reader import JournalCorrupt, JournalReader
from server.core.lifecycle import Lifecycle
from server.core.policy import Check, bit
from server.core.record import DECISION, REQUEST_VERSION, Operation
from server.core.snapshot import SnapshotUnreadable
from server.core.state import State

_log = structlog.get_logger("recovery")

_MAY_STAND: Final = (EntryState.OPEN, EntryState.BUSY)

_CLOCKS_APART_NS: Final = 10 * 1_000_000_000
"""How far the ledger's clock may lie from ours."""

_AT_ONCE: Final = 2_048
"""Messages carried out together, as in service: their holds must fit one request to the ledger."""

_UNDER_WAY_NS: Final = 3600 * 1_000_000_000
"""No request of a client that is gone is carried out later than this."""


def restore(state: State, snapshot: Path, reader: JournalReader) -> None:
    """
    The state as the journal left it: from the snapshot where it is good, and the rows after it.

    Raises SnapshotUnreadable or JournalCorrupt where the two together don't reach from the beginning to the end.
    """
    try:
        state.load(snapshot)
    except FileNotFoundError:
        pass
    except SnapshotUnreadable as error:
        if reader.first() > 1:
            raise
        _log.warning("the snapshot is left aside; the journal is whole", reason=str(error))
    if state.journal_number > reader.last():
        raise SnapshotUnreadable(
            f"{snapshot} was written after row {state.journal_number} of a journal, but the one beside it ends at "
            f"{reader.last()}: one of them is an old copy. Restore both from the same backup."
        )
    if reader.first() > state.journal_number + 1:
        raise JournalCorrupt(
            f"the journal begins at row {reader.first()}, and {snapshot} ends at row {state.journal_number}: restore "
            "the snapshot that belongs to it."
        )
    state.replay(reader.read_chunks(state.journal_number))


async def decide_undecided(
    state: State,
    books: Books,
    lifecycle: Lifecycle,
    journal: Journal,
    reader: JournalReader,
    *,
    history: Callable[[int], AsyncIterator[Transfers]],
    now_ns: int,
) -> int:
    """
    Decide what the crash left undecided; return how many intents those were.

    `history(since_ns)` gives the ledger's transfers from that time on, in the order of their timestamps, page by page.
    """
    intents, places = state.undecided()
    if len(intents):
        decisions = await _decisions(intents, books, lifecycle)
        decisions["version"] = REQUEST_VERSION
        decisions["recovered"] = 1
        decisions["sequence"] = intents["sequence"]
        decisions["authorization_id"] = intents["request"]["authorization_id"]
        decisions["operation"] = intents["request"]["operation"]
        decisions["intent_batch"], decisions["intent_index"] = places[:, 0], places[:, 1]
        decisions["decision_ns"] = now_ns
        state.settle(intents, decisions)
        await journal.append_decisions(decisions)
        state.repeats.resolve(intents, decisions)
        state.forget_undecided()
        state.journal_number = journal.number
    voided = await _fence_unanswered(books, reader, now_ns)
    voided += await books.void(await _never_told(history, state, reader))
    if len(intents) or voided:
        _log.warning("recovered from a crash", intents_decided=len(intents), holds_voided=voided)
    return len(intents)


async def _decisions(intents: NDArray[Any], books: Books, lifecycle: Lifecycle) -> NDArray[Any]:
    """DECISION[n] for INTENT[n], but for what every decision takes over from its intent."""
    decisions = np.zeros(len(intents), DECISION)
    authorizing = intents["request"]["operation"] == Operation.AUTHORIZE
    asking = intents[authorizing]
    decided = decisions[authorizing]
    await _decide(asking, decided, books)
    decided["available_minor"] = await books.balances(asking)
    decisions[authorizing] = decided
    if not authorizing.all():
        messages = intents[~authorizing]
        finds = lifecycle.finds_of(messages)
        parts = [slice(first, first + _AT_ONCE) for first in range(0, len(messages), _AT_ONCE)]
        carried = [await lifecycle.carry_out(messages[part], finds[part]) for part in parts]
        decisions[~authorizing] = np.concatenate(carried)
    return decisions


async def _fence_unanswered(books: Books, reader: JournalReader, now_ns: int) -> int:
    """
    Make sure that what was answered with 91 is not held: a request that died with its client may still arrive.

    Looks back as far as a request can be under way. Returns how many holds had stood.
    """
    voided = 0
    some: list[NDArray[Any]] = []
    for intent in reader.unanswered_since(now_ns - _UNDER_WAY_NS):
        some.append(intent)
        if len(some) == _AT_ONCE:
            voided += await books.void_found(np.concatenate(some))
            some.clear()
    return voided + (await books.void_found(np.concatenate(some)) if some else 0)


async def _never_told(
    history: Callable[[int], AsyncIterator[Transfers]], state: State, reader: JournalReader
) -> Transfers:
    """
    Holds of the last moments that no answer ever promised.

    A hold is placed after its intent was appended, and appends reach the disk in order: one whose intent was lost is
    younger than the requests of the last intents on disk. And a ledger whose commit failed has answered nothing more,
    but that commit may be on disk all the same: its holds, of answers that said 91, are the newest there are.
    Increments and advices hold only what the journal knows of.
    """
    since_ns = reader.newest_arrival_ns()
    pages = [page async for page in history(max(0, since_ns - 2 * _CLOCKS_APART_NS))]
    transfers = np.concatenate([np.zeros(0, TRANSFER), *pages])
    newest_ns = int(transfers["timestamp"].max(initial=0))
    since_ns = min(since_ns, newest_ns) - _CLOCKS_APART_NS
    complete_ns, approved = reader.approvals_since(since_ns - _CLOCKS_APART_NS)
    # Where rows were trimmed, the table alone tells of what came before the oldest: by the ledger's clock that is later.
    since_ns = max(since_ns, complete_ns - _CLOCKS_APART_NS, 0)
    recent = holds_among(transfers[transfers["timestamp"] >= since_ns])
    recent = recent[(recent["id_lo"] & ~np.uint64(0xFF)) == recent["user_data_128_lo"]]
    entries = state.repeats.find(ids_of(recent, "user_data_128"))
    recent = recent[~np.isin(entries["state"], _MAY_STAND)]
    if not len(recent):
        return recent
    # An old message's entry may have left the table: the journal has the last word.
    told = set(map(tuple, approved.tolist()))
    identifiers = map(tuple, ids_of(recent, "user_data_128").tolist())
    return recent[np.array([pair not in told for pair in identifiers], np.bool_)]


async def _decide(intents: NDArray[Any], decisions: NDArray[Any], books: Books) -> None:
    """Fill DECISION[n] for authorizations INTENT[n] from what the ledger knows."""
    decisions["billing_currency"] = intents["billing_currency"]
    decisions["reasons"] = intents["checks_failed"]
    for name in ("limits_passed", "rules_hit", "score_reasons", "response_code"):
        decisions[name] = intents[name]
    decisions["risk_score"] = np.nan_to_num(intents["score"], nan=0.0)
    asked = np.flatnonzero(intents["response_code"] == b"")
    held, attempts = await books.find_holds(intents[asked])
    # A balancing hold that found nothing is there, with amount 0.
    empty = held == 0
    if empty.any():
        await books.release(intents["request"]["authorization_id"][asked[empty]], attempts[empty])
    decisions["hold_attempt"][asked[held > 0]] = attempts[held > 0]
    for place, minor in zip(asked[held > 0].tolist(), held[held > 0].tolist(), strict=True):
        approve_held(decisions[place : place + 1], intents[place : place + 1], minor)
    for failed, places in ((Check.LEDGER_AWAY, asked[held < 0]), (Check.FUNDS, asked[empty])):
        decisions["reasons"][places] |= bit(failed)
        decisions["response_code"][places] = policy.CHECKS[failed].response_code
