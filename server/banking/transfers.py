"""
Money in and out, and between accounts: asked for, reviewed, decided, reversed.

Every step is written to PostgreSQL, then carried out in the ledger under ids that follow from the transfer's, then
noted. Whatever stops in between is carried out again: the same ids, the same outcome. A caller that the ledger keeps
waiting gets the transfer as it stands; the step goes on without him.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog

from ledger import movements
from ledger.book import Ledger, LedgerError
from ledger.chart import HOUSE, AccountCode, TransferCode
from ledger.exchange import Exchange
from ledger.movements import Movement, MovementOutcome, Side
from server.banking.accounts import as_uuid, fresh_id
from server.banking.books import HolderBooks
from server.banking.pricing import price, worth_usd_minor
from server.banking.records import missing
from server.banking.refusals import BadField, Refused, Unfit
from server.banking.review import Question, Review
from server.banking.states import ARROWS, DECIDED, UNDER_WAY, Decision, State
from server.store.holdings import Holding, Holdings, UnknownAccount
from server.store.transfers import Details, Event, NewTransfer, StoredTransfer, Transfers, Wanted

DEADLINE_S: Final = 2.0
"""So long a caller waits for the ledger."""

_SWEEP_PAGE: Final = 32
_NS: Final = 1_000_000_000
_CODES: Final = {
    "internal": TransferCode.INTERNAL,
    "ach": TransferCode.ACH,
    "wire": TransferCode.WIRE,
    "rtp": TransferCode.RTP,
    "swift": TransferCode.SWIFT,
    "cash_deposit": TransferCode.CASH_DEPOSIT,
    "cash_withdrawal": TransferCode.CASH_WITHDRAWAL,
}
_FAILURES: Final = {
    MovementOutcome.INSUFFICIENT: "insufficient_funds",
    MovementOutcome.CLOSED: "account_closed",
    MovementOutcome.RESOLVED: "resolved_before",
    MovementOutcome.BURNT: "refused_before_a_restart",
}
_DONE: Final = frozenset({MovementOutcome.DONE, MovementOutcome.DONE_BEFORE})

_log = structlog.get_logger("banking")


@dataclass(frozen=True, slots=True)
class Asked:
    """A transfer as asked for, each field checked by itself."""

    idempotency_key: str
    digest: bytes
    kind: str
    direction: str
    account_number: int
    payee_account: int | None
    amount_minor: int
    currency: int
    fee_minor: int
    counterparty_country: int
    counterparty_bank: str
    details: Details


class TransferDesk:
    """What TransferService does, without the wire."""

    def __init__(
        self,
        ledger: Ledger,
        transfers: Transfers,
        holdings: Holdings,
        exchange: Callable[[], Exchange],
        review: Review,
        now_ns: Callable[[], int],
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._ledger = ledger
        self._books = HolderBooks(ledger)
        self._transfers = transfers
        self._holdings = holdings
        self._exchange = exchange
        self._review = review
        self._now_ns = now_ns
        self._deadline_s = deadline_s
        self._steps: dict[UUID, asyncio.Task[StoredTransfer]] = {}

    async def create(self, asked: Asked, sender: int) -> tuple[StoredTransfer, bool]:
        """
        The transfer, as far as it came within the deadline, and whether its key was known.

        A refusal by the ledger is a state, FAILED. Raises KeyReused, UnknownAccount, Unfit and Refused.
        """
        known = await self._transfers.find_by_key(sender, asked.idempotency_key, asked.digest)
        if known is not None:
            return await self._onward(known), True
        new = await self._priced(asked, sender)
        stored, replayed = await self._transfers.add(new)
        return await self._onward(stored), replayed

    async def find(self, identifier: UUID) -> tuple[StoredTransfer, list[Event]]:
        """A transfer and what became of it. Raises LookupError."""
        found = await self._known(identifier)
        return found, await self._transfers.events(identifier)

    async def list(self, wanted: Wanted, count_max: int) -> list[StoredTransfer]:
        """The newest first."""
        return await self._transfers.list(wanted, count_max)

    async def decide(
        self, identifier: UUID, decision: Decision, decided_by: str, reason: str
    ) -> StoredTransfer:
        """
        Decide what waits for it: the first decision counts, the same one again changes nothing.

        Raises LookupError, and Refused where it waits for none or another one was made.
        """
        found = await self._transfers.decide(identifier, decision, decided_by, reason)
        if found is None:
            found = await self._known(identifier)
            if found.state == State.PENDING_REVIEW:
                text = f"transfer {identifier.hex} names somebody who may be on a list: compliance decides its case first"
                raise Refused("HELD_BY_COMPLIANCE", text)
            if found.decision is None:
                raise Refused(
                    "NOT_PENDING", f"transfer {identifier.hex} is {found.state}: it waits for no decision"
                )
            if found.decision != decision:
                text = f"transfer {identifier.hex} was decided by {found.decided_by}: {found.decision}"
                raise Refused("ALREADY_DECIDED", text)
        return await self._onward(found)

    async def reverse(self, identifier: UUID, reason: str) -> StoredTransfer:
        """
        Book all of it back, fee and all; what is reversed already stays so.

        What came from outside is taken back although the holder has spent it: he owes the rest. Raises LookupError, and
        Refused where it is not posted, or another account's holder has spent it.
        """
        found = await self._transfers.begin_reversal(identifier, as_uuid(fresh_id(self._now_ns())), reason)
        if found is None:
            found = await self._known(identifier)
            if found.state not in {State.REVERSING, State.REVERSED}:
                raise Refused(
                    "NOT_POSTED",
                    f"transfer {identifier.hex} is {found.state}: only what is posted is reversed",
                )
        after = await self._onward(found)
        if after.state == State.POSTED:
            raise Refused("NOT_REVERSIBLE", f"transfer {identifier.hex} stays posted: {after.reason}")
        return after

    async def sweep(self, older_than_s: float) -> int:
        """Carry on what has been under way for so long; how many have come to rest."""
        before = datetime.fromtimestamp(self._now_ns() / _NS, UTC) - timedelta(seconds=older_than_s)
        found = await self._transfers.under_way(before, _SWEEP_PAGE)
        carried = await asyncio.gather(*map(self._onward, found))
        return sum(State(transfer.state) not in UNDER_WAY for transfer in carried)

    async def close(self) -> None:
        """Wait for the steps under way."""
        await asyncio.gather(*self._steps.values(), return_exceptions=True)

    async def _known(self, identifier: UUID) -> StoredTransfer:
        found = await self._transfers.find(identifier)
        if found is None:
            raise LookupError(f"there is no transfer {identifier.hex}")
        return found

    async def _onward(self, transfer: StoredTransfer) -> StoredTransfer:
        """The transfer after its step under way, or as it stands where that takes longer than the deadline."""
        if State(transfer.state) not in UNDER_WAY:
            return transfer
        step = self._steps.get(transfer.id)
        if step is None:
            step = asyncio.ensure_future(self._carry(transfer))
            self._steps[transfer.id] = step
            step.add_done_callback(lambda done: self._ended(transfer.id, done))
        await asyncio.wait({step}, timeout=self._deadline_s)
        if step.done() and not step.cancelled() and step.exception() is None:
            return step.result()
        return transfer

    def _ended(self, identifier: UUID, step: asyncio.Task[StoredTransfer]) -> None:
        self._steps.pop(identifier, None)
        if not step.cancelled() and (error := step.exception()) is not None:
            # The row says how far it came: upkeep carries it on.
            _log.warning("a transfer's step has failed", transfer=identifier.hex, reason=str(error))

    async def _carry(self, transfer: StoredTransfer) -> StoredTransfer:
        """One step: the ledger's answer, noted."""
        before = State(transfer.state)
        movement = movement_of(transfer)
        if before == State.SUBMITTED:
            after, reason = await self._submit(transfer, movement)
        elif before == State.DECIDING:
            after, reason = await self._resolve(transfer, movement)
        else:
            after, reason = await self._book_back(transfer, movement)
        assert after in ARROWS[before]
        moved = await self._transfers.move(transfer.id, before, after, reason)
        return moved if moved is not None else await self._known(transfer.id)

    async def _submit(self, transfer: StoredTransfer, movement: Movement) -> tuple[State, str]:
        for side in (movement.payer, movement.payee):
            await self._books.open_house(side.currency)
            if side.code == AccountCode.CARDHOLDER:
                await self._books.open_holder(side.number, side.currency)
        if transfer.review_reasons:
            batch = movements.hold(movement)
        else:
            batch = movements.pay(movement, payee_owes=await self._owes(movement.payee))
        outcome, status = movements.outcome(await self._ledger.create_transfers(batch))
        if outcome in _DONE:
            return (State.PENDING_REVIEW if transfer.review_reasons else State.POSTED), ""
        return State.FAILED, _FAILURES.get(outcome, status.name.lower())

    async def _resolve(self, transfer: StoredTransfer, movement: Movement) -> tuple[State, str]:
        decision = Decision(transfer.decision or "")
        if decision == Decision.APPROVE:
            batch = movements.clear(movement, payee_owes=await self._owes(movement.payee))
            outcome, status = movements.outcome(await self._ledger.create_transfers(batch))
            if outcome in _DONE:
                return State.POSTED, ""
            await self._drop(movement)
            return State.FAILED, _FAILURES.get(outcome, status.name.lower())
        await self._drop(movement)
        return DECIDED[decision], ""

    async def _drop(self, movement: Movement) -> None:
        outcome, status = movements.outcome(await self._ledger.create_transfers(movements.drop(movement)))
        if outcome not in _DONE:
            raise LedgerError(
                f"what is held for transfer {movement.movement_id:032x} can't be voided: {status.name}"
            )

    async def _book_back(self, transfer: StoredTransfer, movement: Movement) -> tuple[State, str]:
        assert transfer.reversal_id is not None
        comes_from_outside = transfer.direction == "in"
        batch = movements.reverse(
            movement,
            transfer.reversal_id.int,
            overdraws=comes_from_outside,
            payer_owes=await self._owes(movement.payer),
        )
        outcome, status = movements.outcome(await self._ledger.create_transfers(batch))
        if outcome in _DONE:
            return State.REVERSED, ""
        return State.POSTED, _FAILURES.get(outcome, status.name.lower())

    async def _owes(self, side: Side) -> bool:
        return side.code == AccountCode.CARDHOLDER and await self._books.owes(side.number, side.currency)

    async def _priced(self, asked: Asked, sender: int) -> NewTransfer:
        """The transfer as it will be written: both sides, worth, and whether somebody must decide."""
        holder, payee = await self._parties(asked)
        now_s = self._now_ns() // _NS
        exchange = self._exchange()
        payer_currency, payee_currency = _currencies(asked, holder, payee)
        both = price(exchange, asked.amount_minor, asked.currency, payer_currency, payee_currency, now_s)
        if asked.direction == "in" and asked.fee_minor >= both.payee_minor:
            raise Unfit(BadField("fee_minor", "must be less than what reaches the account"))
        usd_minor = worth_usd_minor(exchange, asked.amount_minor, asked.currency, now_s)
        if lacking := missing(asked.kind, usd_minor, asked.details):
            raise Unfit(*lacking)
        question = Question(
            asked.kind,
            asked.direction,
            asked.account_number,
            asked.payee_account,
            usd_minor,
            asked.counterparty_country,
            asked.details.purpose,
        )
        return NewTransfer(
            id=as_uuid(fresh_id(self._now_ns())),
            sender=sender,
            idempotency_key=asked.idempotency_key,
            request_digest=asked.digest,
            kind=asked.kind,
            direction=asked.direction,
            account_number=asked.account_number,
            payee_account=asked.payee_account,
            amount_minor=asked.amount_minor,
            currency=asked.currency,
            payer_minor=both.payer_minor,
            payer_currency=payer_currency,
            payee_minor=both.payee_minor,
            payee_currency=payee_currency,
            fee_minor=asked.fee_minor,
            usd_minor=usd_minor,
            rate_billionths=both.rate_billionths,
            spread_bps=both.spread_bps,
            rate_day=both.rate_day,
            counterparty_country=asked.counterparty_country,
            counterparty_bank=asked.counterparty_bank,
            details=asked.details,
            review_reasons=self._review.reasons(question),
        )

    async def _parties(self, asked: Asked) -> tuple[Holding, Holding | None]:
        """The holder's account and, of an internal transfer, the payee's, in a state that lets this happen."""
        holder = await self._holdings.find(asked.account_number)
        payee = None
        if asked.payee_account is not None:
            try:
                payee = await self._holdings.find(asked.payee_account)
            except UnknownAccount as error:
                raise Unfit(BadField("payee_account", str(error))) from error
        gets = holder if asked.direction == "in" else payee
        if gets is not None and gets.state != "open":
            raise Refused(
                "ACCOUNT_CLOSED", f"account {gets.number} is {gets.state}: it takes nothing any more"
            )
        if holder.state == "closed":
            raise Refused("ACCOUNT_CLOSED", f"account {holder.number} is closed")
        return holder, payee


