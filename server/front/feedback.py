"""FeedbackService over gRPC: labels checked one by one, the desk told, its answers as messages of the contract."""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, Final
from uuid import UUID

import grpc

from holdfast.v1 import feedback_pb2 as pb
from scoring.attempt import Verdict
from server.fraud.labels import AT_ONCE, LabelDesk, Outcome, Told
from server.front.clients import Callers
from server.front.counter import KEY_SIZE_MAX, check_words, moment, refuse_bad, stamp_of, unary
from server.front.fields import Violation
from server.store.labels import StoredLabel

SERVICE: Final = "holdfast.v1.FeedbackService"
SOURCE_SIZE_MAX: Final = 40
REPORTER_SIZE_MAX: Final = 100
_HEX: Final = frozenset("0123456789abcdef")
_HEX_DIGITS: Final = 32


class FeedbackService:
    """The handlers."""

    name: Final = SERVICE

    def __init__(self, desk: LabelDesk, callers: Callers) -> None:
        self._desk = desk
        self._callers = callers

    def handler(self) -> Any:
        """The generic handler to register with a server."""
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "LabelTransactions": unary(
                    self._callers,
                    "FeedbackService/LabelTransactions",
                    pb.LabelTransactionsRequest,
                    self.label_transactions,
                ),
                "ListLabels": unary(
                    self._callers, "FeedbackService/ListLabels", pb.ListLabelsRequest, self.list_labels
                ),
            },
        )

    async def label_transactions(self, request: Any, sender: int) -> Any:
        """See the contract."""
        if not 1 <= len(request.labels) <= AT_ONCE:
            refuse_bad([Violation("labels", f"must be 1 to {AT_ONCE} labels, got {len(request.labels)}")])
        results: list[Any] = []
        told: list[Told] = []
        waiting: list[Any] = []
        for label in request.labels:
            bad: list[Violation] = []
            entry = _told(label, bad)
            result = pb.LabelResult(authorization_id=label.authorization_id)
            results.append(result)
            if entry is None:
                _refuse(result, [(violation.field, violation.description) for violation in bad])
            else:
                told.append(entry)
                waiting.append(result)
        if told:
            for result, outcome in zip(waiting, await self._desk.tell(told, sender), strict=True):
                _fill(result, outcome)
        return pb.LabelTransactionsResponse(results=results)

    async def list_labels(self, request: Any, _sender: int) -> Any:
        """See the contract."""
        bad: list[Violation] = []
        identifier = _identifier(request.authorization_id, bad)
        refuse_bad(bad)
        stored = await self._desk.history(identifier)
        if not stored:
            raise LookupError(f"nothing was told of an authorization {request.authorization_id}")
        return pb.ListLabelsResponse(
            labels=[_stored(label, standing=label is stored[-1]) for label in stored]
        )


def _told(label: Any, bad: list[Violation]) -> Told | None:
    """The label as the desk takes it; None where a field is bad."""
    identifier = _identifier(label.authorization_id, bad)
    if label.verdict not in set(Verdict):
        bad.append(Violation("verdict", "must be FRAUD, DISPUTE or FALSE_POSITIVE"))
    report_id = label.report_id
    if not (len(report_id) <= KEY_SIZE_MAX and report_id.isascii() and report_id.isprintable()):
        bad.append(Violation("report_id", f"must be at most {KEY_SIZE_MAX} printable ASCII characters"))
    source = check_words("source", label.source, SOURCE_SIZE_MAX, bad)
    reported_by = check_words("reported_by", label.reported_by, REPORTER_SIZE_MAX, bad)
    learnt_at = moment(label, "learnt_time", bad)
    if bad:
        return None
    return Told(identifier, Verdict(label.verdict), source, reported_by, report_id, learnt_at)


def _identifier(text: str, bad: list[Violation]) -> UUID:
    if len(text) == _HEX_DIGITS and _HEX.issuperset(text):
        return UUID(hex=text)
    bad.append(Violation("authorization_id", "must be the 32 hexadecimal digits of an answer"))
    return UUID(int=0)


def _fill(result: Any, outcome: Outcome) -> None:
    if outcome.errors:
        _refuse(result, outcome.errors)
        return
    result.accepted = True
    result.replayed = outcome.replayed
    result.standing = 0 if outcome.standing is None else int(outcome.standing)


def _refuse(result: Any, errors: Sequence[tuple[str, str]]) -> None:
    for name, description in errors:
        result.errors.add(field=name, description=description)


def _stored(label: StoredLabel, *, standing: bool) -> Any:
    told = label.told
    number: Any = int(told.verdict)
    answer = pb.StoredLabel(standing=standing, learnt=label.taken_at is not None)
    answer.label.authorization_id = told.authorization_id.hex
    answer.label.verdict = number
    answer.label.source, answer.label.reported_by = told.source, told.reported_by
    answer.label.report_id = told.report_id
    answer.label.learnt_time.CopyFrom(stamp_of(told.learnt_at.astimezone(UTC)))
    answer.received_time.CopyFrom(stamp_of(told.received_at.astimezone(UTC)))
    return answer
