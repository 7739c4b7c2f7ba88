"""What a newcomer sees when the demo is ready: one real authorization, two ways to send the next, and cases to file on."""

import asyncio
import json
import secrets
import shlex
import time
from datetime import UTC, datetime
from typing import Any, Final

import grpc

from compliance.filings.profiles import ProfileError
from holdfast.v1 import authorization_pb2 as pb
from holdfast.v1 import transfers_pb2
from server.cli.calls import TARGET, as_document
from server.cli.output import say
from server.keys import Keys
from server.office.demo import OFFICER, ensure_profiles, put_bank, stories
from server.settings import Settings
from server.store.database import TRANSIENT, Database
from server.store.portfolio import demo_pan
from server.store.postgres import StoreError
from server.tasks import to_its_end

_METHOD: Final = "holdfast.v1.AuthorizationService/Authorize"
_TRANSFER: Final = "holdfast.v1.TransferService/CreateTransfer"
_TIMEOUT_S: Final = 5.0
_BRING_S: Final = 20.0
_FILING: Final = (
    "cash for compliance: four deposits under 10,000 on account 0, one of 15,200 on account 1. Reports on them, in another",
    "shell, as people of a bank that is made up; CASE and FILING are what the commands print:",
    '  . {bank}; PATH="$PWD/.venv/bin:$PATH"',
    "  holdfast filings schemas EFL_SARXBatchSchema.xsd EFL_CTRXBatchSchema.xsd  # FinCEN's: they are not shipped",
    "  holdfast filings due",
    "  HOLDFAST_COMPLIANCE_USER={officer} holdfast cases decide CASE suspicious --reason 'parts of one sum'",
    "  holdfast filings prepare CASE sar",
    "  HOLDFAST_COMPLIANCE_USER={officer} holdfast cases decide CASE cleared --action release_transfer --reason 'takings'",
    "  holdfast filings prepare CASE ctr",
    "  HOLDFAST_COMPLIANCE_USER={officer} holdfast filings approve FILING --accept-unknown",
    "  HOLDFAST_COMPLIANCE_USER={officer} holdfast filings export sar",
    "  HOLDFAST_COMPLIANCE_USER={officer} holdfast filings export ctr",
    '  holdfast filings validate "$HOLDFAST_HOME"/filings/*.xml',
)
"""A handful of commands; of `due`, a case with a sar is the first story, the one with a ctr alone the second."""


async def demonstrate(target: str) -> None:
    """Send one authorization to the server, and print it with its answer, or why it got none."""
    request = _request()
    try:
        async with grpc.aio.insecure_channel(target) as channel:
            raw = await channel.unary_unary(f"/{_METHOD}")(request.SerializeToString(), timeout=_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        answered = f"no answer: {error.details()}"
    else:
        answer = as_document(pb.AuthorizeResponse.FromString(raw))
        answered = f"answer {answer['response_code']}, {json.dumps(answer)}"
    say("")
    say(f"one authorization, sent to itself: card {request.pan}, 12.50 USD at {request.merchant.name}")
    say(f"  {answered}", markup=False)
    say("")
    say("the same with grpcurl (once a minute or so: the transmission time must be near the server's clock):")
    say(f"  {grpcurl(request, target)}", markup=False)
    say("and with the command line:")
    where = "" if target == TARGET else f" --target {target}"
    say(f"  .venv/bin/holdfast authorize {request.pan} 12.50{where}", markup=False)
    say("")


async def tell_stories(target: str, settings: Settings) -> None:
    """
    Send the demo's cash to the server, once for all starts, and print how it becomes reports that validate.

    A portfolio where it finds no place (one card, an account that was closed) is told so; the server goes on.
    """
    try:
        await to_its_end(_bring_people(settings))
        async with grpc.aio.insecure_channel(target) as channel:
            create = channel.unary_unary(f"/{_TRANSFER}")
            for fields in stories():
                request = transfers_pb2.CreateTransferRequest(**fields)
                await create(request.SerializeToString(), timeout=_TIMEOUT_S)
    except grpc.aio.AioRpcError as error:
        say(f"the demo's cash for compliance was not taken: {error.details()}", markup=False)
        return
    except (ProfileError, StoreError, *TRANSIENT) as error:
        say(f"the demo's cash for compliance was not brought: {error}", markup=False)
        return
    bank = put_bank(settings.home)
    for line in _FILING:
        say(line.format(bank=shlex.quote(str(bank)), officer=OFFICER), markup=False)
    say("")


async def _bring_people(settings: Settings) -> None:
    """The connections are closed again, whoever stops meanwhile: what is left open holds up the server's end."""
    async with (
        asyncio.timeout(_BRING_S),
        Database.beside(settings.home, settings.database_url) as database,
    ):
        await ensure_profiles(database, Keys.open(settings.home), datetime.now(UTC))


def grpcurl(request: Any, target: str) -> str:
    """The grpcurl command that sends this request; times and trace numbers are made anew by the shell."""
    from google.protobuf.json_format import MessageToDict

    document = MessageToDict(request, preserving_proto_field_name=True)
    document["key"]["transmission_time"] = "NOW"
    document["key"]["stan"] = "STAN"
    text = json.dumps(document)
    quoted = shlex.quote(text).replace('"NOW"', "\"'$(date -u +%FT%TZ)'\"").replace('"STAN"', "'$((RANDOM))'")
    return f"grpcurl -plaintext -d {quoted} {target} {_METHOD}"


def _request() -> Any:
    request = pb.AuthorizeRequest(
        pan=demo_pan(0),
        transaction_type=pb.TRANSACTION_TYPE_PURCHASE,
        amount_minor=1250,
        currency="USD",
        entry_mode=pb.ENTRY_MODE_CHIP,
        card_present=True,
        expiry_yymm=3012,
    )
    request.key.acquirer_id = "123456"
    request.key.stan = secrets.randbelow(1_000_000)
    request.key.retrieval_reference = f"{secrets.randbelow(10**12):012d}"
    request.key.terminal_id = "TERM0001"
    request.key.transmission_time.FromSeconds(int(time.time()))
    request.merchant.merchant_id = "MERCHANT0000001"
    request.merchant.name = "Corner Coffee"
    request.merchant.city = "New York"
    request.merchant.country = "US"
    request.merchant.category_code = "5812"
    return request
