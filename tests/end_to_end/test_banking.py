"""Accounts and transfers through the real door."""

import itertools
import json
import secrets
import time
from datetime import UTC, datetime

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from typer.testing import CliRunner

from holdfast.v1 import accounts_pb2, transfers_pb2
from server.cli import app
from server.store.postgres import EmbeddedPostgres
from tests.end_to_end import callers, serving

_RUN = secrets.token_hex(4)
_numbers = itertools.count()
ACCOUNTS = "holdfast.v1.AccountService"
TRANSFERS = "holdfast.v1.TransferService"
BOUND_S = 20.0


@pytest.fixture(scope="module")
def channel(server):
    """A channel to the server."""
    with callers.connected(server.target) as found:
        yield found


@pytest.fixture
def ask(channel):
    """One unary call: service, method, request, type of the answer."""

    def call(service, method, request, kind):
        raw = request if isinstance(request, bytes) else request.SerializeToString()
        try:
            answer = channel.unary_unary(f"/{service}/{method}")(raw, timeout=callers.CALL_TIMEOUT_S)
        except grpc.RpcError as error:
            raise callers.Refused(error) from None
        return kind.FromString(answer)

    return call


def _key():
    return f"{_RUN}-{next(_numbers)}"


def _open(ask, **fields):
    request = accounts_pb2.OpenAccountRequest(
        idempotency_key=_key(), customer_number=1, currency="USD", **fields
    )
    return ask(ACCOUNTS, "OpenAccount", request, accounts_pb2.Account)


def _deposit(ask, number, amount_minor):
    request = transfers_pb2.CreateTransferRequest(
        idempotency_key=_key(),
        kind=transfers_pb2.TRANSFER_KIND_CASH_DEPOSIT,
        account_number=number,
        amount_minor=amount_minor,
        currency="USD",
    )
    return ask(TRANSFERS, "CreateTransfer", request, transfers_pb2.Transfer)


def _balance(ask, number):
    request = accounts_pb2.GetBalanceRequest(account_number=number)
    return ask(ACCOUNTS, "GetBalance", request, accounts_pb2.Balance)


def test_reflection_lists_every_service_of_the_contract(channel):
    """With the methods that grpcurl asks for."""
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    answers = stub.ServerReflectionInfo(
        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=callers.CALL_TIMEOUT_S
    )
    listed = {service.name for service in next(answers).list_services_response.service}
    assert {ACCOUNTS, TRANSFERS, callers.SERVICE} <= listed


def test_an_account_is_opened_funded_read_and_closed(ask):
    """The life of an account, at the door; money that is left is named."""
    account = _open(ask)
    number = account.account_number
    assert (account.state, account.currency) == (accounts_pb2.ACCOUNT_STATE_OPEN, "USD")
    assert _deposit(ask, number, 5_000).state == transfers_pb2.TRANSFER_STATE_POSTED
    balance = _balance(ask, number)
    assert (balance.current_minor, balance.available_minor) == (5_000, 5_000)
    statement = ask(
        ACCOUNTS,
        "GetStatement",
        accounts_pb2.GetStatementRequest(account_number=number),
        accounts_pb2.Statement,
    )
    assert [(line.kind, line.booked_minor, line.state) for line in statement.lines] == [
        ("cash_deposit", 5_000, "posted")
    ]
    close = accounts_pb2.CloseAccountRequest(account_number=number)
    with pytest.raises(callers.Refused) as refused:
        ask(ACCOUNTS, "CloseAccount", close, accounts_pb2.Account)
    assert refused.value.code == grpc.StatusCode.FAILED_PRECONDITION
    assert "50.00 USD is left" in refused.value.details
    ask(
        TRANSFERS,
        "CreateTransfer",
        transfers_pb2.CreateTransferRequest(
            idempotency_key=_key(),
            kind=transfers_pb2.TRANSFER_KIND_INTERNAL,
            account_number=number,
            payee_account=1,
            amount_minor=5_000,
            currency="USD",
        ),
        transfers_pb2.Transfer,
    )
    closing = ask(ACCOUNTS, "CloseAccount", close, accounts_pb2.Account)
    assert closing.state == accounts_pb2.ACCOUNT_STATE_CLOSING


