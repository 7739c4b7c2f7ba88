"""
Money in and out, and between accounts: each step of a movement is one linked chain, taken whole or not at all.

A movement has an id of its own with a low byte of zero; its transfers have that id with the step and the leg in the
low byte, and carry it in `user_data_128`. Carrying a step out twice changes nothing, so that any process after any
crash can carry it to its end.

    step      legs
    PAY       payer to payee; the fee; at once
    HOLD      the same, pending and without timeout, until somebody has decided
    CLEAR     posts what was held; an incoming fee
    DROP      voids what was held
    REVERSE   payee back to payer, the fee back to the holder (with an id of its own: what is refused burns its ids)

Between two currencies a movement is two legs, each with our position in that currency (FX liquidity) on the other side;
`user_data_64` then carries the rate in billionths and `user_data_32` its spread in basis points.

What a holder owes is repaid first out of whatever comes in: it goes to control, from there to the receivable as far as
that goes, and the rest to the holder. What must go back although the holder has spent it (`overdraws`) is taken from
the balance as far as that goes, and owed beyond it. Control is zero before and after every chain.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np

from ledger.chart import HOLDER_CODES, HOUSE, AccountCode, TransferCode
from ledger.transfer import TRANSFER, CreateTransferStatus, Ids, Results, TransferFlags, Transfers

BILLION: Final = 1_000_000_000
_LOW_BYTE: Final = 0xFF
_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF


class Step(IntEnum):
    """The high half of a transfer's low byte."""

    PAY = 1
    HOLD = 2
    CLEAR = 3
    DROP = 4
    REVERSE = 5


class Leg(IntEnum):
    """The low half of a transfer's low byte."""

    SOURCE = 1
    TARGET = 2
    FEE = 3
    TAKE = 4
    OWED = 5
    REST = 6


class MovementOutcome(IntEnum):
    """What the ledger answered to a step."""

    DONE = 0
    DONE_BEFORE = 1
    INSUFFICIENT = 2
    CLOSED = 3  # an account takes nothing any more
    RESOLVED = 4  # what was held has been cleared or dropped already, or there is no such thing
    BURNT = 5  # refused before, for a reason of that moment
    REFUSED = 6


@dataclass(frozen=True, slots=True)
class Side:
    """One end of a movement: an account of the chart, and what it gives or gets in its own currency."""

    code: AccountCode
    number: int  # of the holder's account; HOUSE for our own
    currency: int  # ISO 4217 number
    amount_minor: int

    @property
    def low(self) -> int:
        return self.number if self.code in HOLDER_CODES else HOUSE

    @property
    def high(self) -> int:
        return int(self.code) << 32 | self.currency


@dataclass(frozen=True, slots=True)
class Movement:
    """Money from one side to another. `movement_id` is a u128 whose low byte is zero."""

    movement_id: int
    code: TransferCode
    payer: Side
    payee: Side
    holder: Side | None = None  # who pays the fee, and how much it is
    rate_billionths: int = 0
    spread_bps: int = 0

    @property
    def holder_pays(self) -> bool:
        """Whether the one who pays the fee pays the amount too."""
        return self.holder is not None and self.payer.code == AccountCode.CARDHOLDER

    @property
    def crosses(self) -> bool:
        """Whether two currencies meet."""
        return self.payer.currency != self.payee.currency


