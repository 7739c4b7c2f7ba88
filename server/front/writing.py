"""From DECISION records to messages of the contract."""

from collections.abc import Callable
from typing import Any, Final

from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from scoring.velocity import flag_names
from server.core.policy import names
from server.core.record import DECISION, Operation
from server.front.codes import currency_letters

_FIELDS: Final = list(DECISION.names or ())
_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_ID: Final = _FIELDS.index("authorization_id")
_CODE: Final = _FIELDS.index("response_code")
_AUTHORIZATION_CODE: Final = _FIELDS.index("authorization_code")
_APPROVED: Final = _FIELDS.index("approved_minor")
_AVAILABLE: Final = _FIELDS.index("available_minor")
_CURRENCY: Final = _FIELDS.index("billing_currency")
_SCORE: Final = _FIELDS.index("risk_score")
_REASONS: Final = _FIELDS.index("reasons")
_VELOCITY_FLAGS: Final = _FIELDS.index("velocity_flags")
_OPERATION: Final = _FIELDS.index("operation")
_REPLAYED: Final = _FIELDS.index("replayed")
_STAND_IN: Final = _FIELDS.index("stand_in")
_names: Final[dict[int, list[str]]] = {0: []}
_flags: Final[dict[int, list[str]]] = {0: []}
_CACHED_MAX: Final = 4096


def authorize_response(answer: NDArray[Any]) -> Any:
    """The AuthorizeResponse of one DECISION."""
    return _authorize(answer.tolist())


def reverse_response(answer: NDArray[Any]) -> Any:
    """The ReverseResponse of one DECISION."""
    return _reverse(answer.tolist())


def link_answers(sequences: list[int], answers: NDArray[Any]) -> list[Any]:
    """The LinkAnswers of DECISION[n], for the sender's n sequence numbers."""
    written = []
    for sequence, row in zip(sequences, answers.tolist(), strict=True):
        if row[_OPERATION] == _AUTHORIZE:
            written.append(pb.LinkAnswer(sequence=sequence, authorize=_authorize(row)))
        else:
            written.append(pb.LinkAnswer(sequence=sequence, reverse=_reverse(row)))
    return written


def _authorize(row: Any) -> Any:
    return pb.AuthorizeResponse(
        response_code=row[_CODE].decode(),
        authorization_code=row[_AUTHORIZATION_CODE].decode(),
        authorization_id=_identifier(row),
        approved_amount_minor=row[_APPROVED],
        billing_currency=currency_letters().get(row[_CURRENCY], ""),
        available_minor=row[_AVAILABLE],
        risk_score=row[_SCORE],
        reasons=_named(_names, names, row[_REASONS]),
        velocity_flags=_named(_flags, flag_names, row[_VELOCITY_FLAGS]),
        replayed=row[_REPLAYED] != 0,
        stand_in=row[_STAND_IN] != 0,
    )


def _reverse(row: Any) -> Any:
    return pb.ReverseResponse(
        response_code=row[_CODE].decode(), released_minor=row[_APPROVED], replayed=row[_REPLAYED] != 0
    )


def _identifier(row: Any) -> str:
    low, high = row[_ID].tolist()
    return f"{high:016x}{low:016x}" if high or low else ""


def _named(known: dict[int, list[str]], name: Callable[[int], list[str]], bits: int) -> list[str]:
    """The names of a bit set; the sets that occur are few."""
    found = known.get(bits)
    if found is None:
        found = name(bits)
        if len(known) < _CACHED_MAX:
            known[bits] = found
    return found
