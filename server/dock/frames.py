"""
The format of what crosses between a front and the core.

    size u4 (of what follows)  kind u1  version u1  body

Numbers are little-endian. Records go as they lie: HELLO says how large and of which version they are, and whoever
reads another refuses the other side by name.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from server.core.record import DECISION, REQUEST, REQUEST_VERSION

VERSION: Final = 2
FRAME_BYTES_MAX: Final = 64 << 20

_HEAD: Final = struct.Struct("<IBB")
_BEHIND_SIZE: Final = 2
_HELLO: Final = struct.Struct("<HIII")
_BATCH: Final = struct.Struct("<QI")
_PARCEL: Final = struct.Struct("<QIQ")
_FAILED: Final = struct.Struct("<QB")
_NUMBER: Final = struct.Struct("<Q")
_RENEWAL_SIZE: Final = 32


class Kind(IntEnum):
    """What a frame says, and who says it."""

    HELLO = 1  # both: which records I speak; a front also says which one it is
    PARCEL = 2  # front: requests that came together
    ANSWERS = 3  # core: decisions on some of a parcel, and their places in it
    FAILED = 4  # core: the rest of a parcel can't be answered, and why
    NAMES = 5  # core: what limits and rules are called from now on
    CALL = 6  # front: a unary call of the contract, as it came
    RETURN = 7  # core: its answer or its status, as it leaves
    DISOWNED = 8  # front: requests that I answered myself, and with which code
    SETTLED = 9  # core: what a DISOWNED said is on disk
    REFUSED = 10  # core: I don't speak with you, and why
    RENEW = 11  # front: cards that my next parcel names, by the PAN key of today and the one before
    PASSED = 12  # front: so many frames of answers have gone on to who asked, a while ago


class Failure(IntEnum):
    """Why a parcel has no answer."""

    OVERLOADED = 1
    STOPPED = 2


class FrameError(ValueError):
    """The other side speaks otherwise; the text says how."""


class Answers(NamedTuple):
    """Decisions (DECISION[n]) on some of parcel `number`, and their places in it (i8[n])."""

    number: int
    places: NDArray[np.int64]
    decisions: NDArray[Any]


class Disowned(NamedTuple):
    """Batch `number` of requests (REQUEST[n]) that a front answered itself, with these codes (S2[n])."""

    number: int
    requests: NDArray[Any]
    codes: NDArray[np.bytes_]


def head(kind: Kind, size: int) -> bytes:
    """What goes before a body of `size` bytes."""
    return _HEAD.pack(size + _BEHIND_SIZE, kind, VERSION)


class Splitter:
    """Cuts what arrives into frames."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """The frames that are whole by now, kind and body. Raises FrameError for another format."""
        self._rest += data
        begin = 0
        try:
            while len(self._rest) - begin >= _HEAD.size:
                size, kind, version = _HEAD.unpack_from(self._rest, begin)
                if version != VERSION:
                    raise FrameError(f"frames of format {version}; this side speaks format {VERSION}")
                if not _BEHIND_SIZE <= size <= FRAME_BYTES_MAX:
                    raise FrameError(f"a frame of {size} bytes; at most {FRAME_BYTES_MAX} are read")
                end = begin + _HEAD.size - _BEHIND_SIZE + size
                if len(self._rest) < end:
                    return
                yield kind, bytes(self._rest[begin + _HEAD.size : end])
                begin = end
        finally:
            del self._rest[:begin]


def pack_hello(front: int) -> bytes:
    """What either side says first; the core has no number: 0."""
    return _HELLO.pack(REQUEST_VERSION, REQUEST.itemsize, DECISION.itemsize, front)


def read_hello(body: bytes) -> int:
    """The front's number. Raises FrameError where it speaks of other records."""
    try:
        version, request_size, decision_size, front = _HELLO.unpack(body)
    except struct.error:
        raise FrameError(f"a greeting of {len(body)} bytes, not {_HELLO.size}") from None
    own = (REQUEST_VERSION, REQUEST.itemsize, DECISION.itemsize)
    if (version, request_size, decision_size) != own:
        raise FrameError(
            f"records of format {version} ({request_size} and {decision_size} bytes); this side has format {own[0]} "
            f"({own[1]} and {own[2]} bytes): both must be of one version"
        )
    return int(front)


def pack_parcel(number: int, count: int, source: int) -> bytes:
    """What goes before the records of a parcel; `source` is the link that it came by, 0 for none."""
    return _PARCEL.pack(number, count, source)


