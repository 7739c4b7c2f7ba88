"""TransferService over gRPC: fields checked, the desk asked, its answers as messages of the contract."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import grpc

from holdfast.v1 import transfers_pb2 as pb
from ledger.money import currency_letters
from server.banking.states import Decision, State
from server.banking.transfers import TransferDesk
from server.front.asking import KINDS, asked
from server.front.clients import Callers
from server.front.codes import country_letters
from server.front.counter import (
    check_number,
    check_page_size,
    check_words,
    moment,
    open_token,
    refuse_bad,
    seal_token,
    stamp_of,
    unary,
)
from server.front.fields import Violation, check_amount
from server.store.masking import mask_number
from server.store.transfers import Event, StoredTransfer, Wanted

SERVICE: Final = "holdfast.v1.TransferService"
ACTOR_SIZE_MAX: Final = 100
REASON_SIZE_MAX: Final = 300
_STATES: Final = (
    *(State.SUBMITTED, State.PENDING_REVIEW, State.DECIDING, State.POSTED, State.REJECTED, State.BLOCKED),
    *(State.FAILED, State.REVERSING, State.REVERSED),
)
_STATE_NUMBERS: Final[dict[str, Any]] = {str(state): number for number, state in enumerate(_STATES, start=1)}
_DECISIONS: Final = (Decision.APPROVE, Decision.REJECT, Decision.BLOCK)
_DECISION_NUMBERS: Final[dict[str, Any]] = {
    str(decision): number for number, decision in enumerate(_DECISIONS, start=1)
}
_KIND_NUMBERS: Final[dict[str, Any]] = {kind: number for number, kind in KINDS.items()}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BILLION: Final = 1_000_000_000


class TransferService:
    """The handlers."""

    name: Final = SERVICE

    def __init__(self, desk: TransferDesk, callers: Callers) -> None:
        self._desk = desk
        self._callers = callers

    def handler(self) -> Any:
        """The generic handler to register with a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "CreateTransfer": unary(
                    self._callers,
                    "TransferService/CreateTransfer",
                    pb.CreateTransferRequest,
                    self.create_transfer,
                ),
                "GetTransfer": unary(
                    self._callers, "TransferService/GetTransfer", pb.GetTransferRequest, self.get_transfer
                ),
                "ListTransfers": unary(
                    self._callers,
                    "TransferService/ListTransfers",
                    pb.ListTransfersRequest,
                    self.list_transfers,
                ),
                "DecideTransfer": unary(
                    self._callers,
                    "TransferService/DecideTransfer",
                    pb.DecideTransferRequest,
                    self.decide_transfer,
                ),
                "ReverseTransfer": unary(
                    self._callers,
                    "TransferService/ReverseTransfer",
                    pb.ReverseTransferRequest,
                    self.reverse_transfer,
                ),
            },
        )

    async def create_transfer(self, request: Any, sender: int) -> Any:
        """See the contract."""
        stored, replayed = await self._desk.create(asked(request), sender)
        return _transfer(stored, replayed=replayed)

    async def get_transfer(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        identifier = _identifier(request.transfer_id, bad)
        refuse_bad(bad)
        stored, events = await self._desk.find(identifier)
        return _transfer(stored, events=events)

    async def list_transfers(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        account = None
        if request.HasField("account_number"):
            account = check_number("account_number", request.account_number, bad)
        if request.kind and request.kind not in KINDS:
            bad.append(Violation("kind", f"must be one of the contract's values, got {request.kind}"))
        if not 0 <= request.state <= len(_STATES):
            bad.append(Violation("state", f"must be one of the contract's values, got {request.state}"))
        since, until = moment(request, "start_time", bad), moment(request, "end_time", bad)
        check_amount("amount_min_minor", request.amount_min_minor, 0, bad)
        check_amount("amount_max_minor", request.amount_max_minor, 0, bad)
        size = check_page_size(request.page_size, bad)
        token = open_token(request.page_token, 2, bad)
        older = None if token is None else _position(token, bad)
        refuse_bad(bad)
        wanted = Wanted(
            account_number=account,
            kind=KINDS.get(request.kind),
            state=str(_STATES[request.state - 1]) if request.state else None,
            since=since,
            until=until,
            amount_min_minor=request.amount_min_minor or None,
            amount_max_minor=request.amount_max_minor or None,
            older_than=older,
        )
        found = await self._desk.list(wanted, size + 1)
        answer = pb.ListTransfersResponse(transfers=[_transfer(stored) for stored in found[:size]])
        if len(found) > size:
            last = found[size - 1]
            answer.next_page_token = seal_token(
                (last.created_at - _EPOCH) // timedelta(microseconds=1), last.id.int
            )
        return answer

    async def decide_transfer(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        identifier = _identifier(request.transfer_id, bad)
        if not 1 <= request.decision <= len(_DECISIONS):
            bad.append(Violation("decision", "must be APPROVE, REJECT or BLOCK"))
        who = check_words("decided_by", request.decided_by, ACTOR_SIZE_MAX, bad)
        why = check_words("reason", request.reason, REASON_SIZE_MAX, bad)
        refuse_bad(bad)
        return _transfer(await self._desk.decide(identifier, _DECISIONS[request.decision - 1], who, why))

    async def reverse_transfer(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        identifier = _identifier(request.transfer_id, bad)
        why = check_words("reason", request.reason, REASON_SIZE_MAX, bad)
        refuse_bad(bad)
        return _transfer(await self._desk.reverse(identifier, why))


def _identifier(text: str, bad: list[Violation]) -> UUID:
    if len(text) == 32 and all(character in "0123456789abcdef" for character in text):
        return UUID(hex=text)
    bad.append(Violation("transfer_id", "must be the 32 hexadecimal digits of an answer"))
    return UUID(int=0)


def _position(token: list[int], bad: list[Violation]) -> tuple[datetime, UUID] | None:
    try:
        return _EPOCH + timedelta(microseconds=token[0]), UUID(int=token[1])
    except (ValueError, OverflowError):
        bad.append(Violation("page_token", "must be the next_page_token of an answer, or absent"))
        return None


def _transfer(stored: StoredTransfer, *, replayed: bool = False, events: list[Event] | None = None) -> Any:
    answer = pb.Transfer(
        transfer_id=stored.id.hex,
        state=_STATE_NUMBERS[stored.state],
        reason=stored.reason,
        request=_request(stored),
        payer_minor=stored.payer_minor,
        payer_currency=currency_letters(stored.payer_currency),
        payee_minor=stored.payee_minor,
        payee_currency=currency_letters(stored.payee_currency),
        spread_bps=stored.spread_bps,
        review_reasons=stored.review_reasons,
        decision=_DECISION_NUMBERS.get(stored.decision or "", 0),
        decided_by=stored.decided_by,
        decision_reason=stored.decision_reason,
        reversal_reason=stored.reversal_reason,
        create_time=stamp_of(stored.created_at),
        change_time=stamp_of(stored.changed_at),
        replayed=replayed,
    )
    if stored.rate_day is not None:
        answer.rate = f"{Decimal(stored.rate_billionths) / _BILLION:f}"
        answer.rate_date = stored.rate_day.isoformat()
    if stored.decided_at is not None:
        answer.decision_time.CopyFrom(stamp_of(stored.decided_at))
    for event in events or ():
        answer.events.add(
            state=_STATE_NUMBERS[event.state],
            actor=event.actor,
            reason=event.reason,
            time=stamp_of(event.happened_at),
        )
    return answer


def _request(stored: StoredTransfer) -> Any:
    """What was asked for, numbers of accounts and documents masked."""
    details = stored.details
    request = pb.CreateTransferRequest(
        idempotency_key=stored.idempotency_key,
        kind=_KIND_NUMBERS[stored.kind],
        direction=pb.TRANSFER_DIRECTION_IN if stored.direction == "in" else pb.TRANSFER_DIRECTION_OUT,
        account_number=stored.account_number,
        payee_account=stored.payee_account,
        amount_minor=stored.amount_minor,
        currency=currency_letters(stored.currency),
        fee_minor=stored.fee_minor,
        holder_address=details.holder_address,
        purpose=details.purpose,
        branch=details.branch,
    )
    if details.counterparty:
        other = details.counterparty
        request.counterparty.name, request.counterparty.address = other["name"], other["address"]
        request.counterparty.bank_name, request.counterparty.bank_id = (
            other["bank_name"],
            stored.counterparty_bank,
        )
        request.counterparty.account = mask_number(other["account"][-4:])
        request.counterparty.country = country_letters().get(stored.counterparty_country, "")
    if details.conductor:
        for name, text in details.conductor.items():
            setattr(request.conductor, name, mask_number(text[-4:]) if name == "id_number" and text else text)
    return request
