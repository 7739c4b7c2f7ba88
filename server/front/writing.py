"""From the core's answers to messages of the contract."""

from collections.abc import Callable
from typing import Any, Final

from holdfast.v1 import authorization_pb2 as pb
from scoring.velocity import flag_names
from server.core.authorizer import Answer
from server.core.policy import names
from server.core.record import ANSWER_FIELDS, Operation
from server.front.codes import currency_letters

_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_ID_LOW: Final = ANSWER_FIELDS.index("id_low")
_ID_HIGH: Final = ANSWER_FIELDS.index("id_high")
_CODE: Final = ANSWER_FIELDS.index("response_code")
_AUTHORIZATION_CODE: Final = ANSWER_FIELDS.index("authorization_code")
_APPROVED: Final = ANSWER_FIELDS.index("approved_minor")
_AVAILABLE: Final = ANSWER_FIELDS.index("available_minor")
_CURRENCY: Final = ANSWER_FIELDS.index("billing_currency")
_SCORE: Final = ANSWER_FIELDS.index("risk_score")
_REASONS: Final = ANSWER_FIELDS.index("reasons")
_VELOCITY_FLAGS: Final = ANSWER_FIELDS.index("velocity_flags")
_OPERATION: Final = ANSWER_FIELDS.index("operation")
_REPLAYED: Final = ANSWER_FIELDS.index("replayed")
_STAND_IN: Final = ANSWER_FIELDS.index("stand_in")
_names: Final[dict[int, list[str]]] = {0: []}
_flags: Final[dict[int, list[str]]] = {0: []}
_CACHED_MAX: Final = 4096


def link_answers(sequences: list[int], answers: list[Answer]) -> list[Any]:
    """The LinkAnswers of n answers, for the sender's n sequence numbers."""
    written = []
    for sequence, answer in zip(sequences, answers, strict=True):
        if answer[_OPERATION] == _AUTHORIZE:
            written.append(pb.LinkAnswer(sequence=sequence, authorize=authorize_response(answer)))
        else:
            written.append(pb.LinkAnswer(sequence=sequence, reverse=reverse_response(answer)))
    return written


def authorize_response(row: Answer) -> Any:
    """The AuthorizeResponse of one answer."""
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


def reverse_response(row: Answer) -> Any:
    """The ReverseResponse of one answer."""
    return pb.ReverseResponse(
        response_code=row[_CODE].decode(), released_minor=row[_APPROVED], replayed=row[_REPLAYED] != 0
    )


def _identifier(row: Answer) -> str:
    low, high = row[_ID_LOW], row[_ID_HIGH]
    return f"{high:016x}{low:016x}" if high or low else ""


def _named(known: dict[int, list[str]], name: Callable[[int], list[str]], bits: int) -> list[str]:
    """The names of a bit set; the sets that occur are few."""
    found = known.get(bits)
    if found is None:
        found = name(bits)
        if len(known) < _CACHED_MAX:
            known[bits] = found
    return found
