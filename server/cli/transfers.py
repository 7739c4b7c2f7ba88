"""`holdfast transfers`: created, listed, shown, decided, reversed, through a running server."""

import secrets
from typing import Annotated, Any, Final

import typer

from server.cli.calls import TARGET, AsJson, CallFailed, Peer, Target, Tls, as_document, call, minor_units
from server.cli.output import explained, facts, fail, rows, show

KINDS: Final = ("internal", "ach", "wire", "rtp", "swift", "cash_deposit", "cash_withdrawal")
STATES: Final = (
    *("submitted", "pending_review", "deciding", "posted", "rejected", "blocked", "failed", "reversing"),
    "reversed",
)
DECISIONS: Final = ("approve", "reject", "block")
_SERVICE: Final = "TransferService"
_DIRECTIONS: Final = ("in", "out")

app = typer.Typer(help="Transfers: create, list, show, decide, reverse.", no_args_is_help=True)
Identifier = Annotated[str, typer.Argument(help="32 hexadecimal digits of the answer.")]


@app.command()
@explained(CallFailed)
def create(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(KINDS)}.")],
    account: Annotated[int, typer.Argument(help="Whose money it is; of an internal transfer the payer's.")],
    amount: Annotated[str, typer.Argument(help="Amount in major units, such as 12.50.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 alpha-3.")] = "USD",
    direction: Annotated[str, typer.Option(help="in or out; not for cash and internal.")] = "",
    to: Annotated[int | None, typer.Option(help="The payee's account; internal only.")] = None,
    fee: Annotated[str, typer.Option(help="Fee in major units of the account's currency.")] = "0",
    name: Annotated[str, typer.Option(help="The counterparty's name.")] = "",
    number: Annotated[str, typer.Option(help="The counterparty's account or IBAN.")] = "",
    bank: Annotated[str, typer.Option(help="The counterparty's routing number or BIC.")] = "",
    address: Annotated[str, typer.Option(help="The counterparty's address.")] = "",
    country: Annotated[str, typer.Option(help="The counterparty's country, ISO 3166-1 alpha-2.")] = "",
    holder_address: Annotated[str, typer.Option(help="The holder's own address.")] = "",
    purpose: Annotated[str, typer.Option(help="Why, in words.")] = "",
    branch: Annotated[str, typer.Option(help="Of cash: the branch's code.")] = "",
    conductor_name: Annotated[str, typer.Option(help="Who stands at the counter; cash only.")] = "",
    conductor_address: Annotated[
        str, typer.Option(help="Of them, such as '1 Mill Lane, Springfield, IL 62701'.")
    ] = "",
    conductor_born: Annotated[str, typer.Option(help="Of them: YYYY-MM-DD.")] = "",
    conductor_id_type: Annotated[str, typer.Option(help="Their document, such as passport.")] = "",
    conductor_id_number: Annotated[
        str, typer.Option(help="Its number; `-` asks for it, unseen and out of the history.")
    ] = "",
    conductor_id_country: Annotated[str, typer.Option(help="That issued it, ISO 3166-1 alpha-2.")] = "",
    key: Annotated[str, typer.Option(help="Idempotency key; else a new one.")] = "",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Move money, or ask somebody to decide whether it may move."""
    from holdfast.v1 import transfers_pb2 as pb

    request = pb.CreateTransferRequest(
        idempotency_key=key or secrets.token_hex(16),
        kind=_number("kind", kind, KINDS),
        direction=_number("--direction", direction, _DIRECTIONS) if direction else None,
        account_number=account,
        payee_account=to,
        amount_minor=minor_units(amount, currency),
        currency=currency,
        fee_minor=minor_units(fee, currency),
        holder_address=holder_address,
        purpose=purpose,
        branch=branch,
    )
    conductor = {
        "name": conductor_name,
        "address": conductor_address,
        "birth_date": conductor_born,
        "id_type": conductor_id_type,
        "id_number": typer.prompt("Document number", hide_input=True)
        if conductor_id_number == "-"
        else conductor_id_number,
        "id_country": conductor_id_country,
    }
    for field, text in conductor.items():
        if text:
            setattr(request.conductor, field, text)
    if any((name, number, bank, address, country)):
        other = request.counterparty
        other.name, other.account, other.bank_id = name, number, bank
        other.address, other.country = address, country
    _show("CreateTransfer", request, Peer(target, tls), as_json=as_json)


@app.command("list")
@explained(CallFailed)
def list_transfers(
    account: Annotated[int | None, typer.Option(help="Payer's or payee's account.")] = None,
    kind: Annotated[str, typer.Option(help=f"One of {', '.join(KINDS)}.")] = "",
    state: Annotated[str, typer.Option(help=f"One of {', '.join(STATES)}.")] = "",
    count: Annotated[int, typer.Option(min=1, max=200, help="At most so many.")] = 50,
    page: Annotated[str, typer.Option(help="The next page's token, as printed.")] = "",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """List transfers, the newest first."""
    from holdfast.v1 import transfers_pb2 as pb

    request = pb.ListTransfersRequest(
        account_number=account,
        kind=_number("--kind", kind, KINDS) if kind else None,
        state=_number("--state", state, STATES) if state else None,
        page_size=count,
        page_token=page,
    )
    document = as_document(
        call(Peer(target, tls), "ListTransfers", request, pb.ListTransfersResponse, service=_SERVICE)
    )
    lines = [_line(transfer) for transfer in document["transfers"]]
    title = "transfers"
    if document["next_page_token"]:
        title += f"; more with --page {document['next_page_token']}"
    columns = ("transfer", "state", "kind", "account", "amount", "created")
    show(document, as_json=as_json, table=lambda: rows(title, columns, lines))


@app.command("show")
@explained(CallFailed)
def show_transfer(
    identifier: Identifier, target: Target = TARGET, tls: Tls = None, as_json: AsJson = False
) -> None:
    """Show a transfer and what became of it."""
    from holdfast.v1 import transfers_pb2 as pb

    _show("GetTransfer", pb.GetTransferRequest(transfer_id=identifier), Peer(target, tls), as_json=as_json)


@app.command()
@explained(CallFailed)
def decide(
    identifier: Identifier,
    decision: Annotated[str, typer.Argument(help=f"One of {', '.join(DECISIONS)}.")],
    by: Annotated[str, typer.Option(help="Who decides; recorded.")],
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Decide a transfer that waits for it: the first decision counts."""
    from holdfast.v1 import transfers_pb2 as pb

    request = pb.DecideTransferRequest(
        transfer_id=identifier,
        decision=_number("decision", decision, DECISIONS),
        decided_by=by,
        reason=reason,
    )
    _show("DecideTransfer", request, Peer(target, tls), as_json=as_json)