class _Chain:
    """Transfers under way: each linked to the next, the last to nothing."""

    def __init__(self, movement: Movement, step: Step, ids_of: int | None = None) -> None:
        self._movement = movement
        self._step = step
        self._base = movement.movement_id if ids_of is None else ids_of
        assert self._base & _LOW_BYTE == 0
        self._rows: list[np.void] = []

    def pay(
        self,
        leg: Leg,
        payer: Side,
        payee: Side,
        amount_minor: int,
        *,
        flags: int = 0,
        code: TransferCode | None = None,
    ) -> None:
        """One transfer between two accounts of one currency."""
        assert payer.currency == payee.currency
        assert amount_minor >= 0
        row = self._row(leg, flags)
        row["debit_account_id_lo"], row["debit_account_id_hi"] = payer.low, payer.high
        row["credit_account_id_lo"], row["credit_account_id_hi"] = payee.low, payee.high
        row["amount_lo"] = amount_minor
        row["ledger"] = payer.currency
        row["code"] = self._movement.code if code is None else code

    def resolve(self, leg: Leg, flags: TransferFlags, amount_minor: int) -> None:
        """Post or void what the HOLD step has pending under this leg."""
        row = self._row(leg, flags)
        pending = self._movement.movement_id | Step.HOLD << 4 | leg
        row["pending_id_lo"], row["pending_id_hi"] = pending & _WORD, pending >> 64
        row["amount_lo"] = amount_minor

    def repay(self, leg: Leg, payer: Side, payee: Side, amount_minor: int) -> None:
        """What a holder gets, what is owed first."""
        control = Side(AccountCode.CONTROL, HOUSE, payee.currency, 0)
        owed = Side(AccountCode.RECEIVABLE, payee.number, payee.currency, 0)
        self.pay(leg, payer, control, amount_minor)
        self.pay(
            Leg.OWED,
            control,
            owed,
            amount_minor,
            flags=TransferFlags.BALANCING_CREDIT,
            code=TransferCode.REPAYMENT,
        )
        self.pay(Leg.REST, control, payee, amount_minor, flags=TransferFlags.BALANCING_DEBIT)

    def overdraw(self, leg: Leg, payer: Side, payee: Side, amount_minor: int) -> None:
        """What a holder must give, beyond the balance as a debt."""
        control = Side(AccountCode.CONTROL, HOUSE, payer.currency, 0)
        owed = Side(AccountCode.RECEIVABLE, payer.number, payer.currency, 0)
        both = TransferFlags.BALANCING_DEBIT | TransferFlags.BALANCING_CREDIT
        self.pay(leg, control, payee, amount_minor)
        self.pay(Leg.TAKE, payer, control, amount_minor, flags=both)
        self.pay(
            Leg.OWED,
            owed,
            control,
            amount_minor,
            flags=TransferFlags.BALANCING_CREDIT,
            code=TransferCode.OVERDRAWN,
        )

    def whole(self) -> Transfers:
        """The batch."""
        batch = np.zeros(len(self._rows), TRANSFER)
        for place, row in enumerate(self._rows):
            batch[place] = row
        batch["flags"][-1:] &= ~np.uint16(TransferFlags.LINKED)
        return batch

    def _row(self, leg: Leg, flags: int) -> np.void:
        row: np.void = np.zeros(1, TRANSFER)[0]
        movement = self._movement
        identifier = self._base | self._step << 4 | leg
        row["id_lo"], row["id_hi"] = identifier & _WORD, identifier >> 64
        row["user_data_128_lo"] = movement.movement_id & _WORD
        row["user_data_128_hi"] = movement.movement_id >> 64
        row["user_data_64"] = movement.rate_billionths
        row["user_data_32"] = movement.spread_bps
        row["flags"] = TransferFlags.LINKED | flags
        self._rows.append(row)
        return row


def pay(movement: Movement, *, payee_owes: bool) -> Transfers:
    """The whole movement at once. `payee_owes`: the payee is a holder who may have something to repay."""
    chain = _Chain(movement, Step.PAY)
    _legs(chain, movement, owes=payee_owes)
    _fee(chain, movement)
    return chain.whole()


def hold(movement: Movement) -> Transfers:
    """The movement pending. An incoming one's fee is taken when it is cleared: until then there is nothing to take."""
    chain = _Chain(movement, Step.HOLD)
    _legs(chain, movement, owes=False, flags=TransferFlags.PENDING)
    if movement.holder_pays:
        _fee(chain, movement, flags=TransferFlags.PENDING)
    return chain.whole()


def clear(movement: Movement, *, payee_owes: bool) -> Transfers:
    """Post what is held, and what goes along with it."""
    chain = _Chain(movement, Step.CLEAR)
    for leg, amount_minor in _held(movement):
        chain.resolve(leg, TransferFlags.POST_PENDING_TRANSFER, amount_minor)
    if payee_owes:
        chain.repay(Leg.TAKE, movement.payee, movement.payee, movement.payee.amount_minor)
    if not movement.holder_pays:
        _fee(chain, movement)
    return chain.whole()


def drop(movement: Movement) -> Transfers:
    """Void what is held."""
    chain = _Chain(movement, Step.DROP)
    for leg, _ in _held(movement):
        chain.resolve(leg, TransferFlags.VOID_PENDING_TRANSFER, 0)
    return chain.whole()


def reverse(movement: Movement, reversal_id: int, *, overdraws: bool, payer_owes: bool) -> Transfers:
    """
    Everything back, at the amounts of the way out, under `reversal_id` (u128, low byte zero).

    `overdraws`: the payee is a holder who may have spent it, and owes it then; `payer_owes`: the payer is one who may
    have something to repay.
    """
    chain = _Chain(movement, Step.REVERSE, reversal_id)
    payer, payee = movement.payer, movement.payee
    give = chain.overdraw if overdraws else chain.pay
    if not movement.crosses:
        if overdraws or not payer_owes:
            give(Leg.SOURCE, payee, payer, payer.amount_minor)
        else:
            chain.repay(Leg.SOURCE, payee, payer, payer.amount_minor)
    else:
        give(Leg.TARGET, payee, _position(payee), payee.amount_minor)
        if payer_owes:
            chain.repay(Leg.SOURCE, _position(payer), payer, payer.amount_minor)
        else:
            chain.pay(Leg.SOURCE, _position(payer), payer, payer.amount_minor)
    if movement.holder is not None and movement.holder.amount_minor:
        fees = Side(AccountCode.FEE, HOUSE, movement.holder.currency, 0)
        chain.pay(Leg.FEE, fees, movement.holder, movement.holder.amount_minor, code=TransferCode.FEE)
    return chain.whole()