def test_a_card_of_a_closed_account_is_answered_46_within_a_second(ask, caller, trusted_card):
    """The directory's feed hears of it."""
    spare = _balance(ask, trusted_card).available_minor
    request = transfers_pb2.CreateTransferRequest(
        idempotency_key=_key(),
        kind=transfers_pb2.TRANSFER_KIND_CASH_WITHDRAWAL,
        account_number=trusted_card,
        amount_minor=spare,
        currency="USD",
    )
    for name in ("name", "address", "id_type", "id_number"):
        setattr(request.conductor, name, "Ada Byron")
    request.conductor.birth_date, request.conductor.id_country = "1985-12-10", "US"
    moved = ask(TRANSFERS, "CreateTransfer", request, transfers_pb2.Transfer)
    if moved.state == transfers_pb2.TRANSFER_STATE_PENDING_REVIEW:
        decide = transfers_pb2.DecideTransferRequest(
            transfer_id=moved.transfer_id,
            decision=transfers_pb2.TRANSFER_DECISION_APPROVE,
            decided_by="ada",
            reason="seen",
        )
        ask(TRANSFERS, "DecideTransfer", decide, transfers_pb2.Transfer)
    ask(
        ACCOUNTS,
        "CloseAccount",
        accounts_pb2.CloseAccountRequest(account_number=trusted_card),
        accounts_pb2.Account,
    )
    refused_after_s = callers.obeyed_after_s(
        lambda: caller.authorize(callers.purchase(trusted_card)).response_code == "46", BOUND_S
    )
    assert refused_after_s < 1.5


def test_a_purchase_abroad_is_billed_within_a_second_of_an_import_of_rates(server, caller, trusted_card):
    """No billing amount: it is converted here, by the newest rate and its spread."""
    day = datetime.now(UTC).date().isoformat()
    serving.execute(
        EmbeddedPostgres(server.home).url,
        "INSERT INTO rates (day, base, quote, rate, spread_bps, imported) "
        f"VALUES ('{day}', 978, 840, 1.25, 200, nextval('rate_imports'))",
    )
    from_s = time.monotonic()
    while True:
        request = callers.purchase(trusted_card, 1_000, currency="EUR")
        answer = caller.authorize(request)
        if answer.response_code == "00":
            break
        assert time.monotonic() - from_s < BOUND_S, answer
    assert (answer.approved_amount_minor, answer.billing_currency) == (1_275, "USD")


