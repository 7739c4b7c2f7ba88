"""
Moves on holds, carried out: each as one linked chain in the ledger, again without what is stale, until it is done.

What a move asks for is on disk before it comes here, and its transfers' ids follow from it: a restart carries it out
again, and the ledger does nothing twice.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ledger import chains, holds
from ledger.book import Ledger
from ledger.chains import Kind, MoveOutcome
from ledger.chart import AccountCode, account_id, receivable_accounts
from ledger.holds import HoldOutcome
from ledger.transfer import BATCH_MAX, RESULT, TRANSFER, Ids, Results, Transfers
from server.core.record import CREDITING, Operation


class Chains:
    """The lane of moves. Raises what the ledger raises: what had been asked until then is asked again, and done once."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def carry(
        self, moves: NDArray[Any], parts: NDArray[Any]
    ) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """
        Carry out MOVE[n] on their PARTs.

        Returns the MoveOutcome of each and what its cardholder owes by it, i8[n]. `moves` gets the attempt that did
        it; parts that were no longer pending in the ledger are zero afterwards.
        """
        outcomes = np.full(len(moves), MoveOutcome.REFUSED, np.uint8)
        overdrawn = np.zeros(len(moves), np.int64)
        if not len(moves):
            return outcomes, overdrawn
        await self._prepare(moves)
        todo = np.arange(len(moves))
        for _ in range(chains.MOVE_ATTEMPTS):
            transfers, ends, part_of = chains.carry(moves[todo], parts)
            results = await self._create(transfers, ends)
            said = chains.carried(ends, results)
            outcomes[todo] = said
            stale = chains.stale_parts(part_of, results)
            moves["closed"][todo[said == MoveOutcome.CLOSED]] = 1
            parts["held_minor"][stale] = 0
            parts["owed_minor"][stale] = 0
            todo = todo[np.isin(said, (MoveOutcome.STALE, MoveOutcome.BURNT, MoveOutcome.CLOSED))]
            if not len(todo):
                break
            moves["attempt"][todo] += 1
        before = np.flatnonzero(outcomes == MoveOutcome.DONE_BEFORE)
        if len(before):
            again = moves[before]
            chains.recall(again, parts, await self._found(chains.traces(again)))
            moves[before] = again
        done = np.isin(outcomes, (MoveOutcome.DONE, MoveOutcome.DONE_BEFORE))
        overdrawn[done] = await self._overdrawn(moves[done], parts)
        return outcomes, overdrawn

    async def hold(self, intents: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """
        Hold for INTENT[n] that are increments, advices or bookings; what is not an increment in full, beyond the balance
        as owed.

        Returns what each has pending on the cardholder's account (-1: nothing; the balance does not cover an increment,
        or the account takes no advice), and the attempt.
        """
        requests = intents["request"]
        attempts = np.zeros(len(intents), np.uint8)
        if not len(intents):
            return np.zeros(0, np.int64), attempts
        # What an advice tells, and what stood in, was approved: it is held whatever the balance.
        advised = requests["operation"] != Operation.INCREMENT
        credit = (CREDITING >> requests["transaction_type"].astype(np.int64)) & 1 == 1
        credit |= (requests["operation"] == Operation.BOOK) & (requests["credit"] != 0)
        placed = holds.place(
            requests["original_id"],
            intents["account_number"],
            intents["billing_currency"],
            intents["billed_minor"],
            intents["hold_s"] + holds.BACKSTOP_S,
            advised & ~credit,
            message_ids=requests["authorization_id"],
        )
        placed[credit] = holds.place_credit(placed[credit])
        outcomes = holds.outcomes(await self.ledger.create_transfers(placed))
        there = np.isin(outcomes, (HoldOutcome.HELD, HoldOutcome.ALREADY_HELD))
        ids = holds.leg_id(requests["authorization_id"], holds.Leg.HOLD)
        held = holds.held_minor(ids, await self.ledger.lookup_transfers(ids))
        held[~there] = -1
        short = advised & ~credit & (held < intents["billed_minor"])
        if short.any():
            # A closed account holds nothing: all of it is owed.
            held[short] = np.maximum(held[short], 0)
            await self._open_receivables(intents["account_number"][short], intents["billing_currency"][short])
            owed_minor = intents["billed_minor"][short] - held[short]
            owed = chains.owed_hold(placed[short], owed_minor)
            said = holds.outcomes(await self.ledger.create_transfers(owed))
            refused = np.flatnonzero(short)[~np.isin(said, (HoldOutcome.HELD, HoldOutcome.ALREADY_HELD))]
            held[refused] = -1
        return held, attempts

    async def available(self, intents: NDArray[Any]) -> NDArray[np.int64]:
        """What each INTENT's account has available now; 0 where it is unknown."""
        ids = account_id(AccountCode.CARDHOLDER, intents["billing_currency"], intents["account_number"])
        found = await self.ledger.lookup_accounts(ids)
        known = {
            (int(a["id_lo"]), int(a["id_hi"])): int(a["credits_posted_lo"])
            - int(a["debits_posted_lo"])
            - int(a["debits_pending_lo"])
            for a in found
        }
        return np.array([known.get((low, high), 0) for low, high in ids.tolist()], np.int64)

    async def _prepare(self, moves: NDArray[Any]) -> None:
        """Who may come to owe has an account for it; of those who get money it is known who may owe."""
        owing = np.isin(moves["kind"], (Kind.CAPTURE, Kind.FORCE))
        await self._open_receivables(moves["account_number"][owing], moves["currency"][owing])
        coming = np.isin(moves["kind"], (Kind.CREDIT, Kind.CAPTURE))
        if coming.any():
            chosen = moves[coming]
            ids = account_id(AccountCode.RECEIVABLE, chosen["currency"], chosen["account_number"])
            found = await self.ledger.lookup_accounts(np.unique(ids, axis=0))
            owes = {(int(a["id_lo"]), int(a["id_hi"])) for a in found}
            moves["owes"][coming] = [tuple(pair) in owes for pair in ids.tolist()]

    async def _open_receivables(self, numbers: NDArray[Any], currencies: NDArray[Any]) -> None:
        for currency in np.unique(currencies).tolist():
            chosen = np.unique(numbers[currencies == currency])
            for first in range(0, len(chosen), BATCH_MAX):
                accounts = receivable_accounts(chosen[first : first + BATCH_MAX], currency)
                await self.ledger.create_accounts(accounts)

    async def _create(self, transfers: Transfers, ends: NDArray[np.int64]) -> Results:
        """All of the chains, in as many requests as they need: none is cut."""
        results: list[Results] = [np.zeros(0, RESULT)]
        first = 0
        while first < len(transfers):
            last = int(ends[np.searchsorted(ends, first + BATCH_MAX, side="right") - 1])
            results.append(await self.ledger.create_transfers(transfers[first:last]))
            first = last
        return np.concatenate(results)

    async def _overdrawn(self, moves: NDArray[Any], parts: NDArray[Any]) -> NDArray[np.int64]:
        return chains.overdrawn_minor(moves, parts, await self._found(chains.owed_ids(moves)))

    async def _found(self, ids: Ids) -> Transfers:
        """Those of the transfers that are there."""
        pages = [
            await self.ledger.lookup_transfers(ids[first : first + BATCH_MAX])
            for first in range(0, len(ids), BATCH_MAX)
        ]
        return np.concatenate([np.zeros(0, TRANSFER), *pages])
