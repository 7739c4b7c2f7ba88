"""
What scoring sees of a request: one record of plain numbers.

The caller fills an array of these a batch, column by column. Nothing here names a person: the card is
its row in the directory, the merchant a 64-bit hash.
"""

import hashlib
from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit

# The merchant's wall clock where the request has none (`local_time_s`).
TIME_MISSING = np.iinfo(np.int64).min

# One attempt at a payment; 104 bytes, aligned. Missing is TIME_MISSING for the local time, NaN for
# coordinates, 0 for merchant, terminal, device, ip, category and countries, and 0 (unspecified) for entry
# mode and type.
#   time_s              the message's transmission time, seconds UTC since 1970
#   local_time_s        the merchant's wall clock, read as if it were UTC
#   amount_minor        in the account's currency, minor units, >= 0
#   merchant            64-bit hash of the merchant's identity (`hash_merchant`)
#   terminal            of the terminal there, device of the cardholder's device, ip of its network: the
#                       IPv4 address, or the 64 bits of an IPv6 address that its holder doesn't choose
#   latitude_deg, ...   of the merchant; home_* of the cardholder
#   card_row            the card's row in the directory
#   account             1 + the number of its account; 0 = none
#   category            merchant category code (MCC) as a number, 1..9999
#   country             of the merchant, ISO 3166-1 numeric; home_country is the programme's
#   entry_mode          as in the contract's EntryMode, transaction_type as in TransactionType
#   card_present        0 or 1
ATTEMPT = np.dtype(
    [
        ("time_s", np.int64),
        ("local_time_s", np.int64),
        ("amount_minor", np.int64),
        ("merchant", np.uint64),
        ("terminal", np.uint64),
        ("device", np.uint64),
        ("ip", np.uint64),
        ("latitude_deg", np.float64),
        ("longitude_deg", np.float64),
        ("home_latitude_deg", np.float32),
        ("home_longitude_deg", np.float32),
        ("card_row", np.uint32),
        ("account", np.uint32),
        ("category", np.uint16),
        ("country", np.uint16),
        ("home_country", np.uint16),
        ("entry_mode", np.uint8),
        ("transaction_type", np.uint8),
        ("card_present", np.uint8),
    ],
    align=True,
)
assert ATTEMPT.itemsize == 104

# What became known of an attempt later; FRAUD and DISPUTE count as fraud. 0 is missing, as above.
#   time_s              the attempt's time, known_s when the label was received, seconds UTC since 1970
#   superseded          the verdict that was told of this attempt before and counts no more; 0 = none
LABEL = np.dtype(
    [
        ("time_s", np.int64),
        ("known_s", np.int64),
        ("amount_minor", np.int64),
        ("merchant", np.uint64),
        ("terminal", np.uint64),
        ("device", np.uint64),
        ("ip", np.uint64),
        ("card_row", np.uint32),
        ("verdict", np.uint8),
        ("superseded", np.uint8),
    ],
    align=True,
)


class Verdict(IntEnum):
    """What became of an attempt."""

    FRAUD = 1  # confirmed
    DISPUTE = 2  # the cardholder disputes it
    LEGITIMATE = 3  # a false positive: it was the cardholder


def empty_attempts(count: int) -> np.ndarray:
    """`count` attempts (ATTEMPT) in which everything that can be missing is missing."""
    attempts = np.zeros(count, ATTEMPT)
    attempts["local_time_s"] = TIME_MISSING
    for name in ("latitude_deg", "longitude_deg", "home_latitude_deg", "home_longitude_deg"):
        attempts[name] = np.nan
    return attempts


def hash_merchant(acquirer_id: bytes, merchant_id: bytes) -> int:
    """
    An ATTEMPT's `merchant`, of DE32 and DE42; 0 where the merchant id is absent, and never 0 else.

    A merchant id is its acquirer's, and means nothing without it.
    """
    if not merchant_id:
        return 0
    digest = hashlib.blake2b(acquirer_id + b"\0" + merchant_id, digest_size=8).digest()
    return int.from_bytes(digest, "little") or 1


@njit(cache=True)
def mixed(value: Any) -> Any:
    """A u64 with its bits spread: two steps of Marsaglia's xorshift (2003), which map no two values to one."""
    for _ in range(2):
        value ^= value << np.uint64(13)
        value ^= value >> np.uint64(7)
        value ^= value << np.uint64(17)
    return value


@njit(cache=True)
def terminal_digest(merchant: Any, terminal_id: Any) -> Any:
    """
    An ATTEMPT's `terminal`, of its merchant (u8) and DE41 (u1[8], zeros behind); 0 where either is absent.

    A terminal id is its merchant's, and means nothing without it.
    """
    if merchant == 0 or terminal_id[0] == 0:
        return np.uint64(0)
    digest = merchant
    for k in range(len(terminal_id)):
        digest = mixed(digest ^ np.uint64(terminal_id[k]))
    return max(digest, np.uint64(1))


@njit(cache=True)
def network_digest(low: Any, high: Any) -> Any:
    """An ATTEMPT's `ip`, of a u128: the whole of an IPv4 address, the first half of an IPv6 one. 0 where it is absent."""
    if high == 0 and low >> np.uint64(32) == np.uint64(0xFFFF):
        return max(mixed(low), np.uint64(1))
    if high == 0 and low == 0:
        return np.uint64(0)
    return max(mixed(high), np.uint64(1))
