"""
What a protobuf message is made of, read by kernels: numbers, fields, times, and the few texts that are codes.

Nothing here raises: a reader says that something is not what it reads, and its caller leaves the message alone.
Source: protobuf.dev/programming-guides/encoding.
"""

from typing import Any, Final

import numpy as np
from numba import njit

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
"""Wire types."""

_VARINT_SIZE_MAX: Final = 10
_TAG_SIZE_MAX: Final = 2
_FIELD_MAX: Final = 1000
"""Beyond what the contract has: such a field is left to the library."""

PAN_SIZE_MAX: Final = 19
_NANOS_MAX: Final = 999_999_999
_TIME_FIRST_S: Final = -62_135_596_800  # 0001-01-01, protobuf's Timestamp
_TIME_LAST_S: Final = 253_402_300_799  # 9999-12-31


@njit(cache=True)
def varint(data: Any, at: int, end: int) -> tuple[np.uint64, int]:
    """A base-128 number of 64 bits and where it ends; -1 there where it does not end in time, or within the bytes."""
    value = np.uint64(0)
    for size in range(_VARINT_SIZE_MAX):
        if at >= end:
            return value, -1
        byte = data[at]
        at += 1
        value |= np.uint64(byte & 0x7F) << np.uint64(7 * size)
        if byte < 0x80:
            return value, (at if size < _VARINT_SIZE_MAX - 1 or byte <= 1 else -1)
    return value, -1


@njit(cache=True)
def field(data: Any, at: Any, end: int) -> tuple[Any, Any, Any, Any, Any]:
    """
    The next field: its number, wire type, value (numbers) or size (bytes), where its bytes begin, where it ends.

    A number of 0 means that it can't be read here.
    """
    begin = at
    tag, at = varint(data, at, end)
    if at < 0 or at - begin > _TAG_SIZE_MAX or tag >> np.uint64(3) > np.uint64(_FIELD_MAX):
        return 0, 0, np.uint64(0), 0, 0
    number = np.int64(tag >> np.uint64(3))
    kind = np.int64(tag & np.uint64(7))
    if kind == VARINT:
        value, at = varint(data, at, end)
        if at < 0:
            return 0, 0, np.uint64(0), 0, 0
        return number, kind, value, at, at
    if kind == BYTES:
        size, at = varint(data, at, end)
        if at < 0 or size > np.uint64(end - at):
            return 0, 0, np.uint64(0), 0, 0
        return number, kind, size, at, at + np.int64(size)
    if kind == FIXED64 and at + 8 <= end:
        value = np.uint64(0)
        for k in range(8):
            value |= np.uint64(data[at + k]) << np.uint64(8 * k)
        return number, kind, value, at, at + 8
    return 0, 0, np.uint64(0), 0, 0


@njit(cache=True)
def timestamp(data: Any, at: int, end: int) -> tuple[Any, Any]:
    """Seconds of a google.protobuf.Timestamp, and whether it is a valid one."""
    seconds = np.int64(0)
    seen = 0
    while at < end:
        number, kind, value, _, at = field(data, at, end)
        if number < 1 or number > 2 or kind != VARINT or seen >> number & 1:
            return seconds, False
        seen |= 1 << number
        if number == 1:
            seconds = np.int64(value)
        elif value > np.uint64(_NANOS_MAX):
            return seconds, False
    return seconds, _TIME_FIRST_S <= seconds <= _TIME_LAST_S


@njit(cache=True)
def copied(data: Any, begin: int, end: int, target: Any, size_max: int) -> bool:
    """Copy printable ASCII of at most `size_max` bytes; whether it was that."""
    if end - begin > size_max:
        return False
    for k in range(end - begin):
        byte = data[begin + k]
        if byte < 0x20 or byte > 0x7E:
            return False
        target[k] = byte
    return True


@njit(cache=True)
def decimal(data: Any, begin: int, end: int) -> Any:
    """The number of ASCII digits; -1 where there is anything else, or nothing."""
    value = np.int64(0) if end > begin else np.int64(-1)
    for k in range(begin, end):
        if data[k] < 0x30 or data[k] > 0x39:
            return -1
        value = value * 10 + data[k] - 0x30
    return value


@njit(cache=True)
def letters_place(data: Any, begin: int, count: int) -> Any:
    """Where `count` capital letters stand in a table of ISO codes; -1 for anything else."""
    place: Any = 0
    for k in range(begin, begin + count):
        if data[k] < 0x41 or data[k] > 0x5A:
            return -1
        place = place * 26 + np.int64(data[k]) - 0x41
    return place


@njit(cache=True)
def pan_is_good(data: Any, begin: int, end: int) -> Any:
    """12 to 19 digits of which the last checks the others. Source: ISO/IEC 7812-1, annex B."""
    if end - begin < 12 or end - begin > PAN_SIZE_MAX:
        return False
    total: Any = 0
    for k in range(end - begin):
        digit = np.int64(data[end - 1 - k]) - 0x30
        if digit < 0 or digit > 9:
            return False
        if k % 2:
            digit *= 2
            digit -= 9 * (digit > 9)
        total += digit
    return total % 10 == 0


@njit(cache=True)
def token_words(data: Any, begin: int, end: int, card_key: Any) -> bool:
    """The u128 of `card_` and 32 lower-case hexadecimal digits into `card_key`; whether it was that."""
    if end - begin != 37:
        return False
    for k, letter in enumerate((0x63, 0x61, 0x72, 0x64, 0x5F)):
        if data[begin + k] != letter:
            return False
    for word in range(2):
        value = np.uint64(0)
        for k in range(begin + 5 + 16 * word, begin + 21 + 16 * word):
            byte = np.int64(data[k])
            digit = byte - 0x30
            if 0x61 <= byte <= 0x66:
                digit = byte - 0x61 + 10
            elif digit < 0 or digit > 9:
                return False
            value = value << np.uint64(4) | np.uint64(digit)
        card_key[1 - word] = value
    return True


@njit(cache=True)
def ipv4_words(data: Any, begin: int, end: int, words: Any) -> bool:
    """A dotted IPv4 address, mapped into IPv6; whether it was one."""
    address = np.uint64(0)
    parts = 0
    at = begin
    while at < end and parts < 4:
        last = at
        while last < end and data[last] != 0x2E:
            last += 1
        part = decimal(data, at, last)
        if last - at > 3 or part < 0 or part > 255 or (data[at] == 0x30 and last - at > 1):
            return False
        address = address << np.uint64(8) | np.uint64(part)
        parts += 1
        at = last + 1
    if parts != 4 or at != end + 1:
        return False
    words[0] = address | np.uint64(0xFFFF) << np.uint64(32)
    return True
