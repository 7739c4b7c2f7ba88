"""
Commands that talk to a running server: authorize, increment, reverse, clear, explain.

They are ordinary clients of the contract.
"""

import secrets
import time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import typer

from server.cli.output import explained, facts, fail, rows, show

Target = Annotated[str, typer.Option(help="The server's address.", envvar="HOLDFAST_TARGET")]
Tls = Annotated[
    Path | None,
    typer.Option(
        help="Folder with ca.crt, tls.crt and tls.key to speak TLS with; without it plain.",
        envvar="HOLDFAST_TLS",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
AuthorizationId = Annotated[str, typer.Argument(help="32 hexadecimal digits of the answer.")]
Currency = Annotated[str, typer.Option(help="ISO 4217 alpha-3.")]
TARGET: Final = "127.0.0.1:50051"
_TIMEOUT_S: Final = 5.0
_TYPES: Final = {
    "purchase": 1,
    "cash": 2,
    "cashback": 3,
    "quasi-cash": 4,
    "refund": 5,
    "balance": 6,
    "status": 7,
    "funding": 8,
    "credit": 9,
}
_MODES: Final = {
    "unspecified": 0,
    "manual": 1,
    "stripe": 2,
    "chip": 3,
    "contactless": 4,
    "ecommerce": 5,
    "on-file": 6,
}


class CallFailed(RuntimeError):  # noqa: N818 - told as what it is
    """The server could not form an answer; the text says why."""


class Peer(NamedTuple):
    """A server: its address, and the folder of what TLS is spoken with; None for plain."""

    target: str
    tls: Path | None = None

    def channel(self) -> Any:
        """A channel to it, a context. Raises CallFailed where a file can't be read."""
        import grpc

        options = [("grpc.enable_retries", 0)]
        if self.tls is None:
            return grpc.insecure_channel(self.target, options=options)
        try:
            ca, certificate, key = (
                (self.tls / name).read_bytes() for name in ("ca.crt", "tls.crt", "tls.key")
            )
        except OSError as error:
            raise CallFailed(f"--tls: {error.filename} can't be read: {error.strerror}") from error
        return grpc.secure_channel(
            self.target, grpc.ssl_channel_credentials(ca, key, certificate), options=options
        )


@explained(CallFailed)
def authorize(
    pan: Annotated[str, typer.Argument(help="Card number, or a token beginning with card_.")],
    amount: Annotated[str, typer.Argument(help="Amount in major units, such as 12.50.")],
    currency: Annotated[str, typer.Option(help="ISO 4217 alpha-3.")] = "USD",
    kind: Annotated[str, typer.Option("--type", help=f"One of {', '.join(_TYPES)}.")] = "purchase",
    entry_mode: Annotated[str, typer.Option(help=f"One of {', '.join(_MODES)}.")] = "chip",
    merchant: Annotated[str, typer.Option(help="Merchant name, up to 25 characters.")] = "Corner Coffee",
    merchant_id: Annotated[str, typer.Option(help="Merchant id, up to 15 characters.")] = "MERCHANT0000001",
    category: Annotated[str, typer.Option(help="Merchant category code, 4 digits.")] = "5812",
    country: Annotated[str, typer.Option(help="The merchant's country, ISO 3166-1 alpha-2.")] = "US",
    city: Annotated[str, typer.Option(help="The merchant's city.")] = "New York",
    expiry: Annotated[int, typer.Option(help="Expiry as YYMM; 0 leaves it out.")] = 0,
    stan: Annotated[int, typer.Option(help="System trace audit number; -1 draws one.")] = -1,
    partial: Annotated[bool, typer.Option("--partial", help="Allow a partial approval.")] = False,
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Send one authorization and print the answer. A decline is an answer: the exit status is 0."""
    from holdfast.v1 import authorization_pb2 as pb

    request = pb.AuthorizeRequest(
        key=_fresh_key(stan),
        transaction_type=_choice("--type", kind, _TYPES),
        amount_minor=minor_units(amount, currency),
        currency=currency,
        merchant=pb.Merchant(
            merchant_id=merchant_id, name=merchant, city=city, country=country, category_code=category
        ),
        entry_mode=_choice("--entry-mode", entry_mode, _MODES),
        card_present=_MODES.get(entry_mode, 0) < _MODES["ecommerce"],
        partial_approval_allowed=partial,
        expiry_yymm=expiry,
    )
    request.local_time.FromSeconds(int(time.time()))
    if pan.startswith("card_"):
        request.card_token = pan
    else:
        request.pan = pan
    response = call(Peer(target, tls), "Authorize", request, pb.AuthorizeResponse)
    _show_answer(response, as_json=as_json)


@explained(CallFailed)
def increment(
    authorization_id: AuthorizationId,
    amount: Annotated[str, typer.Argument(help="Amount in major units of the account's currency.")],
    cumulative: Annotated[bool, typer.Option("--to", help="The amount is the new total.")] = False,
    currency: Currency = "USD",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Raise what an authorization holds and print the answer."""
    from holdfast.v1 import authorization_pb2 as pb

    request = pb.IncrementRequest(
        key=_fresh_key(-1),
        authorization_id=authorization_id,
        amount_minor=minor_units(amount, currency),
        cumulative=cumulative,
    )
    _show_answer(call(Peer(target, tls), "Increment", request, pb.AuthorizeResponse), as_json=as_json)


@explained(CallFailed)
def clear(
    authorization_id: Annotated[
        str, typer.Argument(help='32 hexadecimal digits of the answer; "" posts to --pan without one.')
    ],
    amount: Annotated[str, typer.Argument(help="Amount in major units of the account's currency.")],
    more: Annotated[
        bool, typer.Option("--more", help="More presentments follow: the rest stays held.")
    ] = False,
    credit: Annotated[bool, typer.Option("--credit", help="A refund.")] = False,
    pan: Annotated[str, typer.Option(help="Card number or token, where there is no authorization.")] = "",
    currency: Currency = "USD",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Present an amount of an authorization, or post one to a card, and print what was posted."""
    from holdfast.v1 import authorization_pb2 as pb

    request = pb.ClearRequest(
        key=_fresh_key(-1),
        authorization_id=authorization_id,
        amount_minor=minor_units(amount, currency),
        final=not more,
        credit=credit,
    )
    if pan:
        setattr(request, "card_token" if pan.startswith("card_") else "pan", pan)
    document = as_document(call(Peer(target, tls), "Clear", request, pb.ClearResponse))
    show(document, as_json=as_json, table=lambda: facts("clearing", document))


@explained(CallFailed)
def reverse(
    authorization_id: AuthorizationId,
    remaining: Annotated[
        str, typer.Option(help="What stays held, in major units; 0 reverses in full.")
    ] = "0",
    currency: Currency = "USD",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Reverse an authorization, in full or in part, and print what was released."""
    from holdfast.v1 import authorization_pb2 as pb

    request = pb.ReverseRequest(
        key=_fresh_key(-1),
        authorization_id=authorization_id,
        remaining_minor=minor_units(remaining, currency),
    )
    document = as_document(call(Peer(target, tls), "Reverse", request, pb.ReverseResponse))
    show(document, as_json=as_json, table=lambda: facts("reversal", document))


@explained(CallFailed)
def explain(
    authorization_id: Annotated[str, typer.Argument(help="32 hexadecimal digits of the answer.")],
    every: Annotated[bool, typer.Option("--all", help="Also the checks that passed.")] = False,
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """Why an authorization was answered as it was: checks, score, ledger transfers."""
    from rich.console import Group

    from holdfast.v1 import authorization_pb2 as pb

    request = pb.ExplainRequest(authorization_id=authorization_id)
    document = as_document(call(Peer(target, tls), "Explain", request, pb.Explanation))

    def tables() -> Group:
        asked, answer = document["request"], document["response"]
        checks = [check for check in document["checks"] if every or not check["passed"]]
        return Group(
            facts(
                f"authorization {authorization_id}",
                {
                    "answer": answer["response_code"],
                    "card": asked.get("pan") or asked.get("card_token"),
                    "amount_minor": f"{asked['amount_minor']} {asked['currency']}",
                    "merchant": f"{asked['merchant']['name']} ({asked['merchant']['category_code']})",
                    "risk_score": f"{answer['risk_score']:.4f} by {document['model_version'] or 'no model'}",
                    "decided": document["decision_time"],
                },
            ),
            rows(
                "checks" if every else "checks that failed",
                ("check", "passed", "code", "inputs"),
                [
                    (
                        c["name"],
                        c["passed"],
                        c["response_code"],
                        [f"{k}={v}" for k, v in sorted(c["inputs"].items())],
                    )
                    for c in checks
                ],
            ),
            rows(
                "score",
                ("feature", "log-odds", "why"),
                [
                    (r["feature"], f"{r['contribution']:+.3f}", r["text"])
                    for r in [*document["score_reasons"][:-1][:8], *document["score_reasons"][-1:]]
                ],
            ),
            rows(
                "ledger",
                ("transfer", "from", "to", "amount_minor", "state"),
                [
                    (t["transfer_id"], t["debit_account"], t["credit_account"], t["amount_minor"], t["state"])
                    for t in document["transfers"]
                ],
            ),
        )

    show(document, as_json=as_json, table=tables)


class NoAnswer(CallFailed):
    """Nobody answers at the address, or what is behind him can't be asked now."""


def call(
    peer: Peer, method: str, request: Any, response_type: Any, *, service: str = "AuthorizationService"
) -> Any:
    """One unary call. Raises CallFailed with the server's words, field by field; NoAnswer where it has none."""
    import grpc
    from google.rpc import error_details_pb2
    from grpc_status import rpc_status

    with peer.channel() as channel:
        rpc = channel.unary_unary(
            f"/holdfast.v1.{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=response_type.FromString,
        )
        try:
            return rpc(request, timeout=_TIMEOUT_S)
        except grpc.RpcError as error:
            status = rpc_status.from_call(error)
            lines = []
            for detail in status.details if status else ():
                bad = error_details_pb2.BadRequest()
                if detail.Unpack(bad):
                    lines += [f"\n  {v.field or 'message'}: {v.description}" for v in bad.field_violations]
            if error.code() == grpc.StatusCode.UNAVAILABLE:
                text = f"no answer from {peer.target} ({error.details()}). Is the server running? Start it with `make run`."
                raise NoAnswer(text) from error
            text = f"{error.code().name}: " + ("".join(lines) or str(error.details()))
            raise CallFailed(text) from error


def as_document(message: Any) -> dict[str, Any]:
    """A message as JSON values under the contract's own names, defaults included; int64 stay numbers."""
    from google.protobuf.json_format import MessageToDict

    document = MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return _numbers(message.DESCRIPTOR, document)


def _numbers(descriptor: Any, document: dict[str, Any]) -> dict[str, Any]:
    for field in descriptor.fields:
        value = document.get(field.name)
        if value is None or (field.message_type and field.message_type.GetOptions().map_entry):
            continue
        if field.message_type and isinstance(value, dict):
            _numbers(field.message_type, value)
        elif field.message_type and isinstance(value, list):
            for item in value:
                _numbers(field.message_type, item)
        elif field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64) and isinstance(value, str):
            document[field.name] = int(value)
    return document


def _show_answer(response: Any, *, as_json: bool) -> None:
    document = as_document(response)
    show(document, as_json=as_json, table=lambda: facts("answer", document))


def _fresh_key(stan: int) -> Any:
    from holdfast.v1 import authorization_pb2 as pb

    key = pb.MessageKey(
        acquirer_id="123456",
        stan=secrets.randbelow(1_000_000) if stan < 0 else stan,
        retrieval_reference=f"{secrets.randbelow(10**12):012d}",
        terminal_id="TERM0001",
    )
    key.transmission_time.FromSeconds(int(time.time()))
    return key


def _choice(option: str, given: str, known: dict[str, int]) -> Any:
    if given not in known:
        fail(f"{option} must be one of {', '.join(known)}, not {given!r}")
    return known[given]


def minor_units(amount: str, currency: str) -> int:
    """What a person writes as major units, in minor units; ends the command where it is no amount."""
    from ledger.money import exponent

    try:
        minor = Decimal(amount).scaleb(exponent(currency))
    except (InvalidOperation, KeyError, ValueError):
        fail(f"{amount!r} {currency} is no amount: write it like 12.50 USD")
    if not minor.is_finite() or abs(minor) >= 2**63:
        fail(f"{amount!r} {currency} is no amount that can be booked")
    if minor != minor.to_integral_value():
        fail(f"{amount} has more decimals than {currency} knows")
    return int(minor)
