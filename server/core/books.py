"""
The ledger stage of authorizations: the holds of a batch as one request, and what the ledger says of them.

The ledger has the last word. A call is never cancelled: whoever awaits it may go, the transfers go on.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger import holds
from ledger.book import Ledger, LedgerError, LedgerStopped
from ledger.chart import (
    HOUSE,
    AccountCode,
    TransferCode,
    account_id,
    cardholder_accounts,
    funding_transfers,
    opening,
)
from ledger.holds import HoldOutcome, ReleaseOutcome
from ledger.transfer import (
    ACCOUNT,
    BATCH_MAX,
    TRANSFER,
    Accounts,
    CreateAccountStatus,
    CreateTransferStatus,
    Ids,
    Results,
    TransferFlags,
    Transfers,
    ids_of,
)
from server.core.record import CREDITING, NO_ROW, blank, is_credit

_CARDHOLDER: Final = np.uint64(AccountCode.CARDHOLDER)
_SETTLEMENT: Final = np.uint64(AccountCode.SETTLEMENT)
_HOUSE: Final = np.uint64(HOUSE)
_HOLD_CODE: Final = int(TransferCode.HOLD)
_HOLD_BYTE: Final = np.uint64(holds.HOLD_BYTE)
_BACKSTOP_S: Final = holds.BACKSTOP_S
_PENDING: Final = int(TransferFlags.PENDING)
_PENDING_IN_PART: Final = int(TransferFlags.PENDING | TransferFlags.BALANCING_DEBIT)
_HELD: Final = int(HoldOutcome.HELD)
_ALREADY_HELD: Final = int(HoldOutcome.ALREADY_HELD)
_BURNT: Final = int(HoldOutcome.BURNT)
_SPREAD: Final = np.uint64(
    0x9E37_79B9_7F4A_7C15
)  # 2**64 by the golden ratio: spreads neighbours (Knuth, TAOCP 6.4)

AWAY: Final = 255
"""The outcome of a transfer whose ledger could not be asked."""

LATE_S: Final = 0.25
"""A call that takes longer than this keeps nobody waiting but those who have asked for it."""

AGAIN_S: Final = 0.25
"""Until the ledger is asked again."""


class LedgerLate(LedgerError):  # noqa: N818 - it is a state, and reads as one where it is told
    """The ledger has not answered in time; its answer is still awaited."""


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

    def take(self, intents: NDArray[Any], wanted: NDArray[np.bool_], results: Results) -> tuple[bool, bool]:
        """The ledger's results for those of INTENT[n] that were `wanted`; see `take_results`."""
        assert len(results) == np.count_nonzero(wanted), "the ledger answers every transfer"
        return take_results(
            intents, wanted, results, holds.HOLD_OUTCOMES, self.outcome, self.status, self.held_minor
        )

    def part(self, places: NDArray[np.int64]) -> "Moved":
        """What became of those at these places."""
        part = Moved(0)
        part.is_unknown = self.is_unknown
        for name in ("outcome", "status", "attempt", "held_minor", "available_minor"):
            setattr(part, name, getattr(self, name)[places])
        return part