def closing(closing_id: int, number: int, currency: int) -> Transfers:
    """The transfer that closes a cardholder's account for good, for as long as it stays pending."""
    holder = Side(AccountCode.CARDHOLDER, number, currency, 0)
    control = Side(AccountCode.CONTROL, HOUSE, currency, 0)
    chain = _Chain(Movement(closing_id, TransferCode.CLOSING, holder, control), Step.HOLD)
    chain.pay(Leg.SOURCE, holder, control, 0, flags=TransferFlags.PENDING | TransferFlags.CLOSING_DEBIT)
    return chain.whole()


_EXISTS: Final = frozenset(status for status in CreateTransferStatus if status.name.startswith("EXISTS"))
_OUTCOMES: Final = {
    **dict.fromkeys(_EXISTS, MovementOutcome.DONE_BEFORE),
    CreateTransferStatus.EXCEEDS_CREDITS: MovementOutcome.INSUFFICIENT,
    CreateTransferStatus.EXCEEDS_DEBITS: MovementOutcome.INSUFFICIENT,
    CreateTransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED: MovementOutcome.CLOSED,
    CreateTransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED: MovementOutcome.CLOSED,
    CreateTransferStatus.PENDING_TRANSFER_ALREADY_POSTED: MovementOutcome.RESOLVED,
    CreateTransferStatus.PENDING_TRANSFER_ALREADY_VOIDED: MovementOutcome.RESOLVED,
    CreateTransferStatus.PENDING_TRANSFER_EXPIRED: MovementOutcome.RESOLVED,
    CreateTransferStatus.PENDING_TRANSFER_NOT_FOUND: MovementOutcome.RESOLVED,
    CreateTransferStatus.ID_ALREADY_FAILED: MovementOutcome.BURNT,
}


def outcome(results: Results) -> tuple[MovementOutcome, CreateTransferStatus]:
    """
    What became of one chain, and the status that says so.

    An id that exists is this very step's, whatever else differs: what is owed may have changed since it was carried out.
    """
    for value in results["status"].tolist():
        status = CreateTransferStatus(value)
        if status not in {CreateTransferStatus.CREATED, CreateTransferStatus.LINKED_EVENT_FAILED}:
            return _OUTCOMES.get(status, MovementOutcome.REFUSED), status
    return MovementOutcome.DONE, CreateTransferStatus.CREATED


def first_id(movement: Movement, step: Step) -> Ids:
    """The id, (1, 2), of a transfer that exists where this step was carried out."""
    leg = Leg.SOURCE if step != Step.REVERSE or not movement.crosses else Leg.TARGET
    identifier = movement.movement_id | step << 4 | leg
    return np.array([[identifier & _WORD, identifier >> 64]], np.uint64)


def _legs(chain: _Chain, movement: Movement, *, owes: bool, flags: int = 0) -> None:
    payer, payee = movement.payer, movement.payee
    if movement.crosses:
        chain.pay(Leg.SOURCE, payer, _position(payer), payer.amount_minor, flags=flags)
        if owes:
            chain.repay(Leg.TARGET, _position(payee), payee, payee.amount_minor)
        else:
            chain.pay(Leg.TARGET, _position(payee), payee, payee.amount_minor, flags=flags)
    elif owes:
        chain.repay(Leg.SOURCE, payer, payee, payer.amount_minor)
    else:
        chain.pay(Leg.SOURCE, payer, payee, payer.amount_minor, flags=flags)


def _fee(chain: _Chain, movement: Movement, flags: int = 0) -> None:
    holder = movement.holder
    if holder is not None and holder.amount_minor:
        fees = Side(AccountCode.FEE, HOUSE, holder.currency, 0)
        chain.pay(Leg.FEE, holder, fees, holder.amount_minor, flags=flags, code=TransferCode.FEE)


def _held(movement: Movement) -> list[tuple[Leg, int]]:
    held = [(Leg.SOURCE, movement.payer.amount_minor)]
    if movement.crosses:
        held.append((Leg.TARGET, movement.payee.amount_minor))
    if movement.holder is not None and movement.holder_pays and movement.holder.amount_minor:
        held.append((Leg.FEE, movement.holder.amount_minor))
    return held


def _position(side: Side) -> Side:
    return Side(AccountCode.FX_LIQUIDITY, HOUSE, side.currency, 0)
