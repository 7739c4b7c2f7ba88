"""
One fixed-size record per request: what fronts hand to the core and what the journal keeps.

A *request* is what the sender said, bounded and without any secret: the PAN is already a keyed hash, PIN block,
CVV and track data never reach it. An *intent* is a request with everything the core found out before it asked the
ledger. A *decision* is the answer. All three are NumPy structured dtypes, so that a batch is one array, a journal
entry is that array's bytes, and every kernel reads it as it lies.

Conventions: `_s` seconds and `_ns` nanoseconds since 1970 UTC, `_minor` minor units of a currency, u128 values as two
u64 in the order [low, high], text as UTF-8 padded with zero bytes, countries and currencies by their ISO number
(0 = absent).
"""

import hashlib
import ipaddress
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.attempt import hash_merchant
from scoring.velocity import CONSULTED, CONSULTED_MAX

REQUEST_VERSION: Final = 3
"""Format version in every intent and decision. Older ones are read by `formats`; an unknown one is refused by name."""

LIMITS_RESERVED: Final = 1
SINGLE_USE_RESERVED: Final = 2
"""Bits of an intent's `reserved_limits`."""

MISSING_S: Final = np.iinfo(np.int64).min
"""A time that the sender did not give."""

FEATURES_MAX: Final = 64
"""Room for the feature vector in an intent; the scoring room's list must fit (checked at start)."""

NAMED_MAX: Final = 4
"""How many limits, rules and reason codes a record names; what is beyond them failed too, but isn't told."""


class Operation(IntEnum):
    """What a request asks for. Part of its key: a reversal may reuse its original's STAN."""

    AUTHORIZE = 1
    REVERSE = 2
    INCREMENT = 3
    ADVISE = 4
    CLEAR = 5
    EXPIRE = 6  # the core's own: nobody sends it
    LABEL = 7  # what became known of an authorization: moves no money, and features learn it
    DISOWN = 8  # the core's own too: a front answered in its stead, and that answer stands
    BOOK = 9  # the core's own: what was approved in stand-in goes into the ledger


class Chain(IntEnum):
    """What a decision did to the parts of the hold that it is about."""

    UNTOUCHED = 0
    ADDED = 1  # its own part joined them
    REPLACED = 2  # they are resolved; its own part, if there is one, stands in their place


class TransactionType(IntEnum):
    """DE3, positions 1-2; numbers as in the contract."""

    PURCHASE = 1
    CASH_WITHDRAWAL = 2
    PURCHASE_CASHBACK = 3
    QUASI_CASH = 4
    REFUND = 5
    BALANCE_INQUIRY = 6
    ACCOUNT_STATUS = 7
    ACCOUNT_FUNDING = 8
    ORIGINAL_CREDIT = 9


def _bits(*kinds: TransactionType) -> np.int64:
    return np.int64(sum(1 << kind for kind in kinds))


HOLDING: Final = _bits(
    TransactionType.PURCHASE,
    TransactionType.CASH_WITHDRAWAL,
    TransactionType.PURCHASE_CASHBACK,
    TransactionType.QUASI_CASH,
    TransactionType.ACCOUNT_FUNDING,
)
"""Bit k: transaction type k asks for the cardholder's money to be held."""

CREDITING: Final = _bits(TransactionType.REFUND, TransactionType.ORIGINAL_CREDIT)
"""Likewise: money comes in, and is pending until it is cleared."""

INQUIRING: Final = _bits(TransactionType.BALANCE_INQUIRY, TransactionType.ACCOUNT_STATUS)
"""Likewise: nothing moves."""


@njit(cache=True)
def is_credit(transaction_type: int) -> bool:
    """Whether an authorization is of money that comes in."""
    return (CREDITING >> transaction_type) & 1 == 1


class EntryMode(IntEnum):
    """DE22, positions 1-2; numbers as in the contract."""

    UNSPECIFIED = 0
    MANUAL = 1
    MAGNETIC_STRIPE = 2
    CHIP = 3
    CONTACTLESS = 4
    ECOMMERCE = 5
    CREDENTIAL_ON_FILE = 6


