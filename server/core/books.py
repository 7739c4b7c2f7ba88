"""
The ledger stage of authorizations: the holds of a batch as one request, and what the ledger says of them.

The ledger has the last word. A call is never cancelled: whoever awaits it may go, the transfers go on.
"""

import asyncio
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger import holds
from ledger.book import Ledger, LedgerError, LedgerStopped
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
    Results,
    TransferFlags,
    Transfers,
    ids_of,
)
from server.core.record import CREDITING, NO_ROW

_CARDHOLDER: Final = np.uint64(AccountCode.CARDHOLDER)
_SPREAD: Final = np.uint64(
    0x9E37_79B9_7F4A_7C15
)  # 2**64 by the golden ratio: spreads neighbours (Knuth, TAOCP 6.4)

AWAY: Final = 255
"""The outcome of a transfer whose ledger could not be asked."""

DEADLINE_S: Final = 1.5
"""An authorization's answer waits for the ledger no longer than this."""


AGAIN_S: Final = 0.25
"""Until the ledger is asked again."""


class LedgerLate(LedgerError):  # noqa: N818 - it is a state, and reads as one where it is told
    """The ledger has not answered in time; its answer is still awaited, by nobody who asked."""


class Moved:
    """What became of a batch's holds: per INTENT, in order, and what each account has left."""

    __slots__ = ("attempt", "available_minor", "held_minor", "is_unknown", "outcome", "status")

    def __init__(self, count: int) -> None:
        self.is_unknown = False
        """Whether the ledger was asked and its answer was lost: what it holds must be found out, see `fence`."""
        self.outcome = np.full(count, AWAY, np.uint8)
        self.status = np.zeros(count, np.uint32)
        self.attempt = np.zeros(count, np.uint8)
        self.held_minor = np.zeros(count, np.int64)
        self.available_minor = np.zeros(count, np.int64)


class Books:
    """The core's one lane to the ledger."""

    def __init__(self, ledger: Ledger, *, deadline_s: float = DEADLINE_S) -> None:
        self.ledger = ledger
        self.away: LedgerError | None = None
        """Why the ledger could not be asked, the last time it was."""
        self.deadline_s = deadline_s
        self.overdue = 0
        """Calls that have missed their deadline and have not answered yet."""
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
                found = await self.ledger.lookup_accounts(ids)
                # One that has never had a credit may have been opened by a start that died before its deposit.
                if (
                    len(found) == len(ids)
                    and ((found["credits_posted_lo"] > 0) | (part["opening_minor"] == 0)).all()
                ):
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

    async def hold(self, authorizations: NDArray[Any], wanted: NDArray[np.bool_], wanted_count: int) -> Moved:
        """
        Hold for each INTENT[n] that is `wanted`; what became of the n: AWAY where the ledger could not be asked.

        While a call is overdue (see `late`) the ledger is not asked at all.
        """
        moved = Moved(len(authorizations))
        if self.overdue:
            return moved
        try:
            await self._hold(moved, authorizations, wanted, wanted_count)
            self.away = None
        except LedgerError as error:
            self.away = error
            moved.outcome[:] = AWAY
            moved.is_unknown = not isinstance(error, LedgerStopped)
        return moved

    def late(self) -> None:
        """A call has missed its deadline: until `let_go` has its answer, no other is made."""
        self.overdue += 1
        self.away = self.away or LedgerLate(f"the ledger has not answered within {self.deadline_s} s")

    async def let_go(self, authorizations: NDArray[Any], moved: Moved) -> None:
        """The answers to INTENT[n] said that the ledger was away: what it held late, nobody was promised."""
        self.overdue -= 1
        held = moved.outcome == HoldOutcome.HELD
        if not held.any():
            return
        try:
            await self.release(authorizations["request"]["authorization_id"][held], moved.attempt[held])
        except LedgerError:
            await self.fence(authorizations[held])

    async def _hold(
        self, moved: Moved, authorizations: NDArray[Any], wanted: NDArray[np.bool_], wanted_count: int
    ) -> None:
        accounts = np.empty((len(authorizations), 2), np.uint64)
        place = np.empty(len(authorizations), np.int64)
        accounts = accounts[: accounts_of(authorizations, accounts, place)]
        calls: list[Any] = []
        if wanted_count:
            chosen = authorizations if wanted_count == len(authorizations) else authorizations[wanted]
            calls.append(self.ledger.create_transfers(hold_transfers(chosen)))
        if len(accounts):
            calls.append(self.ledger.lookup_accounts(accounts))
        answers = await asyncio.gather(*calls)
        if wanted_count:
            take_results(moved, wanted, answers[0])
            await self._hold_again(authorizations, moved)
            moved.held_minor = np.where(moved.outcome == HoldOutcome.HELD, authorizations["billed_minor"], 0)
            await self._read_back(authorizations, moved)
        if len(accounts):
            left = _available(accounts, answers[-1])
            taken = np.where(is_credit(authorizations), 0, moved.held_minor)
            moved.available_minor = holds.available_after(place, left, taken)

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

    async def _read_back(self, authorizations: NDArray[Any], moved: Moved) -> None:
        """A balancing hold may have taken less than it asked for, or nothing at all: only the transfer says so."""
        partial = (moved.outcome == HoldOutcome.HELD) & (
            (authorizations["request"]["partial_approval_allowed"] != 0) & ~is_credit(authorizations)
        )
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

    async def fence(self, intents: NDArray[Any]) -> None:
        """
        Make sure that INTENT[n], answered without the ledger, hold nothing, now and for ever; until it can be asked.

        A ledger that has stopped is left to the next start.
        """
        for i in range(len(intents)):
            while True:
                try:
                    held, attempt = await self.find_hold(intents[i : i + 1])
                    if held >= 0:
                        await self.release(
                            intents["request"]["authorization_id"][i : i + 1], np.array([attempt], np.uint8)
                        )
                    break
                except LedgerStopped:
                    return
                except LedgerError:
                    await asyncio.sleep(AGAIN_S)

    async def void(self, placed: Transfers) -> int:
        """Void holds that nobody was told of; return how many of them still stood."""
        attempts = (placed["id_lo"] & np.uint64(holds.ATTEMPT_MAX)).astype(np.uint8)
        outcomes = await self.release(ids_of(placed, "user_data_128"), attempts)
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
        accounts = np.empty((len(intents), 2), np.uint64)
        place = np.empty(len(intents), np.int64)
        accounts = accounts[: accounts_of(intents, accounts, place)]
        left = [np.zeros(0, np.int64)]
        for first in range(0, len(accounts), BATCH_MAX):
            part = accounts[first : first + BATCH_MAX]
            left.append(_available(part, await self.ledger.lookup_accounts(part)))
        return np.append(np.concatenate(left), 0)[place]


