"""
From DECISION records to the contract's answers, encoded by a kernel.

The bytes are those that the protobuf library would make of the same values; a test holds it. Measured: 5 us an answer by
the library's objects, 0.3 us this way. Source of the encoding: protobuf.dev/programming-guides/encoding.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.reason_codes import ReasonCode
from server.core.names import NAME_BYTES_MAX, Names, texts_of
from server.core.policy import CHECKS, ORDER, Check
from server.core.record import DECISION, DECISION_NUMBERS, NAMED_MAX, Operation, seen_as
from server.front.codes import currency_numbers

_ANSWER_SIZE_MAX: Final = 3072
assert (
    sum(len(rule.name) + 2 for rule in CHECKS.values()) + 3 * NAMED_MAX * (NAME_BYTES_MAX + 2)
    < _ANSWER_SIZE_MAX
)
_AUTHORIZE: Final = int(Operation.AUTHORIZE)
_INCREMENT: Final = int(Operation.INCREMENT)
_REVERSE: Final = int(Operation.REVERSE)
_ADVISE: Final = int(Operation.ADVISE)
HEX: Final = np.frombuffer(bytearray(b"0123456789abcdef"), np.uint8)
_LINK_FIELDS: Final = np.array([0, 2, 4, 3, 5, 6, 0], np.uint8)
"""By operation: its answer's field in a LinkAnswer."""


CHECK_TEXTS: Final = texts_of({check: CHECKS[check].name for check in Check})
REASON_TEXTS: Final = texts_of({code: code.name for code in ReasonCode})


@njit(cache=True)
def put_varint(out: Any, at: int, value: np.uint64) -> int:
    """Write a base-128 number; return where it ends."""
    while value >= np.uint64(0x80):
        out[at] = np.uint8(value & np.uint64(0x7F)) | np.uint8(0x80)
        value >>= np.uint64(7)
        at += 1
    out[at] = np.uint8(value)
    return at + 1


@njit(cache=True)
def put_number(out: Any, at: int, number: int, value: Any) -> int:
    """Write an integer field; zero is the default and left out."""
    if value == 0:
        return at
    out[at] = np.uint8(number << 3)
    return put_varint(out, at + 1, np.uint64(value))


@njit(cache=True)
def put_head(out: Any, at: int, number: int, size: int) -> int:
    """Write the head of a field of `size` bytes."""
    out[at] = np.uint8(number << 3 | 2)
    return put_varint(out, at + 1, np.uint64(size))


@njit(cache=True)
def put_bytes(out: Any, at: int, source: Any, begin: int, end: int) -> int:
    """Copy a part of `source`; return where it ends. A loop, because Numba compiles slices for seconds."""
    for place in range(begin, end):
        out[at] = source[place]
        at += 1
    return at


@njit(cache=True)
def put_names(out: Any, at: int, number: int, bits: np.uint64, texts: Any, ends: Any) -> int:
    """Write the names of a bit set of checks, most important first, as repeated text."""
    for k in ORDER:
        if (bits >> np.uint64(k)) & np.uint64(1):
            begin = ends[k - 1] if k else 0
            at = put_head(out, at, number, ends[k] - begin)
            at = put_bytes(out, at, texts, begin, ends[k])
    return at


@njit(cache=True)
def put_numbered(out: Any, at: int, number: int, numbers: Any, texts: Any, ends: Any) -> int:
    """Write the texts of numbers, in order, as repeated text; 0 is none, and what has no text is left out."""
    for k in range(len(numbers)):
        text = np.int64(numbers[k])
        if 0 < text < len(ends) and ends[text] > ends[text - 1]:
            at = put_head(out, at, number, ends[text] - ends[text - 1])
            at = put_bytes(out, at, texts, ends[text - 1], ends[text])
    return at


@njit(cache=True)
def put_code(out: Any, at: int, code: int) -> int:
    """Write the response code, field 1 of every answer."""
    at = put_head(out, at, 1, 2)
    out[at] = np.uint8(code & 0xFF)
    out[at + 1] = np.uint8(code >> 8)
    return at + 2


@njit(cache=True)
def put_id(out: Any, at: int, number: int, decision: Any, digits: Any) -> int:
    """Write the id of the authorization that a decision is about, or its own, as 32 digits; none where it is zero."""
    low, high = decision.original_id[0], decision.original_id[1]
    if low == 0 and high == 0:
        low, high = decision.authorization_id[0], decision.authorization_id[1]
    if low == 0 and high == 0:
        return at
    at = put_head(out, at, number, 32)
    for rest in (high, low):
        for k in range(15, -1, -1):
            out[at + k] = digits[np.int64(rest & np.uint64(15))]
            rest >>= np.uint64(4)
        at += 16
    return at


@njit(cache=True)
def put_authorize(
    out: Any,
    at: int,
    decision: Any,
    digits: Any,
    currencies: Any,
    checks: Any,
    check_ends: Any,
    limits: Any,
    limit_ends: Any,
    rules: Any,
    rule_ends: Any,
    reasons: Any,
    reason_ends: Any,
    bits: Any,
    real: Any,
) -> int:
    """Write an AuthorizeResponse of a DECISION_NUMBERS record. `real` is `bits` (u4[1]) seen as f4[1]."""
    at = put_code(out, at, decision.response_code)
    if decision.authorization_code[0] != 0:
        at = put_bytes(out, put_head(out, at, 2, 6), decision.authorization_code, 0, 6)
    at = put_id(out, at, 3, decision, digits)
    at = put_number(out, at, 4, decision.approved_minor)
    if decision.billing_currency != 0:
        at = put_bytes(out, put_head(out, at, 5, 3), currencies[decision.billing_currency], 0, 3)
    at = put_number(out, at, 6, decision.available_minor)
    real[0] = decision.risk_score
    if bits[0] != 0:
        out[at] = 7 << 3 | 5
        for k in range(4):
            out[at + 1 + k] = np.uint8(bits[0] >> np.uint32(8 * k) & np.uint32(0xFF))
        at += 5
    at = put_names(out, at, 8, decision.reasons, checks, check_ends)
    at = put_numbered(out, at, 8, decision.rules_hit, rules, rule_ends)
    at = put_numbered(out, at, 8, decision.score_reasons, reasons, reason_ends)
    at = put_numbered(out, at, 9, decision.limits_passed, limits, limit_ends)
    at = put_number(out, at, 10, decision.replayed)
    return put_number(out, at, 11, decision.stand_in)