def _currencies(asked: Asked, holder: Holding, payee: Holding | None) -> tuple[int, int]:
    """The payer's currency and the payee's. Raises Unfit where the transfer's is neither's."""
    if payee is not None:
        if asked.currency not in {holder.currency, payee.currency}:
            raise Unfit(BadField("currency", "must be that of one of the two accounts"))
        return holder.currency, payee.currency
    if asked.kind.startswith("cash") and asked.currency != holder.currency:
        raise Unfit(BadField("currency", "must be the account's: cash is not exchanged"))
    if asked.direction == "in":
        return asked.currency, holder.currency
    return holder.currency, asked.currency


def movement_of(transfer: NewTransfer) -> Movement:
    """The movement in the ledger that a transfer is."""
    outside = AccountCode.CASH if transfer.kind.startswith("cash") else AccountCode.CLEARING
    holder_code = AccountCode.CARDHOLDER
    if transfer.direction == "in":
        payer_code, payer_number = outside, HOUSE
        payee_code, payee_number = holder_code, transfer.account_number
        holder_currency = transfer.payee_currency
    else:
        payer_code, payer_number = holder_code, transfer.account_number
        payee_code, payee_number = outside, HOUSE
        if transfer.payee_account is not None:
            payee_code, payee_number = holder_code, transfer.payee_account
        holder_currency = transfer.payer_currency
    holder = None
    if transfer.fee_minor:
        holder = Side(holder_code, transfer.account_number, holder_currency, transfer.fee_minor)
    return Movement(
        movement_id=transfer.id.int,
        code=_CODES[transfer.kind],
        payer=Side(payer_code, payer_number, transfer.payer_currency, transfer.payer_minor),
        payee=Side(payee_code, payee_number, transfer.payee_currency, transfer.payee_minor),
        holder=holder,
        rate_billionths=transfer.rate_billionths,
        spread_bps=transfer.spread_bps,
    )