class Books:
    """The core's one lane to the ledger. A call that takes longer than `late_s` is passed by others."""

    def __init__(self, ledger: Ledger, *, late_s: float = LATE_S) -> None:
        self.ledger = ledger
        self.away: LedgerError | None = None
        """Why the ledger could not be asked, the last time it was."""
        self.late_s = late_s
        self.overdue = 0
        """Calls that are late and have not answered yet."""
        self.zombies_voided = 0
        """Holds that were there when their requests had been answered without them, and were let go."""
        self.unknown_resolved = 0
        """Holds of which it was not known whether they were there, and is now: they are not, and never will be."""
        self.unknown = 0
        """Those of which it is not known yet."""
        self.unresolved = 0
        """Batches that were answered without the ledger, and of which it may still hold something."""
        self._currencies_open: set[int] = set()
        self._is_asking = False

    @property
    def is_there(self) -> bool:
        """Whether the ledger can be asked, and holds nothing that nobody was promised: what stood in may be booked."""
        return self.away is None and not self.unresolved

    async def open_accounts(self, openings: NDArray[Any]) -> None:
        """
        Open accounts that the ledger does not know and book their opening deposits, once for each.

        `openings` has `account_number`, `currency` (ISO number) and `opening_minor`. Idempotent: the ids are the
        accounts' own. Asks until the ledger has answered. Raises LedgerStopped where it never will.
        """
        await _until_answered(lambda: self._open_accounts(openings))

    async def _open_accounts(self, openings: NDArray[Any]) -> None:
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

        While a call is late (see `late`) the ledger is not asked at all.
        """
        moved = Moved(len(authorizations))
        if self.overdue:
            return moved
        try:
            await self._hold(moved, authorizations, wanted, wanted_count)
            self._note(None)
        except LedgerError as error:
            self._note(error)
            moved.outcome[:] = AWAY
            moved.is_unknown = not isinstance(error, LedgerStopped)
        return moved

    def late(self) -> None:
        """A call is late: until `back` says that it has answered, no other is made."""
        self.overdue += 1
        self.away = self.away or LedgerLate(f"the ledger has not answered within {self.late_s:g} s")

    def back(self) -> None:
        """A late call has answered, or has failed."""
        self.overdue -= 1

    def give_up(self) -> None:
        """Some of a batch are answered without the ledger; `let_go` follows when its call has answered, or has failed."""
        self.unresolved += 1

    async def let_go(self, authorizations: NDArray[Any], attempts: NDArray[np.uint8]) -> None:
        """
        INTENT[n] were given up, and the ledger holds for them, by these attempts, what nobody was promised.

        Raises LedgerStopped, as `fence`.
        """
        try:
            if len(authorizations):
                await self.release(authorizations["request"]["authorization_id"], attempts)
                self.zombies_voided += len(authorizations)
        except LedgerError:
            await self.fence(authorizations)
        finally:
            self.unresolved -= 1

    def _note(self, error: LedgerError | None) -> None:
        """How a call ended. Whatever else is still answered, a ledger that has stopped is away for good."""
        if not isinstance(self.away, LedgerStopped):
            self.away = error

    async def _hold(
        self, moved: Moved, authorizations: NDArray[Any], wanted: NDArray[np.bool_], wanted_count: int
    ) -> None:
        accounts = np.empty((len(authorizations), 2), np.uint64)
        place = np.empty(len(authorizations), np.int64)
        accounts = accounts[: accounts_of(authorizations, accounts, place)]
        calls: list[Any] = []
        if wanted_count:
            calls.append(self.ledger.create_transfers(hold_transfers(authorizations, wanted=wanted)))
        if len(accounts):
            calls.append(self.ledger.lookup_accounts(accounts))
        answers = await asyncio.gather(*calls)
        if wanted_count:
            is_seen, is_partial = moved.take(authorizations, wanted, answers[0])
            if is_seen:
                await self._hold_again(authorizations, moved)
            if is_seen or is_partial:
                await self._read_back(authorizations, moved)
        if len(accounts):
            found = _beside(accounts, answers[-1])
            note_available(authorizations, place, found, moved.held_minor, moved.available_minor)

    async def _hold_again(self, authorizations: NDArray[Any], moved: Moved) -> None:
        """
        A new key whose hold the ledger has already seen: a crash took the intent, and recovery voided the hold.

        The next attempt has an id of its own.
        """
        for attempt in range(1, holds.ATTEMPT_MAX + 1):
            seen = (moved.outcome == HoldOutcome.ALREADY_HELD) | (moved.outcome == HoldOutcome.BURNT)
            if not seen.any():
                return
            holding = hold_transfers(authorizations, attempt, wanted=seen)
            moved.take(authorizations, seen, await self.ledger.create_transfers(holding))
            moved.attempt[seen] = attempt

    async def _read_back(self, authorizations: NDArray[Any], moved: Moved) -> None:
        """A balancing hold may have taken less than it asked for, or nothing at all: only the transfer says so."""
        requests = authorizations["request"]
        credit = CREDITING >> requests["transaction_type"].astype(np.int64) & 1 == 1
        allowed = (requests["partial_approval_allowed"] != 0) & ~credit
        partial = (moved.outcome == HoldOutcome.HELD) & allowed
        if not partial.any():
            return
        identifiers = requests["authorization_id"]
        ids = holds.leg_id(identifiers[partial], holds.Leg.HOLD, moved.attempt[partial])
        amounts = holds.held_minor(ids, await self.ledger.lookup_transfers(ids))
        moved.held_minor[partial] = amounts
        empty = np.flatnonzero(partial)[amounts == 0]
        if len(empty):
            moved.outcome[empty] = HoldOutcome.INSUFFICIENT
            await self.ledger.create_transfers(holds.release(identifiers[empty], moved.attempt[empty]))

    async def find_holds(self, intents: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
        """
        What authorizations INTENT[n] hold of which no answer came: i8[n] (-1: nothing, now and for ever), and their attempts.

        Every attempt is fenced first, so that nothing that is still under way can arrive after this.
        """
        held = np.full(len(intents), -1, np.int64)
        attempts = np.zeros(len(intents), np.uint8)
        todo = np.arange(len(intents))
        for attempt in range(holds.ATTEMPT_MAX + 1):
            # A fence's id is burnt where it comes first: then this attempt was never made, nor any later one.
            statuses = await self._fence(intents[todo], attempt)
            todo = todo[statuses != CreateTransferStatus.DEBIT_ACCOUNT_NOT_FOUND]
            if not len(todo):
                break
            identifiers = intents["request"]["authorization_id"][todo]
            amounts = await self._amounts(holds.leg_id(identifiers, holds.Leg.HOLD, attempt))
            voided = await self._amounts(holds.leg_id(identifiers, holds.Leg.RELEASE, attempt))
            stands = (amounts >= 0) & (voided < 0)
            held[todo[stands]], attempts[todo[stands]] = amounts[stands], attempt
            todo = todo[~stands]
        return held, attempts

    async def _fence(self, intents: NDArray[Any], attempt: int) -> NDArray[np.uint32]:
        statuses = [np.zeros(0, np.uint32)]
        for first in range(0, len(intents), BATCH_MAX):
            fences = holds.fence(hold_transfers(intents[first : first + BATCH_MAX], attempt))
            statuses.append((await self.ledger.create_transfers(fences))["status"])
        return np.concatenate(statuses)

    async def _amounts(self, ids: Ids) -> NDArray[np.int64]:
        """The amounts of transfers; -1 where there is none."""
        amounts = [np.zeros(0, np.int64)]
        for first in range(0, len(ids), BATCH_MAX):
            part = ids[first : first + BATCH_MAX]
            amounts.append(holds.held_minor(part, await self.ledger.lookup_transfers(part)))
        return np.concatenate(amounts)

    def fence(self, intents: NDArray[Any]) -> Coroutine[Any, Any, None]:
        """
        Make sure that INTENT[n], answered without the ledger, hold nothing, now and for ever; until it can be asked.

        Raises LedgerStopped: then it is left to the next start.
        """
        self.unresolved += 1
        self.unknown += len(intents)
        return self._find_out(intents)

    async def _find_out(self, intents: NDArray[Any]) -> None:
        try:
            await _until_answered(lambda: self.void_found(intents))
            self.unknown_resolved += len(intents)
            if not self.overdue:
                self._note(None)
        finally:
            self.unresolved -= 1
            self.unknown -= len(intents)

    async def ask_again(self, intents: NDArray[Any]) -> None:
        """A call for INTENT[n] failed that would have held nothing: ask until the ledger is there again, as `fence`."""
        if not self._is_asking:
            self._is_asking = True
            try:
                await _until_answered(lambda: self.balances(intents))
                if not self.overdue:
                    self._note(None)
            finally:
                self._is_asking = False

    async def void_found(self, intents: NDArray[Any]) -> int:
        """Fence authorizations INTENT[n] and void what they hold; return how many holds had stood."""
        held, attempts = await self.find_holds(intents)
        stands = held >= 0
        if stands.any():
            await self.release(intents["request"]["authorization_id"][stands], attempts[stands])
            self.zombies_voided += int(stands.sum())
        return int(stands.sum())

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
            found = _beside(part, await self.ledger.lookup_accounts(part))
            gone = found["debits_posted_lo"] + found["debits_pending_lo"]
            left.append((found["credits_posted_lo"] - gone).astype(np.int64))
        return np.append(np.concatenate(left), 0)[place]


def hold_transfers(
    intents: NDArray[Any], attempt: int = 0, *, wanted: NDArray[np.bool_] | None = None
) -> Transfers:
    """The pending transfers of INTENT[n], or of the `wanted` ones: from the cardholder, or to them where money comes in."""
    assert 0 <= attempt <= holds.ATTEMPT_MAX
    transfers = blank(len(intents), TRANSFER)
    count = fill_holds(
        intents, ~np.zeros(len(intents), np.bool_) if wanted is None else wanted, attempt, transfers
    )
    assert count >= 0, "an id with a low byte of its own, or an amount below zero"
    return transfers[:count]


@njit(cache=True)
def fill_holds(intents: Any, wanted: Any, attempt: int, transfers: Any) -> int:
    """
    `holds.place` of those of INTENT[n] that are `wanted` (bool[n]) into TRANSFER[n], which is zeroed; how many they are.

    -1 where an id's low byte is taken, or an amount is below zero.
    """
    count = 0
    for i in range(len(intents)):
        if not wanted[i]:
            continue
        intent, transfer = intents[i], transfers[count]
        low, high = intent.request.authorization_id[0], intent.request.authorization_id[1]
        if low & np.uint64(0xFF) or intent.billed_minor < 0:
            return -1
        currency = np.uint64(intent.billing_currency)
        holder = _CARDHOLDER << np.uint64(32) | currency
        house = _SETTLEMENT << np.uint64(32) | currency
        transfer.id_lo = low | _HOLD_BYTE | np.uint64(attempt)
        transfer.id_hi = high
        transfer.user_data_128_lo = low
        transfer.user_data_128_hi = high
        transfer.amount_lo = intent.billed_minor
        transfer.timeout = intent.hold_s + _BACKSTOP_S
        transfer.ledger = intent.billing_currency
        transfer.code = _HOLD_CODE
        if is_credit(intent.request.transaction_type):
            transfer.debit_account_id_lo, transfer.debit_account_id_hi = _HOUSE, house
            transfer.credit_account_id_lo, transfer.credit_account_id_hi = intent.account_number, holder
            transfer.flags = _PENDING
        else:
            transfer.debit_account_id_lo, transfer.debit_account_id_hi = intent.account_number, holder
            transfer.credit_account_id_lo, transfer.credit_account_id_hi = _HOUSE, house
            transfer.flags = _PENDING_IN_PART if intent.request.partial_approval_allowed else _PENDING
        count += 1
    return count


def holds_among(transfers: Transfers) -> Transfers:
    """The pending transfers of holds."""
    pending = transfers["flags"] & TransferFlags.PENDING != 0
    return transfers[(transfers["code"] == TransferCode.HOLD) & pending]


@njit(cache=True)
def take_results(
    intents: Any, wanted: Any, results: Any, outcomes: Any, outcome: Any, status: Any, held_minor: Any
) -> tuple[bool, bool]:
    """
    The ledger's RESULT[m] on those of INTENT[n] that are `wanted`, in order, into `outcome`, `status` and `held_minor`.

    `outcomes` are HoldOutcomes by status. Returns whether an id was seen before, and whether a hold may be of less.
    """
    at = 0
    is_seen = is_partial = False
    for i in range(len(intents)):
        if not wanted[i]:
            continue
        status[i] = results[at].status
        outcome[i] = outcomes[min(np.int64(results[at].status), len(outcomes) - 1)]
        at += 1
        is_seen |= outcome[i] == _ALREADY_HELD or outcome[i] == _BURNT
        held_minor[i] = 0
        if outcome[i] == _HELD:
            held_minor[i] = intents[i].billed_minor
            is_partial |= intents[i].request.partial_approval_allowed != 0 and not is_credit(
                intents[i].request.transaction_type
            )
    return is_seen, is_partial


@njit(cache=True)
def note_available(intents: Any, place: Any, accounts: Any, held_minor: Any, available_minor: Any) -> None:
    """
    What was available just after each hold of a batch, into `available_minor` (i8[n]).

    `place` (i8[n]) says which of ACCOUNT[k], as they are after the whole batch, each INTENT[n] is on; `held_minor` (i8[n])
    what it took.
    """
    left = np.empty(len(accounts), np.int64)
    for k in range(len(accounts)):
        account = accounts[k]
        left[k] = account.credits_posted_lo - account.debits_posted_lo - account.debits_pending_lo
    for i in range(len(intents) - 1, -1, -1):
        if place[i] < 0:
            continue
        available_minor[i] = left[place[i]]
        if not is_credit(intents[i].request.transaction_type):
            left[place[i]] += held_minor[i]


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


async def _until_answered(ask: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Ask the ledger until it has answered. Raises LedgerStopped where it never will."""
    while True:
        try:
            await ask()
            return
        except LedgerStopped:
            raise
        except LedgerError:
            await asyncio.sleep(AGAIN_S)


def _beside(ids: NDArray[np.uint64], accounts: Accounts) -> Accounts:
    """ACCOUNT[n] of ids u8[n, 2], of those that the ledger knows; one that it does not has nothing."""
    if len(accounts) == len(ids):
        return accounts
    beside = np.zeros(len(ids), ACCOUNT)
    known = {pair: place for place, pair in enumerate(zip(*ids_of(accounts).T.tolist(), strict=True))}
    for place, pair in enumerate(zip(*ids.T.tolist(), strict=True)):
        if pair in known:
            beside[place] = accounts[known[pair]]
    return beside


def _must_exist(statuses: NDArray[Any]) -> None:
    if not np.isin(statuses, (CreateAccountStatus.CREATED, CreateAccountStatus.EXISTS)).all():
        raise RuntimeError(f"the ledger refused to open an account: statuses {set(statuses.tolist())}")
