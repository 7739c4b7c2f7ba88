"""
The life of a hold after its authorization: increments, reversals, advices, clearings, the core's own expiries and bookings.

And what becomes known of an authorization: a label moves nothing, and is learnt where it stands among the arrivals.

The stages are those of the spine, but for one: the intent is on disk before the ledger is asked, because a move can't
be fenced. What a crash leaves undecided is planned and carried out again, from the same facts, under the same ids.
"""

import asyncio
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from ledger.book import LedgerError, LedgerStopped
from ledger.chains import MOVE
from ledger.holds import BACKSTOP_S
from server.core.attempts import attempts_of
from server.core.books import AGAIN_S
from server.core.chains import Chains
from server.core.controls import Controls
from server.core.directory import Directory
from server.core.entries import ENTRY_NUMBERS, EntryState
from server.core.labels import learn
from server.core.limit_sets import NO_LIMITS
from server.core.moves import HOLDS, decide, find_facts, judge, plan, refuse_again
from server.core.policy import CODES
from server.core.record import (
    DECISION,
    DECISION_NUMBERS,
    INTENT_NUMBERS,
    NO_ROW,
    Operation,
    blank,
    rows_at,
    seen_as,
)
from server.core.repeats import Original
from server.core.state import State

_log = structlog.get_logger("lifecycle")


class Lifecycle:
    """The stages of messages about authorizations."""

    def __init__(self, directory: Directory, controls: Controls, state: State, chains: Chains) -> None:
        self._directory = directory
        self._controls = controls
        self._state = state
        self._chains = chains

    def prepare(self, intents: NDArray[Any], finds: NDArray[np.uint8], rows: NDArray[np.uint32]) -> None:
        """
        Find the facts, note what is wrong, reserve what is consumed, in INTENT[n]; answer what needs no ledger.

        `finds` (u1[n], Original) is what each found of its authorization, `rows` (u4[n]) the card it names itself.
        """
        found = self._state.repeats.find(intents["request"]["original_id"])
        known = found["answer"]["sequence"] != 0
        rows = np.where(known, found["card_row"], rows).astype(np.uint32)
        advised = intents["request"]["operation"] == Operation.ADVISE
        for which, check in ((advised, self._controls.check), (~advised, self._controls.check_standing)):
            if which.all():
                check(intents, rows)
            elif which.any():
                some = rows_at(intents, which)
                check(some, rows[which])
                intents[which] = some
        parts, ends = self._state.repeats.parts(intents["request"]["original_id"])
        numbers = seen_as(intents, INTENT_NUMBERS)
        find_facts(numbers, found)
        judge(numbers, finds, found, parts, ends, CODES)
        open_ = intents["response_code"] == b""
        # The network has approved: it counts, and no limit stands against it.
        intents["limit_set"][advised] = NO_LIMITS
        # An advice on what we hold tells that the network declined: it lets go, and consumes nothing.
        approved = advised & (finds != Original.HELD)
        self._reserve(intents, open_ & (approved | (intents["request"]["operation"] == Operation.INCREMENT)))
        refuse_again(numbers, CODES)
        learn(self._state.risk.features, intents)

    async def carry_out(self, intents: NDArray[Any], finds: NDArray[np.uint8]) -> NDArray[Any]:
        """
        Ask the ledger for what INTENT[n] need, until it has done it, and answer: DECISION[n], without their stamp.

        Raises LedgerStopped where it will never answer again.
        """
        while True:
            try:
                return await self._carry_out(intents, finds)
            except LedgerStopped:
                raise
            except LedgerError as error:
                _log.warning("the ledger is asked again", messages=len(intents), reason=str(error))
                await asyncio.sleep(AGAIN_S)

    async def _carry_out(self, intents: NDArray[Any], finds: NDArray[np.uint8]) -> NDArray[Any]:
        requests = intents["request"]
        found = self._state.repeats.find(requests["original_id"])
        parts, ends = self._state.repeats.parts(requests["original_id"])
        numbers = seen_as(intents, INTENT_NUMBERS)
        wants = np.empty(len(intents), np.uint8)
        moves = np.zeros(len(intents), MOVE)
        moves = moves[: plan(numbers, finds, found, parts, ends, BACKSTOP_S, wants, moves)]
        held = np.zeros(len(intents), np.int64)
        attempts = np.zeros(len(intents), np.uint8)
        holding = wants == HOLDS
        held[holding], attempts[holding] = await self._chains.hold(rows_at(intents, holding))
        outcomes, overdrawn = await self._chains.carry(moves, parts)
        available = np.zeros(len(intents), np.int64)
        increments = (requests["operation"] == Operation.INCREMENT) & (intents["card_row"] != NO_ROW)
        if increments.any():
            available[increments] = await self._chains.available(intents[increments])
        decisions = blank(len(intents), DECISION)
        decide(
            numbers,
            seen_as(decisions, DECISION_NUMBERS),
            finds,
            seen_as(found, ENTRY_NUMBERS),
            parts,
            ends,
            wants,
            moves,
            outcomes,
            overdrawn,
            held,
            attempts,
            available,
            CODES,
        )
        return decisions

    def finds_of(self, intents: NDArray[Any]) -> NDArray[np.uint8]:
        """
        What undecided INTENT[n], all of them in order, found when they came: their authorizations are as they left them.

        Whoever takes one to itself is the last to be admitted: of several, the others had found nothing to take.
        """
        requests = intents["request"]
        # A label takes nothing of its authorization.
        labels = requests["operation"] == Operation.LABEL
        originals = np.where(labels[:, None], np.uint64(0), requests["original_id"])
        found = self._state.repeats.find(originals)
        busy = found["state"] == EntryState.BUSY
        finds = np.where(busy, Original.HELD, Original.NOTHING_HELD).astype(np.uint8)
        finds[np.isin(found["state"], (EntryState.FREE, EntryState.AHEAD))] = Original.UNKNOWN
        finds[(originals == 0).all(axis=1)] = Original.NONE
        unheld = busy & (found["newest"] == 0).all(axis=1)
        finds[unheld] = Original.DECLINED
        known = found["answer"]["sequence"] != 0
        finds[unheld & ~known] = Original.UNKNOWN
        finds[unheld & (found["part_minor"] > 0)] = Original.STOOD_IN
        _, last = np.unique(originals[::-1], axis=0, return_index=True)
        earlier = busy & known
        earlier[len(intents) - 1 - last] = False
        finds[earlier] = Original.NOTHING_HELD
        return finds

    def _reserve(self, intents: NDArray[Any], which: NDArray[np.bool_]) -> None:
        which &= intents["card_row"] != NO_ROW
        if which.any():
            some = intents[which]
            attempts = attempts_of(some, self._directory.cards, self._controls.programmes)
            self._state.limits.add(some, attempts, self._controls.limits)
            intents[which] = some