class CheckResult(IntEnum):
    """The outcome of a check that the sender or an HSM made; numbers as in the contract."""

    ABSENT = 0
    MATCH = 1
    MISMATCH = 2
    UNAVAILABLE = 3


class CardReference(IntEnum):
    """How the request names its card."""

    NONE = 0
    PAN = 1
    TOKEN = 2


REQUEST: Final = np.dtype(
    [
        (
            "authorization_id",
            "<u8",
            (2,),
        ),  # of the authorization, or of this message about one: see identity of messages
        ("original_id", "<u8", (2,)),  # the authorization that the message is about; zero where it is none
        (
            "content",
            "<u8",
            (2,),
        ),  # digest of card, type, amounts, currency, merchant: same key, other content → 94
        ("card_key", "<u8", (2,)),  # keyed hash of the PAN, or the card id of a token
        ("sender", "<u8"),  # digest of the sender's identity
        ("transmission_s", "<i8"),  # DE7
        ("local_s", "<i8"),  # DE12/DE13, wall clock read as UTC; MISSING_S = absent
        ("arrival_ns", "<i8"),  # our clock, when the front had read it
        ("amount_minor", "<i8"),  # DE4, in `currency`; of increments and clearings in the account's
        ("billing_amount_minor", "<i8"),  # DE6, in the account's currency; 0 = absent
        ("cashback_amount_minor", "<i8"),  # part of `amount_minor`
        ("remaining_minor", "<i8"),  # DE95, a reversal's: what stays held
        ("latitude_deg", "<f8"),  # NaN = unknown
        ("longitude_deg", "<f8"),
        ("merchant", "<u8"),  # digest of acquirer and DE42; 0 = absent
        ("device", "<u8"),  # digest of the device fingerprint; 0 = absent
        ("ip", "<u8", (2,)),  # IPv6, or IPv4 mapped into it; zero = absent
        ("stan", "<u4"),  # DE11
        ("currency", "<u2"),  # DE49, ISO 4217 number
        ("country", "<u2"),  # the merchant's, ISO 3166-1 number
        ("category", "<u2"),  # DE18, MCC
        ("expiry_yymm", "<u2"),  # DE14; 0 = absent
        ("version", "<u2"),
        ("operation", "u1"),
        ("transaction_type", "u1"),
        ("entry_mode", "u1"),
        ("card_reference", "u1"),
        ("card_present", "u1"),
        ("recurring", "u1"),
        ("partial_approval_allowed", "u1"),
        ("incremental_expected", "u1"),
        ("advice", "u1"),
        ("card_verification", "u1"),
        ("pin_verification", "u1"),
        ("address_verification", "u1"),
        ("cardholder_authentication", "u1"),
        ("device_fingerprint_size", "u1"),
        ("acquirer_id", "S11"),  # DE32
        ("retrieval_reference", "S12"),  # DE37
        ("terminal_id", "S8"),  # DE41
        ("merchant_id", "S15"),  # DE42
        ("merchant_name", "S100"),  # DE43: 25 characters
        ("merchant_city", "S100"),  # DE43: 25 characters
        ("device_fingerprint", "u1", (32,)),
        ("network_reference", "S23"),  # a clearing's
        ("given_authorization_code", "S6"),  # an advice's: what the network answered in our stead
        ("given_code", "S2"),
        ("cumulative", "u1"),  # an increment's: the amount is the new total
        ("final", "u1"),  # a clearing's: no more follow; a front's answer's: the core's own was lost
        ("credit", "u1"),  # a clearing's: a refund
        (
            "deadline_ms",
            "<u2",
        ),  # within which its sender wants an answer, from `arrival_ns`; 0 = the setting's
        ("reserved", "u1", (2,)),
    ]
)

