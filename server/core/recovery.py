"""
After a stop or a crash: the state that was, and a decision for every intent that has none.

snapshot + journal tail ──► state ──► undecided intents ──fence──► held: its approval is recorded
│                        absent: it never can be held; 91 is recorded
└── holds that no journal knows are voided: nobody was told of them
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from ledger.transfer import Transfers
from server.core import policy
from server.core.answers import approve_held
from server.core.books import Books
from server.core.journal import Journal, JournalReader
from server.core.policy import Check, bit
from server.core.record import DECISION, REQUEST_VERSION, Operation
from server.core.repeats import EntryState
from server.core.snapshot import SnapshotUnreadable
from server.core.state import State

_log = structlog.get_logger("recovery")

_CLOCKS_APART_NS: Final = 10 * 1_000_000_000
"""How far the ledger's clock may lie behind ours."""


def restore(state: State, snapshot: Path, reader: JournalReader) -> None:
    """The state as the journal left it: from the snapshot where it is good, and the rows after it."""
    try:
        state.load(snapshot)
    except FileNotFoundError:
        pass
    except SnapshotUnreadable as error:
        if reader.first() > 1:
            raise
        _log.warning("the snapshot is left aside; the journal is whole", reason=str(error))
    state.grow()
    state.replay(reader.read_all(state.journal_number))


async def decide_undecided(
    state: State,
    books: Books,
    journal: Journal,
    reader: JournalReader,
    *,
    recent_transfers: Callable[[int], Transfers],
    now_ns: int,
) -> int:
    """
    Decide what the crash left undecided; return how many intents those were.

    `recent_transfers(since_ns)` gives the ledger's transfers with a timestamp from there on.
    """
    intents = state.undecided()
    if len(intents):
        decisions = np.zeros(len(intents), DECISION)
        for i in range(len(intents)):
            await _decide(intents[i : i + 1], decisions[i : i + 1], state, books)
        decisions["decision_ns"] = now_ns
        decisions["available_minor"] = await books.balances(intents)
        state.settle(intents, decisions)
        await journal.append_decisions(decisions)
        state.repeats.resolve(intents, decisions)
        state.forget_undecided()
        state.journal_number = journal.number
    # A hold is placed after its intent was appended, and appends reach the disk in order: one whose intent was lost is
    # younger than the requests of the last intents on disk.
    since_ns, known = reader.recent_authorizations(_CLOCKS_APART_NS)
    orphans = await books.void_orphans(recent_transfers(since_ns), known)
    if len(intents) or orphans:
        _log.warning("recovered from a crash", intents_decided=len(intents), holds_voided=orphans)
    return len(intents)


async def _decide(intent: NDArray[Any], decision: NDArray[Any], state: State, books: Books) -> None:
    """Fill DECISION[1] for INTENT[1] from what the ledger knows."""
    request = intent["request"]
    number, index = state.place_of(int(intent["sequence"][0]))
    decision["version"] = REQUEST_VERSION
    decision["recovered"] = 1
    decision["sequence"] = intent["sequence"]
    decision["intent_batch"], decision["intent_index"] = number, index
    decision["authorization_id"] = request["authorization_id"]
    decision["operation"] = request["operation"]
    decision["billing_currency"] = intent["billing_currency"]
    if request["operation"][0] == Operation.REVERSE:
        original = state.repeats.find(request["original_id"])
        if original["state"][0] == EntryState.CLOSING:
            await books.release(request["original_id"], original["answer"]["hold_attempt"])
            decision["approved_minor"] = original["answer"]["approved_minor"]
        decision["response_code"] = policy.APPROVED
        return
    decision["reasons"] = intent["checks_failed"]
    decision["velocity_flags"] = intent["velocity_flags"]
    decision["risk_score"] = np.nan_to_num(intent["score"], nan=0.0)
    if intent["response_code"][0]:
        decision["response_code"] = intent["response_code"]
        return
    held, attempt = await books.find_hold(intent)
    if held > 0:
        decision["hold_attempt"] = attempt
        approve_held(decision, intent, held)
        return
    if held == 0:
        await books.release(request["authorization_id"], np.array([attempt], np.uint8))
    failed = Check.LEDGER_AWAY if held < 0 else Check.FUNDS
    decision["reasons"] |= bit(failed)
    decision["response_code"] = policy.CHECKS[failed].response_code
