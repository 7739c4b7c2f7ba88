"""
What happened on an account, page by page, and what was on it at a moment, from the ledger alone.

A line is a transfer that has moved money (`booked_minor`), or one that was pending, with what has become of it since; a
void has no line of its own. Opening balance and booked lines add up to the closing balance. What was lent as a credit
limit is no money of the holder's: it is not on the statement.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ledger.book import Ledger
from ledger.chart import AccountCode, TransferCode, account_id
from ledger.transfer import ACCOUNT_FILTER, BATCH_MAX, AccountFilterFlags, TransferFlags, Transfers

TIME_MAX_NS: Final = (1 << 63) - 2
_BOTH: Final = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
_RESOLVING: Final = TransferFlags.POST_PENDING_TRANSFER | TransferFlags.VOID_PENDING_TRANSFER
_HIDDEN: Final = (TransferCode.CREDIT_LIMIT, TransferCode.CLOSING)
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One line: minor units of the account's currency, what comes in positive."""

    transfer_id: int  # the ledger's, u128
    origin_id: int  # the authorization's or transfer's that it belongs to; 0 for neither
    timestamp_ns: int
    code: int  # TransferCode
    amount_minor: int
    booked_minor: int
    balance_minor: int  # after it
    state: str  # posted, pending, voided, expired; of what was pending: what has become of it
    other_side: tuple[int, int]  # account id (lo, hi)


@dataclass(frozen=True, slots=True)
class Page:
    """Some lines, and the booked balance before the first and after the last."""

    lines: list[Line]
    opening_minor: int
    closing_minor: int
    next_ns: int | None  # where the next page begins; None after the last


class Statements:
    """Reads accounts out of a ledger."""

    def __init__(self, ledger: Ledger, now_ns: Callable[[], int]) -> None:
        self._ledger = ledger
        self._now_ns = now_ns

    async def balance_at(self, number: int, currency: int, at_ns: int) -> int:
        """What was booked on an account just after this moment, without what was lent; minor units."""
        total = 0
        async for transfers in self._entries(number, currency, 1, at_ns):
            total += int(_booked(transfers, number, currency).sum())
        return total

    async def page(
        self,
        number: int,
        currency: int,
        *,
        since_ns: int,
        until_ns: int,
        lines_max: int,
        opening_minor: int | None = None,
    ) -> Page:
        """The lines from one moment up to another, at most `lines_max`; the balance before is given, or found."""
        if opening_minor is None:
            opening_minor = await self.balance_at(number, currency, since_ns - 1) if since_ns > 1 else 0
        balance = opening_minor
        lines: list[Line] = []
        next_ns: int | None = None
        pending: list[tuple[int, np.void]] = []
        async for transfers in self._entries(number, currency, since_ns, until_ns):
            booked = _booked(transfers, number, currency)
            for transfer, moved in zip(transfers, booked.tolist(), strict=True):
                if _is_hidden(transfer):
                    continue
                if len(lines) == lines_max:
                    next_ns = int(transfer["timestamp"])
                    break
                balance += moved
                if transfer["flags"] & TransferFlags.PENDING:
                    pending.append((len(lines), transfer))
                lines.append(_line(transfer, moved, balance, number, currency))
            if next_ns is not None:
                break
        await self._follow_up(lines, pending, number, currency)
        return Page(lines, opening_minor, balance, next_ns)

    async def _follow_up(
        self, lines: list[Line], pending: list[tuple[int, np.void]], number: int, currency: int
    ) -> None:
        """Say of what was pending what has become of it."""
        if not pending:
            return
        first_ns = int(pending[0][1]["timestamp"])
        waiting = {_u128(transfer, "id"): (place, transfer) for place, transfer in pending}
        became: dict[int, str] = {}
        async for transfers in self._entries(number, currency, first_ns, TIME_MAX_NS):
            for transfer in transfers[transfers["flags"] & _RESOLVING != 0]:
                identifier = _u128(transfer, "pending_id")
                if identifier in waiting:
                    is_post = transfer["flags"] & TransferFlags.POST_PENDING_TRANSFER
                    became[identifier] = "posted" if is_post else "voided"
            if len(became) == len(waiting):
                break
        now_ns = self._now_ns()
        for identifier, (place, transfer) in waiting.items():
            timeout_ns = int(transfer["timeout"]) * _NS
            is_over = timeout_ns > 0 and int(transfer["timestamp"]) + timeout_ns <= now_ns
            state = became.get(identifier, "expired" if is_over else "pending")
            line = lines[place]
            lines[place] = Line(
                line.transfer_id,
                line.origin_id,
                line.timestamp_ns,
                line.code,
                line.amount_minor,
                line.booked_minor,
                line.balance_minor,
                state,
                line.other_side,
            )

    async def _entries(
        self, number: int, currency: int, since_ns: int, until_ns: int
    ) -> AsyncIterator[Transfers]:
        """The transfers of a cardholder's account between two moments, both included, oldest first."""
        wanted = np.zeros(1, ACCOUNT_FILTER)
        low, high = account_id(AccountCode.CARDHOLDER, currency, number)[0].tolist()
        wanted["account_id_lo"], wanted["account_id_hi"] = low, high
        wanted["timestamp_max"] = min(until_ns, TIME_MAX_NS)
        wanted["limit"] = BATCH_MAX
        wanted["flags"] = _BOTH
        after_ns = max(since_ns, 1)
        while after_ns <= min(until_ns, TIME_MAX_NS):
            wanted["timestamp_min"] = after_ns
            found = await self._ledger.account_transfers(wanted)
            if not len(found):
                return
            yield found
            after_ns = int(found["timestamp"][-1]) + 1


