"""
Frames refused without being read: when the core is full, refusing must cost much less than answering.

A kernel walks over a frame's messages for nothing but their sequences, and writes a fault for each. Source of the
encoding: protobuf.dev/programming-guides/encoding.
"""

from typing import Any, Final

import numpy as np
from google.rpc import code_pb2
from numba import njit

from holdfast.v1 import authorization_pb2 as pb
from server.front.wire import BYTES, VARINT, field
from server.front.writing import put_varint

_HEADS_SIZE_MAX: Final = 24
"""What an answer takes besides its fault: two heads and two numbers."""


class Refuser:
    """Refuses frames with RESOURCE_EXHAUSTED and a text."""

    def __init__(self, text: str) -> None:
        fault = pb.LinkAnswer(fault=pb.Fault(status_code=code_pb2.RESOURCE_EXHAUSTED, message=text))
        self._fault = np.frombuffer(bytearray(fault.SerializeToString()), np.uint8)

    def refuse(self, raw: bytes) -> tuple[bytes, int] | None:
        """A LinkResponse that refuses each message of a LinkRequest, and how many those are; None where it is none."""
        # Each message is two bytes at least.
        out = np.empty((len(raw) // 2 + 1) * (len(self._fault) + _HEADS_SIZE_MAX), np.uint8)
        count, size = refuse_frame(np.frombuffer(bytearray(raw), np.uint8), self._fault, out)
        return None if count < 0 else (out[:size].tobytes(), count)


@njit(cache=True)
def refuse_frame(data: Any, fault: Any, out: Any) -> tuple[int, int]:
    """
    Write a LinkAnswer with `fault` (u1[k], a LinkAnswer but for its sequence) for each message of a LinkRequest.

    Returns how many, and the size of what was written; -1 and 0 where the bytes are no frame.
    """
    count = 0
    size = 0
    number_bytes = np.empty(10, np.uint8)
    at = 0
    while at < len(data):
        number, kind, _, inside, end = field(data, at, len(data))
        if number != 1 or kind != BYTES:
            return -1, 0
        sequence = np.uint64(0)
        while inside < end:
            part, part_kind, value, _, inside = field(data, inside, end)
            if part < 1:
                return -1, 0
            if part == 1 and part_kind == VARINT:
                sequence = value
        length = put_varint(number_bytes, 0, sequence)
        out[size] = 0x0A  # LinkResponse.answers
        size = put_varint(out, size + 1, np.uint64(1 + length + len(fault)))
        out[size] = 0x08  # LinkAnswer.sequence
        size += 1
        for k in range(length):
            out[size] = number_bytes[k]
            size += 1
        for k in range(len(fault)):
            out[size] = fault[k]
            size += 1
        count += 1
        at = end
    return count, size