@app.command()
@explained(CallFailed)
def reverse(
    identifier: Identifier,
    reason: Annotated[str, typer.Option(help="Why; recorded.")],
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Book all of a transfer back, its fee too."""
    from holdfast.v1 import transfers_pb2 as pb

    request = pb.ReverseTransferRequest(transfer_id=identifier, reason=reason)
    _show("ReverseTransfer", request, Peer(target, tls), as_json=as_json)


def _show(method: str, request: Any, target: Peer, *, as_json: bool) -> None:
    from holdfast.v1 import transfers_pb2 as pb

    document = as_document(call(target, method, request, pb.Transfer, service=_SERVICE))

    def table() -> Any:
        asked = document["request"]
        events = [
            f"{_word(e['state'], 'STATE')} {e['time']} {e['actor']} {e['reason']}" for e in document["events"]
        ]
        return facts(
            f"transfer {document['transfer_id']}",
            {
                "state": _word(document["state"], "STATE"),
                "reason": document["reason"],
                "kind": _word(asked["kind"], "KIND"),
                "account": asked["account_number"],
                "payer": _money(document["payer_minor"], document["payer_currency"]),
                "payee": _money(document["payee_minor"], document["payee_currency"]),
                "rate": document["rate"],
                "counterparty": asked.get("counterparty", {}).get("name", ""),
                "purpose": asked["purpose"],
                "review": document["review_reasons"],
                "decided": f"{document['decided_by']} {document['decision_reason']}".strip(),
                "events": events,
            },
        )

    show(document, as_json=as_json, table=table)


def _line(transfer: dict[str, Any]) -> tuple[Any, ...]:
    asked = transfer["request"]
    return (
        transfer["transfer_id"],
        _word(transfer["state"], "STATE"),
        _word(asked["kind"], "KIND"),
        asked["account_number"],
        _money(asked["amount_minor"], asked["currency"]),
        transfer["create_time"],
    )


def _money(minor: int, currency: str) -> str:
    from ledger.money import format_minor

    return f"{format_minor(minor, currency)} {currency}"


def _word(name: str, what: str) -> str:
    return name.removeprefix(f"TRANSFER_{what}_").lower()


def _number(option: str, given: str, known: tuple[str, ...]) -> Any:
    """The contract's number of a word: its enums count from 1 in this order."""
    if given not in known:
        fail(f"{option} must be one of {', '.join(known)}, not {given!r}")
    return known.index(given) + 1