def read_parcel(body: bytes) -> tuple[int, int, int, bytes]:
    """Number, count, source and packed REQUESTs. Raises FrameError."""
    number, count, source = _unpack(_PARCEL, body)
    records = body[_PARCEL.size :]
    if not count or len(records) != count * REQUEST.itemsize:
        raise FrameError(f"a parcel of {count} requests in {len(records)} bytes")
    return number, count, source, records


def pack_answers(number: int, places: list[int], decisions: NDArray[Any]) -> bytes:
    """The body of ANSWERS."""
    return _BATCH.pack(number, len(places)) + np.array(places, "<u4").tobytes() + decisions.tobytes()


def read_answers(body: bytes) -> Answers:
    """The body of ANSWERS. Raises FrameError."""
    number, count = _unpack(_BATCH, body)
    if len(body) != _BATCH.size + count * (4 + DECISION.itemsize):
        raise FrameError(f"answers to {count} requests in {len(body)} bytes")
    places = np.frombuffer(body, "<u4", count, _BATCH.size).astype(np.int64)
    # Kernels are compiled for arrays that can be written.
    decisions = np.frombuffer(bytearray(body[_BATCH.size + 4 * count :]), DECISION)
    return Answers(number, places, decisions)


def pack_failed(number: int, failure: Failure, text: str) -> bytes:
    """The body of FAILED."""
    return _FAILED.pack(number, failure) + text.encode()


def read_failed(body: bytes) -> tuple[int, int, str]:
    """Number, Failure and text. Raises FrameError."""
    number, failure = _unpack(_FAILED, body)
    return number, failure, body[_FAILED.size :].decode(errors="replace")


def pack_disowned(number: int, records: bytes, codes: bytes) -> bytes:
    """The body of DISOWNED: packed REQUESTs, and the two letters that each was answered with."""
    return _BATCH.pack(number, len(codes) // 2) + codes + records


def read_disowned(body: bytes) -> Disowned:
    """The body of DISOWNED. Raises FrameError."""
    number, count = _unpack(_BATCH, body)
    if len(body) != _BATCH.size + count * (2 + REQUEST.itemsize):
        raise FrameError(f"{count} requests that a front answered, in {len(body)} bytes")
    codes = np.frombuffer(body, "S2", count, _BATCH.size)
    requests = np.frombuffer(bytearray(body[_BATCH.size + 2 * count :]), REQUEST)
    return Disowned(number, requests, codes)


def read_renewals(body: bytes) -> bytes:
    """The body of RENEW: pairs of keyed hashes, packed. Raises FrameError."""
    if len(body) % _RENEWAL_SIZE:
        raise FrameError(f"pairs of keys in {len(body)} bytes")
    return body


def pack_number(number: int) -> bytes:
    """The body of SETTLED and PASSED, and what goes before a RETURN's."""
    return _NUMBER.pack(number)


def read_number(body: bytes) -> tuple[int, bytes]:
    """The number, and what comes after it. Raises FrameError."""
    return _unpack(_NUMBER, body)[0], body[_NUMBER.size :]


def pack_names(limits: Mapping[int, str], rules: Mapping[int, str]) -> bytes:
    """The body of NAMES."""
    return json.dumps({"limits": limits, "rules": rules}).encode()


def read_names(body: bytes) -> tuple[dict[int, str], dict[int, str]]:
    """Names of limits and of rules by their numbers."""
    said = json.loads(body)
    limits, rules = ({int(number): name for number, name in said[of].items()} for of in ("limits", "rules"))
    return limits, rules


def pack_call(number: int, method: str, caller: str, raw: bytes) -> bytes:
    """The body of CALL: the method's full name, who calls, and the message as it came."""
    about = json.dumps([method, caller]).encode()
    return _BATCH.pack(number, len(about)) + about + raw


def read_call(body: bytes) -> tuple[int, str, str, bytes]:
    """Number, method, caller and message. Raises FrameError."""
    number, size = _unpack(_BATCH, body)
    end = _BATCH.size + size
    method, caller = json.loads(body[_BATCH.size : end])
    return number, method, caller, body[end:]


def pack_return(number: int, raw: bytes, *, is_answer: bool) -> bytes:
    """The body of RETURN: the answer's bytes, or those of a google.rpc.Status."""
    return _FAILED.pack(number, is_answer) + raw


def read_return(body: bytes) -> tuple[int, bool, bytes]:
    """Number, whether it is an answer, and the bytes. Raises FrameError."""
    number, is_answer = _unpack(_FAILED, body)
    return number, bool(is_answer), body[_FAILED.size :]


def _unpack(layout: struct.Struct, body: bytes) -> tuple[Any, ...]:
    try:
        return layout.unpack_from(body)
    except struct.error:
        raise FrameError(f"a body of {len(body)} bytes is too short") from None