@njit(cache=True)
def put_reverse(out: Any, at: int, decision: Any) -> int:
    """Write a ReverseResponse of a DECISION_NUMBERS record."""
    at = put_code(out, at, decision.response_code)
    at = put_number(out, at, 2, decision.approved_minor)
    return put_number(out, at, 3, decision.replayed)


@njit(cache=True)
def put_advise(out: Any, at: int, decision: Any, digits: Any) -> int:
    """Write an AdviseResponse of a DECISION_NUMBERS record."""
    at = put_code(out, at, decision.response_code)
    at = put_id(out, at, 2, decision, digits)
    return put_number(out, at, 3, decision.replayed)


@njit(cache=True)
def put_clear(out: Any, at: int, decision: Any, digits: Any) -> int:
    """Write a ClearResponse of a DECISION_NUMBERS record."""
    at = put_code(out, at, decision.response_code)
    at = put_id(out, at, 2, decision, digits)
    at = put_number(out, at, 3, decision.approved_minor)
    at = put_number(out, at, 4, decision.released_minor)
    at = put_number(out, at, 5, decision.overdrawn_minor)
    return put_number(out, at, 6, decision.replayed)


@njit(cache=True)
def encode(
    decisions: Any,
    sequences: Any,
    linked: bool,
    out: Any,
    ends: Any,
    digits: Any,
    currencies: Any,
    checks: Any,
    check_ends: Any,
    limits: Any,
    limit_ends: Any,
    rules: Any,
    rule_ends: Any,
    reasons: Any,
    reason_ends: Any,
) -> None:
    """
    Write the answers of DECISION_NUMBERS[n] into `out` (u1), one after another; `ends` i8[n] says where each ends.

    `linked`: as the LinkAnswers of a LinkResponse, with the `sequences` u8[n]; else the bare messages.
    """
    bits = np.zeros(1, np.uint32)
    real = bits.view(np.float32)
    body = np.empty(_ANSWER_SIZE_MAX, np.uint8)
    head = np.empty(16, np.uint8)
    at = 0
    for i in range(len(decisions)):
        decision = decisions[i]
        operation = decision.operation
        if operation in (_AUTHORIZE, _INCREMENT):
            size = put_authorize(
                body, 0, decision, digits, currencies, checks, check_ends, limits, limit_ends, rules, rule_ends,
                reasons, reason_ends, bits, real,
            )  # fmt: skip
        elif operation == _REVERSE:
            size = put_reverse(body, 0, decision)
        elif operation == _ADVISE:
            size = put_advise(body, 0, decision, digits)
        else:
            size = put_clear(body, 0, decision, digits)
        if linked:
            before = put_number(head, 0, 1, sequences[i])
            before = put_head(head, before, _LINK_FIELDS[operation], size)
            at = put_head(out, at, 1, before + size)
            at = put_bytes(out, at, head, 0, before)
        at = put_bytes(out, at, body, 0, size)
        ends[i] = at


class AnswerWriter:
    """The kernel with its tables."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._currencies = np.zeros((1000, 3), np.uint8)
        for letters, number in currency_numbers().items():
            self._currencies[number] = np.frombuffer(letters.encode(), np.uint8)

    def warm_up(self) -> None:
        """Compile the kernel."""
        for count in (1, 2):
            self.link_answers([0] * count, np.zeros(count, DECISION))

    def answers(self, decisions: NDArray[Any]) -> list[bytes]:
        """The answer of each DECISION[n], by its operation."""
        return _parts(*self._encode(decisions, np.zeros(len(decisions), np.uint64), linked=False))

    def answer(self, decision: NDArray[Any]) -> bytes:
        """The answer of DECISION[1]."""
        return self.answers(decision)[0]

    def link_answers(self, sequences: list[int], decisions: NDArray[Any]) -> bytes:
        """DECISION[n] as the answers of a LinkResponse, for the sender's n sequence numbers."""
        return self._encode(decisions, np.array(sequences, np.uint64), linked=True)[0]

    def each_link_answer(self, sequences: list[int], decisions: NDArray[Any]) -> list[bytes]:
        """As `link_answers`, each for itself."""
        return _parts(*self._encode(decisions, np.array(sequences, np.uint64), linked=True))

    def _encode(
        self, decisions: NDArray[Any], sequences: NDArray[np.uint64], *, linked: bool
    ) -> tuple[bytes, list[int]]:
        """The answers' bytes, and where each of them ends."""
        out = np.empty(len(decisions) * (_ANSWER_SIZE_MAX + 32), np.uint8)
        ends = np.zeros(len(decisions), np.int64)
        encode(
            seen_as(decisions, DECISION_NUMBERS),
            sequences,
            linked,
            out,
            ends,
            HEX,
            self._currencies,
            *CHECK_TEXTS,
            *self._names.limit_texts,
            *self._names.rule_texts,
            *REASON_TEXTS,
        )
        return out[: ends[-1]].tobytes(), ends.tolist()


def _parts(whole: bytes, ends: list[int]) -> list[bytes]:
    return [whole[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
