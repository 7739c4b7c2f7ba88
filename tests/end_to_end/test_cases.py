"""Decisions of compliance act on a real server: money, cards, customers and labels follow within a second."""

import itertools
import json
import secrets
import time

import grpc
import pytest
from typer.testing import CliRunner

from holdfast.v1 import accounts_pb2, feedback_pb2, transfers_pb2
from server.cli import app
from tests.end_to_end import callers

_RUN = secrets.token_hex(4)
_numbers = itertools.count()
BOUND_S = 20.0
SOON_S = 1.5
"""A second, and half a one for a busy machine."""


@pytest.fixture
def ask(server):
    """One unary call: service, method, request, type of the answer."""
    with callers.connected(server.target) as channel:

        def call(service, method, request, kind):
            raw = request.SerializeToString()
            try:
                answer = channel.unary_unary(f"/holdfast.v1.{service}/{method}")(
                    raw, timeout=callers.CALL_TIMEOUT_S
                )
            except grpc.RpcError as error:
                raise callers.Refused(error) from None
            return kind.FromString(answer)

        yield call


@pytest.fixture
def cases(server, monkeypatch):
    """`holdfast cases` at the server's home, as somebody who is an officer; its JSON."""
    people = {"olaf": "officer", "otto": "officer", "vera": "viewer"}
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_PEOPLE", json.dumps(people))

    def run(*words, user="olaf", code=0):
        monkeypatch.setenv("HOLDFAST_COMPLIANCE_USER", user)
        arguments = ["cases", *map(str, words), "--home", str(server.home), "--json"]
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == code, done.output
        return json.loads(done.stdout) if code == 0 else done.output

    return run


@pytest.fixture
def wire(ask, trusted_card):
    """A wire that waits for a decision: its id, its account, and what is on that."""
    request = transfers_pb2.CreateTransferRequest(
        idempotency_key=f"{_RUN}-{next(_numbers)}",
        kind=transfers_pb2.TRANSFER_KIND_WIRE,
        direction=transfers_pb2.TRANSFER_DIRECTION_IN,
        account_number=trusted_card,
        amount_minor=6_000_000,
        currency="USD",
        holder_address="1 Mill Lane, Springfield",
        purpose="rent",
    )
    other = request.counterparty
    other.name, other.account, other.bank_id = "Charles Babbage", "12345678", "021000021"
    other.address = "5 Devonshire Street, London"
    before = _balance(ask, trusted_card)
    made = ask("TransferService", "CreateTransfer", request, transfers_pb2.Transfer)
    assert made.state == transfers_pb2.TRANSFER_STATE_PENDING_REVIEW
    return made.transfer_id, trusted_card, before


def _balance(ask, number):
    request = accounts_pb2.GetBalanceRequest(account_number=number)
    return ask("AccountService", "GetBalance", request, accounts_pb2.Balance).current_minor


def _state(ask, transfer_id):
    request = transfers_pb2.GetTransferRequest(transfer_id=transfer_id)
    return ask("TransferService", "GetTransfer", request, transfers_pb2.Transfer)


def _soon(fits):
    """Whether it comes true, and that it does soon."""
    return callers.obeyed_after_s(fits, BOUND_S) < SOON_S


def _open(cases, source, identifier, **options):
    words = [word for name, value in options.items() for word in (f"--{name}", value)]
    about = ("--source", source, "--source-id", identifier, "--reason", "somebody looked")
    return cases("open", "looked at by hand", *about, *words)["case_id"]


@pytest.mark.parametrize(
    ("disposition", "action", "state", "gains_minor"),
    [
        ("cleared", "release_transfer", transfers_pb2.TRANSFER_STATE_POSTED, 6_000_000),
        ("suspicious", "reject_transfer", transfers_pb2.TRANSFER_STATE_REJECTED, 0),
        ("true_match", "block_transfer", transfers_pb2.TRANSFER_STATE_BLOCKED, 0),
    ],
)
def test_a_waiting_wire_follows_its_cases_decision_within_a_second(
    ask, cases, wire, disposition, action, state, gains_minor
):
    """The ledger too; the wire's own record says which case, not what was thought."""
    transfer_id, account, before = wire
    case = _open(cases, "transfer", transfer_id)
    cases("decide", case, disposition, "--action", action, "--reason", "he structures")
    assert _soon(lambda: _state(ask, transfer_id).state == state)
    assert _balance(ask, account) == before + gains_minor
    told = _state(ask, transfer_id)
    assert (told.decided_by, told.decision_reason) == ("olaf", f"case {case}")
    assert "structures" not in str(told)
    again = cases("decide", case, disposition, "--action", action, "--reason", "he structures")
    assert again["decided_by"] == "olaf"
    assert "was decided by olaf" in cases("decide", case, "cleared", "--reason", "no", user="otto", code=1)