INTENT: Final = np.dtype(
    [
        ("request", REQUEST),
        ("sequence", "<u8"),  # numbers every request the core took, from 1, without gaps
        ("checks_failed", "<u8"),  # bit i: check i of the policy table
        ("directory_version", "<u8"),  # the feed position that the card facts came from
        ("billed_minor", "<i8"),  # what the account would be charged; the hold asks for this
        ("card_row", "<u4"),  # cards.number; NO_ROW where the card is unknown
        ("account_number", "<u4"),
        ("controls", "<u4"),
        ("hold_s", "<u4"),  # how long the hold may stand
        ("limit_set", "<u4"),  # row of the table of limits that it was judged by
        ("day_id", "<i4"),  # days since 1970 in the programme's time zone
        ("month_id", "<i4"),  # months since 1970 in the programme's time zone
        ("programme", "<u2"),
        ("programme_version", "<u2"),
        ("card_expiry_yymm", "<u2"),
        ("billing_currency", "<u2"),
        ("limits_passed", "<u2", (NAMED_MAX,)),  # numbers of the names of live limits; 0 = none, also below
        ("rules_hit", "<u2", (NAMED_MAX,)),  # numbers of the names of live rules
        ("rules_shadowed", "<u2", (NAMED_MAX,)),  # of rules that only decide on paper
        ("response_code", "S2"),  # empty while the ledger has the last word
        ("card_state", "u1"),
        ("account_state", "u1"),
        ("card_flags", "u1"),
        ("reserved_limits", "u1"),  # 1 where limits were reserved for it
        ("score", "<f4"),  # NaN = unscored
        ("decline_threshold", "<f4"),  # the programme's, as they stood
        ("step_up_threshold", "<f4"),
        ("model", "S24"),  # version of the model; empty = unscored
        ("consulted", CONSULTED, (CONSULTED_MAX,)),  # limits passed first, then those that were nearest
        ("stage_us", "<u2", (8,)),  # the batch's time per stage up to here
        ("score_reasons", "u1", (NAMED_MAX,)),  # of a decline by score: numbers of reason codes; 0 = none
        ("posture", "u1"),  # the programme's, for when the ledger is away: directory.Posture
        ("reserved", "u1", (1,)),
        ("features", "<f4", (FEATURES_MAX,)),
    ]
)

DECISION: Final = np.dtype(
    [
        ("authorization_id", "<u8", (2,)),
        ("sequence", "<u8"),  # the intent's
        ("intent_batch", "<u8"),  # the journal batch that holds the intent ...
        ("decision_ns", "<i8"),
        ("approved_minor", "<i8"),  # billing currency; what a reversal released, a clearing posted
        ("available_minor", "<i8"),
        ("intent_index", "<u4"),  # ... and its place there
        ("ledger_status", "<u4"),  # the ledger's status code; 0 where it was not asked
        ("version", "<u2"),
        ("billing_currency", "<u2"),
        ("response_code", "S2"),  # DE39
        ("authorization_code", "S6"),  # DE38
        ("operation", "u1"),
        ("stand_in", "u1"),  # 1 where it was approved without the ledger, and is to be booked
        ("replayed", "u1"),  # set on what a repeat gets; never in the journal
        (
            "held",
            "u1",
        ),  # 1 where the ledger holds the amount; of messages about a hold: where it still stands
        ("recovered", "u1"),  # 1 where a restart resolved it
        ("risk_score", "<f4"),
        ("reasons", "<u8"),  # bit i: check i of the policy table
        ("ledger_us", "<u4"),
        ("journal_us", "<u4"),
        ("hold_attempt", "u1"),  # which attempt of the hold leg the ledger took
        (
            "claims",
            "u1",
        ),  # 1 where the message had the authorization to itself; kept with one: where a front answered it
        ("credit", "u1"),  # a clearing's: money came in
        ("chain", "u1"),  # Chain: what became of the hold's parts
        ("original_id", "<u8", (2,)),  # the intent's
        ("released_minor", "<i8"),  # let go by a clearing
        ("overdrawn_minor", "<i8"),  # owed by the cardholder: what went beyond the balance
        ("part_minor", "<i8"),  # left pending under this message's own id, on the cardholder's account,
        ("owed_minor", "<i8"),  # and on what the cardholder owes
        ("limits_passed", "<u2", (NAMED_MAX,)),  # the intent's, as the next two
        ("rules_hit", "<u2", (NAMED_MAX,)),
        ("score_reasons", "u1", (NAMED_MAX,)),
    ]
)


