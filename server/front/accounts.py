"""AccountService over gRPC: fields checked, the desk asked, its answers as messages of the contract."""

from collections.abc import Callable
from typing import Any, Final

import grpc

from holdfast.v1 import accounts_pb2 as pb
from ledger.chart import TransferCode, describe
from ledger.money import currency_letters
from server.banking.accounts import AccountDesk
from server.banking.statement import TIME_MAX_NS, Line
from server.front.clients import Callers
from server.front.counter import (
    check_currency,
    check_key,
    check_number,
    check_page_size,
    digest_of,
    open_token,
    refuse_bad,
    seal_token,
    stamp_of,
    stamp_of_ns,
    time_ns,
    unary,
)
from server.front.fields import Violation, check_amount
from server.store.holdings import Holding

SERVICE: Final = "holdfast.v1.AccountService"
_STATES: Final[dict[str, Any]] = {"open": 1, "closing": 2, "closed": 3}


class AccountService:
    """The handlers."""

    name: Final = SERVICE

    def __init__(self, desk: AccountDesk, now_ns: Callable[[], int], callers: Callers) -> None:
        self._desk = desk
        self._now_ns = now_ns
        self._callers = callers

    def handler(self) -> Any:
        """The generic handler to register with a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "OpenAccount": unary(
                    self._callers, "AccountService/OpenAccount", pb.OpenAccountRequest, self.open_account
                ),
                "CloseAccount": unary(
                    self._callers, "AccountService/CloseAccount", pb.CloseAccountRequest, self.close_account
                ),
                "GetAccount": unary(
                    self._callers, "AccountService/GetAccount", pb.GetAccountRequest, self.get_account
                ),
                "GetBalance": unary(
                    self._callers, "AccountService/GetBalance", pb.GetBalanceRequest, self.get_balance
                ),
                "GetStatement": unary(
                    self._callers, "AccountService/GetStatement", pb.GetStatementRequest, self.get_statement
                ),
                "SetCreditLimit": unary(
                    self._callers,
                    "AccountService/SetCreditLimit",
                    pb.SetCreditLimitRequest,
                    self.set_credit_limit,
                ),
                "ListAccounts": unary(
                    self._callers, "AccountService/ListAccounts", pb.ListAccountsRequest, self.list_accounts
                ),
            },
        )

    async def open_account(self, request: Any, sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        check_key(request.idempotency_key, bad)
        check_number("customer_number", request.customer_number, bad)
        currency = check_currency(request.currency, bad)
        check_amount("credit_limit_minor", request.credit_limit_minor, 0, bad)
        refuse_bad(bad)
        holding, replayed = await self._desk.open(
            request.customer_number,
            currency,
            request.credit_limit_minor,
            sender,
            request.idempotency_key,
            digest_of(request),
        )
        return _account(holding, replayed=replayed)

    async def close_account(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        return _account(await self._desk.close(_number(request)))

    async def get_account(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        return _account(await self._desk.find(_number(request)))

    async def get_balance(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        number = _number(request)
        currency, balance = await self._desk.balance(number)
        return pb.Balance(
            account_number=number,
            currency=currency_letters(currency),
            current_minor=balance.current_minor,
            pending_out_minor=balance.pending_out_minor,
            pending_in_minor=balance.pending_in_minor,
            available_minor=balance.available_minor,
            overdraft_minor=balance.overdraft_minor,
            owed_minor=balance.owed_minor,
            credit_limit_minor=balance.credit_limit_minor,
        )

    async def get_statement(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        number = check_number("account_number", request.account_number, bad)
        lines_max = check_page_size(request.page_size, bad)
        start_ns = time_ns(request, "start_time", bad, 1)
        # Without an end a statement goes to its first page's present: what comes later would move the pages.
        end_ns = time_ns(request, "end_time", bad, self._now_ns() + 1)
        token = open_token(request.page_token, 3, bad)
        as_of_ns = time_ns(request, "as_of", bad, 0)
        if end_ns < start_ns:
            bad.append(Violation("end_time", "must not lie before start_time"))
        refuse_bad(bad)
        opening = None
        if token is not None:
            start_ns, opening, end_ns = token
        until_ns = min(max(end_ns - 1, 0), TIME_MAX_NS)
        currency, page = await self._desk.statement(number, max(start_ns, 1), until_ns, lines_max, opening)
        answer = pb.Statement(
            account_number=number,
            currency=currency_letters(currency),
            lines=[_line(line) for line in page.lines],
            opening_minor=page.opening_minor,
            closing_minor=page.closing_minor,
        )
        if page.next_ns is not None:
            answer.next_page_token = seal_token(page.next_ns, page.closing_minor, end_ns)
        if request.HasField("as_of"):
            answer.as_of_minor = await self._desk.balance_at(number, min(max(as_of_ns, 0), TIME_MAX_NS))
        return answer

    async def set_credit_limit(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        check_number("account_number", request.account_number, bad)
        check_amount("credit_limit_minor", request.credit_limit_minor, 0, bad)
        refuse_bad(bad)
        return _account(await self._desk.set_credit_limit(request.account_number, request.credit_limit_minor))

    async def list_accounts(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        customer = check_number("customer_number", request.customer_number, bad)
        size = check_page_size(request.page_size, bad)
        token = open_token(request.page_token, 1, bad)
        refuse_bad(bad)
        after = -1 if token is None else min(max(token[0], -1), (1 << 31) - 1)
        found = await self._desk.of_customer(customer, after, size + 1)
        answer = pb.ListAccountsResponse(accounts=[_account(holding) for holding in found[:size]])
        if len(found) > size:
            answer.next_page_token = seal_token(found[size - 1].number)
        return answer


def _number(request: Any) -> int:
    bad: list[Violation] = []
    number = check_number("account_number", request.account_number, bad)
    refuse_bad(bad)
    return number


def _account(holding: Holding, *, replayed: bool = False) -> Any:
    return pb.Account(
        account_number=holding.number,
        customer_number=holding.customer_number,
        currency=currency_letters(holding.currency),
        state=_STATES[holding.state],
        credit_limit_minor=holding.credit_limit_minor,
        written_number=holding.written,
        open_time=stamp_of(holding.created_at),
        replayed=replayed,
    )


def _line(line: Line) -> Any:
    known = {int(code) for code in TransferCode}
    return pb.StatementLine(
        ledger_transfer_id=f"{line.transfer_id:032x}",
        origin_id=f"{line.origin_id:032x}" if line.origin_id else "",
        time=stamp_of_ns(line.timestamp_ns),
        kind=TransferCode(line.code).name.lower() if line.code in known else str(line.code),
        amount_minor=line.amount_minor,
        booked_minor=line.booked_minor,
        balance_minor=line.balance_minor,
        state=line.state,
        other_side=describe(*line.other_side),
    )