def _booked(transfers: Transfers, number: int, currency: int) -> NDArray[np.int64]:
    """What each transfer has moved on a cardholder's account, i8[n]."""
    moves = (transfers["flags"] & (TransferFlags.PENDING | TransferFlags.VOID_PENDING_TRANSFER)) == 0
    moves &= ~np.isin(transfers["code"], _HIDDEN)
    amounts = transfers["amount_lo"].astype(np.int64)
    signed = np.where(_is_debit(transfers, number, currency), -amounts, amounts)
    return np.where(moves, signed, 0)


def _is_debit(transfers: Transfers, number: int, currency: int) -> NDArray[np.bool_]:
    low, high = account_id(AccountCode.CARDHOLDER, currency, number)[0].tolist()
    is_debit: NDArray[np.bool_] = (transfers["debit_account_id_lo"] == low) & (
        transfers["debit_account_id_hi"] == high
    )
    return is_debit


def _is_hidden(transfer: np.void) -> bool:
    is_void = bool(transfer["flags"] & TransferFlags.VOID_PENDING_TRANSFER)
    return is_void or int(transfer["code"]) in _HIDDEN or int(transfer["amount_lo"]) == 0


def _line(transfer: np.void, booked_minor: int, balance_minor: int, number: int, currency: int) -> Line:
    low, high = account_id(AccountCode.CARDHOLDER, currency, number)[0].tolist()
    goes_out = (int(transfer["debit_account_id_lo"]), int(transfer["debit_account_id_hi"])) == (low, high)
    side = "credit_account_id" if goes_out else "debit_account_id"
    amount = int(transfer["amount_lo"])
    return Line(
        transfer_id=_u128(transfer, "id"),
        origin_id=_u128(transfer, "user_data_128"),
        timestamp_ns=int(transfer["timestamp"]),
        code=int(transfer["code"]),
        amount_minor=-amount if goes_out else amount,
        booked_minor=booked_minor,
        balance_minor=balance_minor,
        state="posted",
        other_side=(int(transfer[f"{side}_lo"]), int(transfer[f"{side}_hi"])),
    )


def _u128(record: Any, field: str) -> int:
    return int(record[f"{field}_hi"]) << 64 | int(record[f"{field}_lo"])
