"""What ComplianceService is asked for, checked: every bad field is named."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from compliance.cases.records import Wanted
from compliance.cases.states import Action, Disposition, State
from compliance.facts import Source
from compliance.results import Tier
from holdfast.v1 import compliance_pb2 as pb
from server.front.counter import check_number, check_text, moment, open_token
from server.front.fields import Violation

PROSE_SIZE_MAX: Final = 4_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECONDS_MAX: Final = 253_402_300_799 * 1_000_000
_HEX: Final = frozenset("0123456789abcdef")
_HEX_DIGITS: Final = 32

Word = TypeVar("Word", bound=StrEnum)


class Queue(StrEnum):
    """Where cases wait."""

    SANCTIONS = "sanctions"
    HIGH = "high"
    WIRES = "wires"
    CASH = "cash"
    CARDS = "cards"
    TRANSFERS = "transfers"
    BY_HAND = "by_hand"


class Words(Generic[Word]):
    """An enumeration of the contract and the words that the desk knows its values by: named alike."""

    def __init__(self, numbers: Any, prefix: str, kind: type[Word]) -> None:
        self.kind = kind
        self.numbers: dict[str, Any] = {
            word.value: numbers.Value(f"{prefix}_{word.value.upper()}") for word in kind
        }
        self.words: dict[int, Word] = {self.numbers[word.value]: word for word in kind}

    def number(self, word: str | None) -> Any:
        """The contract's number of a word; UNSPECIFIED of none."""
        return self.numbers[word] if word else 0


STATES: Final = Words(pb.CaseState, "CASE_STATE", State)
TIERS: Final = Words(pb.CaseTier, "CASE_TIER", Tier)
QUEUES: Final = Words(pb.CaseQueue, "CASE_QUEUE", Queue)
DISPOSITIONS: Final = Words(pb.CaseDisposition, "CASE_DISPOSITION", Disposition)
ACTIONS: Final = Words(pb.CaseAction, "CASE_ACTION", Action)
SOURCES: Final = Words(pb.TransactionSource, "TRANSACTION_SOURCE", Source)


def word(name: str, number: int, known: Words[Word], bad: list[Violation]) -> Word:
    """A value that must be given."""
    found = known.words.get(number)
    if found is None:
        allowed = ", ".join(text.upper() for text in known.numbers)
        bad.append(Violation(name, f"must be one of {allowed}, got {number}"))
        return next(iter(known.kind))
    return found


def words(name: str, numbers: Any, known: Words[Word], bad: list[Violation]) -> tuple[Word, ...]:
    """Values, none or several."""
    return tuple(word(f"{name}[{place}]", number, known, bad) for place, number in enumerate(numbers))


def identifier(name: str, text: str, bad: list[Violation]) -> UUID:
    """An id of 32 hex digits."""
    if len(text) == _HEX_DIGITS and _HEX.issuperset(text):
        return UUID(hex=text)
    bad.append(Violation(name, "must be 32 hexadecimal digits"))
    return UUID(int=0)


def prose(name: str, text: str, bad: list[Violation]) -> str:
    """What a person writes, in lines: bounded, no other control characters."""
    text = text.strip()
    if not 0 < len(text) <= PROSE_SIZE_MAX:
        bad.append(Violation(name, f"must be given: 1 to {PROSE_SIZE_MAX} characters, got {len(text)}"))
    elif not text.replace("\n", "").replace("\t", "").isprintable():
        bad.append(Violation(name, "must be printable characters, tabs and line ends"))
    return text


def about(request: Any, bad: list[Violation]) -> tuple[Source | None, UUID | None]:
    """The transaction that a request may name."""
    if not request.source and not request.source_id:
        return None, None
    return word("source", request.source, SOURCES, bad), identifier("source_id", request.source_id, bad)


def position(token: str, bad: list[Violation]) -> tuple[datetime, UUID] | None:
    """The time and id in a page token."""
    parts = open_token(token, 2, bad)
    if parts is None:
        return None
    if not (0 <= parts[0] <= _MICROSECONDS_MAX and 0 <= parts[1] < 1 << 128):
        bad.append(Violation("page_token", "must be the next_page_token of an answer, or absent"))
        return None
    return _EPOCH + timedelta(microseconds=parts[0]), UUID(int=parts[1])


def wanted(request: Any, bad: list[Violation]) -> Wanted:
    """Which cases a ListCasesRequest asks for."""
    number = assignee = None
    if request.HasField("customer_number"):
        number = check_number("customer_number", request.customer_number, bad)
    if request.HasField("assignee"):
        assignee = check_text("assignee", request.assignee, 100, bad)
    return Wanted(
        states=words("states", request.states, STATES, bad),
        tiers=words("tiers", request.tiers, TIERS, bad),
        queues=words("queues", request.queues, QUEUES, bad),
        assignee=assignee,
        customer_number=number,
        source_id=identifier("source_id", request.source_id, bad) if request.source_id else None,
        overdue=request.overdue,
        since=moment(request, "start_time", bad),
        until=moment(request, "end_time", bad),
        after=position(request.page_token, bad),
    )
