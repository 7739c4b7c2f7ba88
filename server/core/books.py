"""
The ledger stage: holds and releases of a batch as one request, and what the ledger says of them.

The ledger has the last word. A call is never cancelled: whoever awaits it may go, the transfers go on.
"""

import asyncio
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger import holds
from ledger.book import Ledger, LedgerError
from ledger.chart import (
    AccountCode,
    TransferCode,
    account_id,
    cardholder_accounts,
    funding_transfers,
    opening,
)
from ledger.holds import HoldOutcome, ReleaseOutcome
from ledger.transfer import (
    BATCH_MAX,
    Accounts,
    CreateAccountStatus,
    CreateTransferStatus,
    TransferFlags,
    Transfers,
    ids_of,
)

AWAY: Final = 255
"""The outcome of a transfer whose ledger could not be asked."""


class Moved:
    """What became of a batch's holds: per INTENT, in order, and what each account has left."""

    __slots__ = ("attempt", "available_minor", "held_minor", "outcome", "status")

    def __init__(self, count: int) -> None:
        self.outcome = np.full(count, AWAY, np.uint8)
        self.status = np.zeros(count, np.uint32)
        self.attempt = np.zeros(count, np.uint8)
        self.held_minor = np.zeros(count, np.int64)
        self.available_minor = np.zeros(count, np.int64)


class Books:
    """The core's one lane to the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.away: LedgerError | None = None
        """Why the ledger could not be asked, the last time it was."""
        self._currencies_open: set[int] = set()

    async def open_accounts(self, openings: NDArray[Any]) -> None:
        """
        Open accounts that the ledger does not know and book their opening deposits, once for each.

        `openings` has `account_number`, `currency` (ISO number) and `opening_minor`. Idempotent: the ids are the
        accounts' own.
        """
        for currency in np.unique(openings["currency"]).tolist():
            if currency not in self._currencies_open:
                _must_exist((await self.ledger.create_accounts(opening(currency)))["status"])
                self._currencies_open.add(currency)
            chosen = openings[openings["currency"] == currency]
            for first in range(0, len(chosen), BATCH_MAX):
                part = chosen[first : first + BATCH_MAX]
                ids = account_id(AccountCode.CARDHOLDER, currency, part["account_number"])
                if len(await self.ledger.lookup_accounts(ids)) == len(ids):
                    continue
                accounts = cardholder_accounts(part["account_number"], currency)
                _must_exist((await self.ledger.create_accounts(accounts))["status"])
                funded = part["opening_minor"] > 0
                deposits = funding_transfers(
                    ids[funded], part["account_number"][funded], currency, part["opening_minor"][funded]
                )
                results = await self.ledger.create_transfers(deposits)
                good = (CreateTransferStatus.CREATED, CreateTransferStatus.EXISTS)
                if not np.isin(results["status"], good).all():
                    raise RuntimeError("the ledger refused an opening deposit")

    async def move(
        self,
        authorizations: NDArray[Any],
        wanted: NDArray[np.bool_],
        releases: NDArray[np.uint64],
        release_attempts: NDArray[np.uint8],
    ) -> tuple[Moved, NDArray[np.uint8]]:
        """
        Hold for each INTENT[n] that is `wanted`, then void the holds of the authorizations `releases` (u8[m, 2]).

        Returns what became of the n, and the ReleaseOutcome (or AWAY) of each of the m.
        """
        moved = Moved(len(authorizations))
        released = np.full(len(releases), AWAY, np.uint8)
        chosen = authorizations[wanted]
        transfers = np.concatenate([hold_transfers(chosen), holds.release(releases, release_attempts)])
        known = authorizations["billing_currency"] != 0
        accounts, place = _accounts_of(authorizations[known])
        calls: list[Any] = [self.ledger.lookup_accounts(accounts)] if len(accounts) else []
        if len(transfers):
            calls.insert(0, self.ledger.create_transfers(transfers))
        try:
            answers = await asyncio.gather(*calls)
            if len(transfers):
                results = answers[0]
                moved.outcome[wanted] = holds.outcomes(results[: len(chosen)])
                moved.status[wanted] = results["status"][: len(chosen)]
                released[:] = holds.release_outcomes(results[len(chosen) :])
                await self._hold_again(authorizations, moved)
                held = moved.outcome == HoldOutcome.HELD
                moved.held_minor[held] = authorizations["billed_minor"][held]
                await self._read_back(authorizations, held, moved)
            self.away = None
        except LedgerError as error:
            self.away = error
            return moved, released
        if len(accounts):
            left = _available(accounts, answers[-1])
            moved.available_minor[known] = holds.available_after(place, left, moved.held_minor[known])
        return moved, released

    async def _hold_again(self, authorizations: NDArray[Any], moved: Moved) -> None:
        """
        A new key whose hold the ledger has already seen: a crash took the intent, and recovery voided the hold.

        The next attempt has an id of its own.
        """
        for attempt in range(1, holds.ATTEMPT_MAX + 1):
            seen = (moved.outcome == HoldOutcome.ALREADY_HELD) | (moved.outcome == HoldOutcome.BURNT)
            if not seen.any():
                return
            results = await self.ledger.create_transfers(hold_transfers(authorizations[seen], attempt))
            moved.outcome[seen] = holds.outcomes(results)
            moved.status[seen] = results["status"]
            moved.attempt[seen] = attempt

    async def _read_back(self, authorizations: NDArray[Any], held: NDArray[np.bool_], moved: Moved) -> None:
        """A balancing hold may have taken less than it asked for, or nothing at all: only the transfer says so."""
        partial = held & (authorizations["request"]["partial_approval_allowed"] != 0)
        if not partial.any():
            return
        identifiers = authorizations["request"]["authorization_id"]
        ids = holds.leg_id(identifiers[partial], holds.Leg.HOLD, moved.attempt[partial])
        amounts = holds.held_minor(ids, await self.ledger.lookup_transfers(ids))
        moved.held_minor[partial] = amounts
        empty = np.flatnonzero(partial)[amounts == 0]
        if len(empty):
            moved.outcome[empty] = HoldOutcome.INSUFFICIENT
            await self.ledger.create_transfers(holds.release(identifiers[empty], moved.attempt[empty]))

    async def find_hold(self, intent: NDArray[Any]) -> tuple[int, int]:
        """
        After a crash: what an INTENT[1] without a decision holds (-1: nothing, now and for ever), and its attempt.

        Every attempt is fenced first, so that nothing that is still under way can arrive after this.
        """
        identifier = intent["request"]["authorization_id"]
        for attempt in range(holds.ATTEMPT_MAX + 1):
            fenced = await self.ledger.create_transfers(holds.fence(hold_transfers(intent, attempt)))
            if fenced["status"][0] == CreateTransferStatus.DEBIT_ACCOUNT_NOT_FOUND:
                break
            ids = np.concatenate(
                [
                    holds.leg_id(identifier, holds.Leg.HOLD, attempt),
                    holds.leg_id(identifier, holds.Leg.RELEASE, attempt),
                ]
            )
            held, voided = holds.held_minor(ids, await self.ledger.lookup_transfers(ids)).tolist()
            if held >= 0 and voided < 0:
                return held, attempt
        return -1, 0

    async def void_orphans(self, transfers: Transfers, known: set[tuple[int, int]]) -> int:
        """Void those holds among `transfers` whose authorization no journal knows: nobody was told of them."""
        pending = transfers["flags"] & TransferFlags.PENDING != 0
        chosen = transfers[(transfers["code"] == TransferCode.HOLD) & pending]
        identifiers = ids_of(chosen, "user_data_128")
        orphan = np.array([pair not in known for pair in map(tuple, identifiers.tolist())], np.bool_)
        attempts = (chosen["id_lo"] & np.uint64(holds.ATTEMPT_MAX)).astype(np.uint8)
        outcomes = await self.release(identifiers[orphan], attempts[orphan])
        return int((outcomes == ReleaseOutcome.RELEASED).sum())

    async def release(
        self, authorization_ids: NDArray[np.uint64], attempts: NDArray[np.uint8]
    ) -> NDArray[np.uint8]:
        """Void the holds of authorizations u8[m, 2] that are known to be held; their ReleaseOutcomes."""
        outcomes = [np.zeros(0, np.uint8)]
        for first in range(0, len(authorization_ids), BATCH_MAX):
            part = slice(first, first + BATCH_MAX)
            voids = holds.release(authorization_ids[part], attempts[part])
            outcomes.append(holds.release_outcomes(await self.ledger.create_transfers(voids)))
        return np.concatenate(outcomes)

    async def balances(self, intents: NDArray[Any]) -> NDArray[np.int64]:
        """What each INTENT's account has available now; 0 where its account is unknown."""
        available = np.zeros(len(intents), np.int64)
        known = intents["billing_currency"] != 0
        accounts, place = _accounts_of(intents[known])
        for first in range(0, len(accounts), BATCH_MAX):
            part = accounts[first : first + BATCH_MAX]
            left = _available(part, await self.ledger.lookup_accounts(part))
            inside = (place >= first) & (place < first + len(part))
            available[np.flatnonzero(known)[inside]] = left[place[inside] - first]
        return available