@pytest.mark.parametrize(
    ("service", "method", "request_", "fields"),
    [
        (ACCOUNTS, "GetBalance", b"\xff", [""]),
        (
            ACCOUNTS,
            "OpenAccount",
            accounts_pb2.OpenAccountRequest(currency="XAU", customer_number=-1, credit_limit_minor=-1),
            ["idempotency_key", "customer_number", "currency", "credit_limit_minor"],
        ),
        (
            ACCOUNTS,
            "GetStatement",
            accounts_pb2.GetStatementRequest(page_size=201, page_token="x"),
            ["page_size", "page_token"],
        ),
        (
            TRANSFERS,
            "CreateTransfer",
            transfers_pb2.CreateTransferRequest(),
            ["kind", "idempotency_key", "amount_minor", "currency", "direction"],
        ),
        (
            TRANSFERS,
            "CreateTransfer",
            transfers_pb2.CreateTransferRequest(
                idempotency_key="a",
                kind=transfers_pb2.TRANSFER_KIND_WIRE,
                direction=transfers_pb2.TRANSFER_DIRECTION_OUT,
                amount_minor=1,
                currency="EUR",
                counterparty=transfers_pb2.Counterparty(account="12 34", bank_id="021000022", country="ZZ"),
                conductor=transfers_pb2.Conductor(name="x"),
                payee_account=3,
            ),
            [
                "payee_account",
                "currency",
                "counterparty.country",
                "counterparty.bank_id",
                "counterparty.account",
                "counterparty.name",
                "conductor",
            ],
        ),
        (
            TRANSFERS,
            "CreateTransfer",
            transfers_pb2.CreateTransferRequest(
                idempotency_key="a",
                kind=transfers_pb2.TRANSFER_KIND_SWIFT,
                direction=transfers_pb2.TRANSFER_DIRECTION_IN,
                amount_minor=1,
                currency="EUR",
                counterparty=transfers_pb2.Counterparty(
                    name="x", account="DE89370400440532013001", bank_id="DEUTDEF", country="DE"
                ),
            ),
            ["counterparty.bank_id", "counterparty.account"],
        ),
        (
            TRANSFERS,
            "DecideTransfer",
            transfers_pb2.DecideTransferRequest(transfer_id="0", decided_by="\n"),
            ["transfer_id", "decision", "decided_by", "reason"],
        ),
        (TRANSFERS, "ListTransfers", transfers_pb2.ListTransfersRequest(state=10, kind=8), ["kind", "state"]),
    ],
)
def test_a_bad_request_names_each_bad_field(ask, service, method, request_, fields):
    """INVALID_ARGUMENT with google.rpc.BadRequest, in the order of the contract."""
    with pytest.raises(callers.Refused) as refused:
        ask(service, method, request_, transfers_pb2.Transfer)
    assert refused.value.code == grpc.StatusCode.INVALID_ARGUMENT
    assert sorted(refused.value.fields) == sorted(fields)


@pytest.mark.parametrize(
    ("service", "method", "request_"),
    [
        (ACCOUNTS, "GetBalance", accounts_pb2.GetBalanceRequest(account_number=2_000_000_000)),
        (ACCOUNTS, "ListAccounts", accounts_pb2.ListAccountsRequest(customer_number=2_000_000_000)),
        (TRANSFERS, "GetTransfer", transfers_pb2.GetTransferRequest(transfer_id="0" * 32)),
    ],
)
def test_what_does_not_exist_is_not_found(ask, service, method, request_):
    """NOT_FOUND, in words."""
    with pytest.raises(callers.Refused) as refused:
        ask(service, method, request_, transfers_pb2.Transfer)
    assert refused.value.code == grpc.StatusCode.NOT_FOUND


def test_the_command_line_moves_decides_and_reverses(ask, server):
    """What a person types, one JSON document each."""
    number = _open(ask).account_number

    def typed(*words, code=0):
        done = CliRunner().invoke(app, [*words, "--target", server.target])
        assert done.exit_code == code, done.output
        return done

    def document(*words):
        return json.loads(typed(*words, "--json").stdout)

    other = ("--name", "Charles Babbage", "--number", "123", "--bank", "021000021")
    where = ("--address", "5 Devonshire Street", "--holder-address", "1 Mill Lane")
    wire = ("transfers", "create", "wire", str(number), "15000", "--direction", "in", *other, *where)
    held = document(*wire)
    assert held["state"] == "TRANSFER_STATE_PENDING_REVIEW"
    listed = document("transfers", "list", "--account", str(number), "--state", "pending_review")
    assert [transfer["transfer_id"] for transfer in listed["transfers"]] == [held["transfer_id"]]
    decide = ("transfers", "decide", held["transfer_id"], "approve", "--by", "ada", "--reason", "known")
    assert document(*decide)["state"] == "TRANSFER_STATE_POSTED"
    assert "15,000.00" in typed("accounts", "statement", str(number)).stdout
    assert document("accounts", "limit", str(number), "20")["credit_limit_minor"] == 2_000
    back = ("transfers", "reverse", held["transfer_id"], "--reason", "recalled")
    assert document(*back)["state"] == "TRANSFER_STATE_REVERSED"
    shown = typed("transfers", "show", held["transfer_id"]).stdout
    assert "reversed" in shown and "ada known" in shown
    refused = typed("transfers", "reverse", "0" * 32, "--reason", "x", code=1)
    assert "NOT_FOUND" in refused.stderr