def hold_transfers(intents: NDArray[Any], attempt: int = 0) -> Transfers:
    """The pending transfers of INTENT[n]: from the cardholder, or to them where money comes in."""
    requests = intents["request"]
    placed = holds.place(
        requests["authorization_id"],
        intents["account_number"],
        intents["billing_currency"],
        intents["billed_minor"],
        intents["hold_s"] + holds.BACKSTOP_S,
        requests["partial_approval_allowed"] != 0,
        attempt,
    )
    coming = is_credit(intents)
    if coming.any():
        placed[coming] = holds.place_credit(placed[coming])
    return placed


def is_credit(intents: NDArray[Any]) -> NDArray[np.bool_]:
    """Which INTENTs are of money that comes in."""
    kinds = intents["request"]["transaction_type"].astype(np.uint16)
    return (np.uint16(CREDITING) >> kinds) & np.uint16(1) != 0


def holds_among(transfers: Transfers) -> Transfers:
    """The pending transfers of holds."""
    pending = transfers["flags"] & TransferFlags.PENDING != 0
    return transfers[(transfers["code"] == TransferCode.HOLD) & pending]


def take_results(moved: Moved, wanted: NDArray[np.bool_], results: Results) -> None:
    """The ledger's results for the `wanted` ones, in order."""
    outcomes = holds.outcomes(results)
    if len(outcomes) == len(wanted):
        moved.outcome[:], moved.status[:] = outcomes, results["status"]
    else:
        moved.outcome[wanted], moved.status[wanted] = outcomes, results["status"]


@njit(cache=True)
def accounts_of(intents: Any, accounts: Any, place: Any) -> int:
    """
    The distinct cardholder accounts of INTENT[n] into `accounts` (u8[n, 2]); `place` (i8[n]) says which each has.

    Returns how many there are. An unknown card has place -1.
    """
    size = 4
    while size < 2 * len(intents):
        size *= 2
    slots = np.full(size, -1, np.int64)
    count = 0
    for i in range(len(intents)):
        intent = intents[i]
        place[i] = -1
        if intent.card_row == NO_ROW:
            continue
        low = np.uint64(intent.account_number)
        high = _CARDHOLDER << np.uint64(32) | np.uint64(intent.billing_currency)
        slot = np.int64(low * _SPREAD >> np.uint64(32)) & (size - 1)
        while slots[slot] >= 0 and (accounts[slots[slot], 0] != low or accounts[slots[slot], 1] != high):
            slot = (slot + 1) & (size - 1)
        if slots[slot] < 0:
            slots[slot] = count
            accounts[count, 0] = low
            accounts[count, 1] = high
            count += 1
        place[i] = slots[slot]
    return count


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