def hold_transfers(intents: NDArray[Any], attempt: int = 0) -> Transfers:
    """The pending transfers of INTENT[n]."""
    requests = intents["request"]
    return holds.place(
        requests["authorization_id"],
        intents["account_number"],
        intents["billing_currency"],
        intents["billed_minor"],
        intents["hold_s"] + holds.BACKSTOP_S,
        requests["partial_approval_allowed"] != 0,
        attempt,
    )


def _accounts_of(intents: NDArray[Any]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Ids (u8[k, 2]) of the distinct accounts of INTENT[n], and which of them each has (i8[n])."""
    both = intents["billing_currency"].astype(np.uint64) << np.uint64(32) | intents["account_number"]
    distinct, place = np.unique(both, return_inverse=True)
    numbers = distinct & np.uint64(0xFFFF_FFFF)
    return account_id(AccountCode.CARDHOLDER, distinct >> np.uint64(32), numbers), place


def _available(ids: NDArray[np.uint64], accounts: Accounts) -> NDArray[np.int64]:
    """What the accounts with these ids have available; 0 for one that the ledger does not know."""
    left = (
        accounts["credits_posted_lo"] - accounts["debits_posted_lo"] - accounts["debits_pending_lo"]
    ).astype(np.int64)
    if len(accounts) == len(ids):
        return left
    known = {(int(a["id_lo"]), int(a["id_hi"])): int(minor) for a, minor in zip(accounts, left, strict=True)}
    return np.array([known.get((int(low), int(high)), 0) for low, high in ids], np.int64)


def _must_exist(statuses: NDArray[Any]) -> None:
    if not np.isin(statuses, (CreateAccountStatus.CREATED, CreateAccountStatus.EXISTS)).all():
        raise RuntimeError(f"the ledger refused to open an account: statuses {set(statuses.tolist())}")