def as_numbers(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """The same layout with text as bytes and two-character codes as u2: what kernels may write."""
    fields: Any = dtype.fields
    formats: list[Any] = []
    for name in dtype.names or ():
        kind = fields[name][0]
        if kind.fields is not None:
            formats.append(as_numbers(kind))
        elif kind.kind == "S":
            formats.append("<u2" if kind.itemsize == 2 else ("u1", (kind.itemsize,)))
        else:
            formats.append(kind)
    offsets = [fields[name][1] for name in dtype.names or ()]
    return _laid_out(names=dtype.names, formats=formats, offsets=offsets, itemsize=dtype.itemsize)


def _laid_out(**layout: Any) -> np.dtype[Any]:
    return np.dtype(cast(Any, layout))


INTENT_NUMBERS: Final = as_numbers(INTENT)
DECISION_NUMBERS: Final = as_numbers(DECISION)


def blank(count: int, layout: np.dtype[Any]) -> NDArray[Any]:
    """`np.zeros(count, layout)`, without going through the fields one by one: 0.6 us for INTENT in place of 8."""
    return np.frombuffer(bytearray(count * layout.itemsize), layout)


def seen_as(records: NDArray[Any], layout: np.dtype[Any]) -> NDArray[Any]:
    """`records.view(layout)` of whole records, without comparing the layouts field by field: 0.3 us in place of 9."""
    return np.frombuffer(records, layout)


def rows_at(records: NDArray[Any], places: NDArray[Any]) -> NDArray[Any]:
    """`records[places]` of whole records, copied as bytes and not field by field: 2 us for INTENT in place of 40."""
    return np.frombuffer(np.frombuffer(records, _opaque(records.dtype))[places], records.dtype)


@lru_cache
def _opaque(layout: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype((np.void, layout.itemsize))


NO_ROW: Final = np.iinfo(np.uint32).max
"""`card_row` of a card that the directory does not know."""


_HEX: Final = frozenset("0123456789abcdef")
_HEX_DIGITS: Final = 32


def id_hex(identifier: NDArray[np.uint64]) -> str:
    """32 hex digits of a u128 given as [low, high]."""
    return f"{int(identifier[1]):016x}{int(identifier[0]):016x}"


def id_pair(text: str) -> tuple[int, int]:
    """The u128 of 32 lower-case hex digits as (low, high). Raises ValueError for anything else."""
    if len(text) != _HEX_DIGITS or not _HEX.issuperset(text):
        raise ValueError(f"{text!r} is not 32 hexadecimal digits")
    value = int(text, 16)
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64


def text_of(raw: Any) -> str:
    """Text of a padded bytes field."""
    return bytes(raw).decode("utf-8")


@lru_cache(maxsize=4096)
def digest(identity: bytes) -> int:
    """64 bits of a name (a sender's, a device's); never 0, which stands for absent."""
    return int.from_bytes(hashlib.blake2b(identity, digest_size=8).digest(), "little") or 1


@lru_cache(maxsize=65_536)
def merchant_digest(acquirer_id: bytes, merchant_id: bytes) -> int:
    """The record's `merchant`: a merchant id is its acquirer's, and means nothing without it. 0 where it is absent."""
    return hash_merchant(acquirer_id, merchant_id)


@lru_cache(maxsize=4096)
def ip_pair(text: str) -> tuple[int, int]:
    """The record's `ip` as (low, high). Raises ValueError for what is no address."""
    address = ipaddress.ip_address(text)
    value = int(address) | 0xFFFF << 32 if address.version == 4 else int(address)
    return value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64