def test_a_cards_and_a_customers_block_and_a_label_are_felt_within_a_second(ask, cases, caller, trusted_card):
    """78, 59, and the features learn it; a viewer decides nothing."""
    told = caller.authorize(callers.purchase(trusted_card)).authorization_id
    case = _opened_when_shipped(cases, told)
    denied = cases("decide", case, "cleared", "--reason", "x", user="vera", code=1)
    assert "may not work cases" in denied
    done = ("--action", "block_card", "--action", "label_fraud", "--reason", "not his")
    cases("decide", case, "suspicious", *done)
    assert _soon(lambda: caller.authorize(callers.purchase(trusted_card)).response_code == "78")
    cases("reopen", case, "--reason", "it is all of them")
    cases(
        "decide",
        case,
        "suspicious",
        "--action",
        "unblock_card",
        "--action",
        "block_customer",
        "--reason",
        "all",
    )
    assert _soon(lambda: caller.authorize(callers.purchase(trusted_card)).response_code == "59")
    request = feedback_pb2.ListLabelsRequest(authorization_id=told)

    def learnt():
        labels = ask("FeedbackService", "ListLabels", request, feedback_pb2.ListLabelsResponse).labels
        return [(each.label.verdict, each.label.source, each.learnt) for each in labels] == [
            (feedback_pb2.VERDICT_FRAUD, "compliance", True)
        ]

    _soon(learnt)
    cases("reopen", case, "--reason", "he was another")
    cases("decide", case, "cleared", "--action", "unblock_customer", "--reason", "another")
    assert _soon(lambda: caller.authorize(callers.purchase(trusted_card)).response_code not in {"59", "78"})
    kinds = {entry["kind"] for entry in cases("trail", case)["entries"]}
    assert kinds >= {"transaction", "case", "label", "audit"}


def _opened_when_shipped(cases, authorization_id):
    """The case about an authorization, once PostgreSQL has it."""
    from_s = time.monotonic()
    while True:
        try:
            return _open(cases, "authorization", authorization_id)
        except AssertionError:
            assert time.monotonic() - from_s < BOUND_S


def test_a_case_is_worked_on_from_the_command_line(cases, tmp_path):
    """Listed, given, talked about, proven, put up; and a wrong word is told."""
    case = cases("open", "a tip", "--reason", "somebody called", "--customer", 3)["case_id"]
    assert cases("assign", case)["assignee"] == "olaf"
    assert cases("comment", case, "asked at the branch")["state"] == "CASE_STATE_IN_REVIEW"
    note = tmp_path / "note.txt"
    note.write_text("as he said")
    piece = cases("evidence", case, note)["evidence_id"]
    assert cases("escalate", case, "--reason", "beyond me")["state"] == "CASE_STATE_ESCALATED"
    shown = cases("show", case)
    assert [event["event"] for event in shown["events"]] == [
        "opened", "commented", "assigned", "commented", "evidence", "escalated",
    ]  # fmt: skip
    assert shown["evidence"][0]["evidence_id"] == piece
    assert case in {found["case_id"] for found in cases("list", "--assignee", "olaf")["cases"]}
    assert case in {found["case_id"] for found in cases("search", "tip")["cases"]}
    assert "must be one of" in cases("decide", case, "guilty", "--reason", "x", code=1)
    assert "there is no case" in cases("show", "0" * 32, code=1)


def test_any_transaction_is_reviewed_on_demand_from_the_command_line(cases, wire):
    """Flagged or not: what rules say of it, and who must look; a viewer may not ask."""
    transfer_id, _, _ = wire
    review = cases("analyse", "transfer", transfer_id)
    assert review["assessment"]["tier"] in {"low", "medium", "high"}
    assert review["assessment"]["review_reasons"]
    assert "may not work cases" in cases("analyse", "transfer", transfer_id, user="vera", code=1)
    assert "error" in cases("analyse", "transfer", "ab" * 16, code=1)
