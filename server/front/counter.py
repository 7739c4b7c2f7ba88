"""
What the services beside AuthorizationService share: bytes to messages, errors to statuses, the checks of common fields.

As with authorizations, handlers get raw bytes and parse them themselves, and every bad field is named.
"""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

from ledger.book import LedgerError
from ledger.money import is_currency
from server.banking.refusals import Refused, Unfit
from server.front.clients import Callers, entered
from server.front.codes import currency_numbers
from server.front.fields import BadRequest, Violation, check_time, parse
from server.front.masking import masked
from server.front.service import status_of
from server.store.database import TRANSIENT
from server.store.holdings import KeyReused
from server.store.postgres import StoreError

DOMAIN: Final = "holdfast"
DEADLINE_S: Final = 10.0
"""What takes longer goes on in the ledger, where it was asked: the request may be sent again."""

PAGE_SIZE: Final = 50
PAGE_SIZE_MAX: Final = 200
KEY_SIZE_MAX: Final = 64
NUMBER_MAX: Final = (1 << 31) - 1
_NS: Final = 1_000_000_000
_SIGN: Final = 1 << 63


def unary(
    callers: Callers, method: str, kind: type[Any], handle: Callable[[Any, int], Awaitable[Any]]
) -> Any:
    """The handler of a message of this kind, sent to Service/Method: `handle(message, sender)` answers with one."""

    async def answer(raw: bytes, context: Any) -> bytes:
        deadline = asyncio.timeout(DEADLINE_S)
        try:
            async with deadline:
                with entered(callers, context, method) as caller:
                    reply = await handle(parse(kind, raw), _signed(caller.sender))
        except Exception as error:
            status = too_late() if deadline.expired() else fault(error)
            if status is not None:
                await context.abort_with_status(rpc_status.to_status(status))
            raise
        return bytes(reply.SerializeToString())

    return grpc.unary_unary_rpc_method_handler(answer)


def too_late() -> Any:
    """The status of a call that took longer than it may."""
    text = f"the ledger or PostgreSQL has not answered within {DEADLINE_S:g} s: send the same request again"
    return status_pb2.Status(code=code_pb2.UNAVAILABLE, message=text)


def _signed(sender: int) -> int:
    """A digest of 64 bits as PostgreSQL keeps it."""
    return sender - 2 * _SIGN if sender >= _SIGN else sender


def fault(error: Exception) -> Any | None:
    """The status that tells a caller of an error; None of a bug."""
    if isinstance(error, Unfit):
        return status_of(BadRequest([Violation(bad.field, bad.description) for bad in error.fields]))
    if isinstance(error, Refused):
        return refusal(error.reason, str(error))
    if isinstance(error, KeyReused):
        return status_pb2.Status(code=code_pb2.ALREADY_EXISTS, message=str(error))
    if isinstance(error, LedgerError):
        return status_pb2.Status(code=code_pb2.UNAVAILABLE, message=f"the ledger can't be asked: {error}")
    if isinstance(error, (StoreError, *TRANSIENT)):
        text = f"PostgreSQL can't be asked: {type(error).__name__}: {error}"
        return status_pb2.Status(code=code_pb2.UNAVAILABLE, message=text)
    return status_of(error)


def refusal(reason: str, text: str) -> Any:
    """FAILED_PRECONDITION: nothing was done, for `reason` to programs and `text` to people."""
    detail = any_pb2.Any()
    detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=DOMAIN))
    return status_pb2.Status(code=code_pb2.FAILED_PRECONDITION, message=text, details=[detail])


def refuse_bad(bad: list[Violation]) -> None:
    """Raises BadRequest where a field is bad."""
    if bad:
        raise BadRequest(bad)


def digest_of(message: Any) -> bytes:
    """What a request says: the same key with other content is refused."""
    return hashlib.blake2b(message.SerializeToString(deterministic=True), digest_size=16).digest()


def check_key(text: str, bad: list[Violation]) -> str:
    """An idempotency key."""
    if not (0 < len(text) <= KEY_SIZE_MAX and text.isascii() and text.isprintable()):
        bad.append(Violation("idempotency_key", f"must be 1 to {KEY_SIZE_MAX} printable ASCII characters"))
    return text


def check_number(name: str, value: int, bad: list[Violation]) -> int:
    """A number of an account or customer."""
    if not 0 <= value <= NUMBER_MAX:
        bad.append(Violation(name, f"must be 0 to {NUMBER_MAX}, got {value}"))
    return value


def check_currency(text: str, bad: list[Violation]) -> int:
    """A currency that amounts can be kept in; its ISO 4217 number, 0 where it is bad."""
    if not is_currency(text):
        bad.append(Violation("currency", "must be an ISO 4217 alpha-3 code with minor units, such as USD"))
        return 0
    return currency_numbers()[text]


def check_text(name: str, text: str, size_max: int, bad: list[Violation], *, required: bool = False) -> str:
    """Words of a person: bounded, printable, without blanks around them."""
    if len(text) > size_max or not text.isprintable():
        bad.append(Violation(name, f"must be at most {size_max} printable characters"))
    elif required and not text.strip():
        bad.append(Violation(name, f"must be given: 1 to {size_max} printable characters"))
    return text.strip()


def check_words(name: str, text: str, size_max: int, bad: list[Violation]) -> str:
    """Why, or who says so, as `check_text` of what must be given; it is kept as it is but for what may be a card number."""
    return masked(check_text(name, text, size_max, bad, required=True)).decode()


def check_page_size(size: int, bad: list[Violation]) -> int:
    """How much a page holds."""
    if not 0 <= size <= PAGE_SIZE_MAX:
        bad.append(Violation("page_size", f"must be 0 to {PAGE_SIZE_MAX}, got {size}"))
    return size or PAGE_SIZE


def time_ns(message: Any, name: str, bad: list[Violation], otherwise: int) -> int:
    """A moment in nanoseconds since 1970; `otherwise` where it is absent."""
    if not message.HasField(name):
        return otherwise
    stamp = getattr(message, name)
    if not check_time(stamp, name, bad):
        return otherwise
    return int(stamp.seconds) * _NS + int(stamp.nanos)


def moment(message: Any, name: str, bad: list[Violation]) -> datetime | None:
    """A moment; None where it is absent."""
    if not message.HasField(name) or not check_time(getattr(message, name), name, bad):
        return None
    found: datetime = getattr(message, name).ToDatetime(tzinfo=UTC)
    return found


def stamp_of(when: datetime) -> Any:
    """A moment of PostgreSQL's as the contract has it."""
    stamp = Timestamp()
    stamp.FromDatetime(when)
    return stamp


def stamp_of_ns(when_ns: int) -> Any:
    """A moment of the ledger's as the contract has it."""
    return Timestamp(seconds=when_ns // _NS, nanos=when_ns % _NS)


def seal_token(*parts: object) -> str:
    """A page token: opaque to callers, no secret."""
    return base64.urlsafe_b64encode("/".join(map(str, parts)).encode()).decode()


def open_token(token: str, parts: int, bad: list[Violation]) -> list[int] | None:
    """The numbers in a page token; None for the first page."""
    if not token:
        return None
    try:
        numbers = [int(part) for part in base64.b64decode(token, b"-_", validate=True).decode().split("/")]
        if len(numbers) != parts:
            raise ValueError("another number of parts")
    except ValueError:
        bad.append(Violation("page_token", "must be the next_page_token of an answer, or absent"))
        return None
    return numbers
