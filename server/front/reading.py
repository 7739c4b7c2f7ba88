"""
From a message of the contract to a REQUEST record: every field checked, every bad one named.

The card number becomes its keyed hash here and goes no further. A field that the contract bounds is refused beyond
its bound, never cut. What the processor may leave out is listed in the README; everything else is required.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, Final

from server.core.record import (
    MISSING_S,
    REQUEST,
    REQUEST_VERSION,
    CardReference,
    Operation,
    digest,
    id_pair,
    ip_pair,
    merchant_digest,
)
from server.front.codes import country_numbers, currency_numbers
from server.keys import Keys

_PACK: Final = struct.Struct("<QQQQQQQQQqqqqqqqddQQQQIHHHHH14B11s12s8s15s100s100s32s6x")
assert _PACK.size == REQUEST.itemsize, "the packing follows the record, field by field"

_HASHED_KEY: Final = struct.Struct("<BQqI11s12s8s")
_CONTENT: Final = struct.Struct("<QQBqqqHQ")
_AHEAD_MAX_S: Final = 300
_BEHIND_MAX_S: Final = 3600
_TIME_FIRST_S: Final = -62_135_596_800  # 0001-01-01, protobuf's Timestamp
_TIME_LAST_S: Final = 253_402_300_799  # 9999-12-31
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
_UNDOUBLED: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_TOKEN_PREFIX: Final = "card_"  # noqa: S105 - the first characters of every card token
_HEX: Final = frozenset("0123456789abcdef")
_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class Violation:
    """One bad field: its path in the message, and what is allowed."""

    field: str
    description: str


class BadRequest(ValueError):  # noqa: N818 - named as google.rpc names it
    """A message that can't be answered. Names every bad field, not only the first."""

    def __init__(self, violations: list[Violation]) -> None:
        super().__init__("; ".join(f"{v.field}: {v.description}" for v in violations))
        self.violations = violations


class Reader:
    """Reads messages of one sender into records. Holds the keys; knows no socket."""

    def __init__(self, keys: Keys, clock_ns: Callable[[], int], *, message_time: bool) -> None:
        self._keys = keys
        self._identifier_key = keys.identifier_key
        self._clock_ns = clock_ns
        self._message_time = message_time
        self._currencies = currency_numbers()
        self._countries = country_numbers()

    def authorize(self, message: Any, sender: int) -> bytes:
        """The REQUEST record of an AuthorizeRequest. Raises BadRequest."""
        bad: list[Violation] = []
        arrival_ns = self._clock_ns()
        key = message.key
        acquirer, reference, terminal, sent_s = self._key(key, "key", arrival_ns, bad)
        reference_kind, low, high = self._card(message, bad)
        kind = message.transaction_type
        if not 1 <= kind <= 9:
            bad.append(
                Violation("transaction_type", f"must be a known type other than UNSPECIFIED, got {kind}")
            )
        amount = message.amount_minor
        billing = message.billing_amount_minor
        cashback = message.cashback_amount_minor
        if amount < 0 or billing < 0 or cashback < 0:
            for name, value in (
                ("amount_minor", amount),
                ("billing_amount_minor", billing),
                ("cashback_amount_minor", cashback),
            ):
                if value < 0:
                    bad.append(Violation(name, f"must be 0 to 9223372036854775807 minor units, got {value}"))
        currency = self._currencies.get(message.currency)
        if currency is None:
            bad.append(Violation("currency", "must be an ISO 4217 alpha-3 code such as USD"))
        local_s = MISSING_S
        if message.HasField("local_time"):
            local_s = message.local_time.seconds
            _time(message.local_time, "local_time", bad)
        merchant = message.merchant
        place = self._merchant(merchant, acquirer, bad)
        modes = (
            message.entry_mode,
            message.card_verification,
            message.pin_verification,
            message.address_verification,
            message.cardholder_authentication,
        )
        if not 0 <= modes[0] <= 6 or not 0 <= min(modes[1:]) <= max(modes[1:]) <= 3:
            _enums(message, bad)
        expiry = message.expiry_yymm
        if expiry and not (expiry <= 9912 and 1 <= expiry % 100 <= 12):
            bad.append(Violation("expiry_yymm", f"must be year and month as YYMM, or 0, got {expiry}"))
        fingerprint = message.device_fingerprint
        if len(fingerprint) > 32:
            bad.append(Violation("device_fingerprint", f"must be at most 32 bytes, got {len(fingerprint)}"))
        ip_low, ip_high = 0, 0
        if message.ip_address:
            try:
                ip_low, ip_high = ip_pair(message.ip_address)
            except ValueError:
                bad.append(Violation("ip_address", "must be an IPv4 or IPv6 address"))
        if bad:
            raise BadRequest(bad)

        id_low, id_high = self._identify(
            Operation.AUTHORIZE, sender, key.stan, sent_s, acquirer, reference, terminal
        )
        name, city, merchant_id, category, country, latitude, longitude, seller = place
        content = hashlib.blake2b(
            _CONTENT.pack(low, high, kind, amount, billing, cashback, currency, seller), digest_size=16
        ).digest()
        return _PACK.pack(
            id_low, id_high, 0, 0, *_words(content), low, high, sender,
            sent_s, local_s, arrival_ns, amount, billing, cashback, 0,
            latitude, longitude, seller, digest(fingerprint) if fingerprint else 0, ip_low, ip_high,
            key.stan, currency, country, category, expiry, REQUEST_VERSION,
            Operation.AUTHORIZE, kind, modes[0], reference_kind, message.card_present, message.recurring,
            message.partial_approval_allowed, message.incremental_expected, 0, *modes[1:], len(fingerprint),
            acquirer, reference, terminal, merchant_id, name, city, fingerprint,
        )  # fmt: skip

    def reverse(self, message: Any, sender: int) -> bytes:
        """The REQUEST record of a full ReverseRequest. Raises BadRequest."""
        bad: list[Violation] = []
        arrival_ns = self._clock_ns()
        key = message.key
        acquirer, reference, terminal, sent_s = self._key(key, "key", arrival_ns, bad)
        original_low, original_high = 0, 0
        if message.authorization_id:
            original_low, original_high = _authorization_id(message.authorization_id, bad)
        elif message.HasField("original"):
            original = message.original
            of_original = self._key(original, "original", None, bad)
            if not bad:
                original_low, original_high = self._identify(
                    Operation.AUTHORIZE, sender, original.stan, of_original[3], *of_original[:3]
                )
        else:
            bad.append(Violation("original", "must name the original, unless authorization_id does"))
        if message.remaining_minor < 0:
            bad.append(
                Violation(
                    "remaining_minor", f"must be 0 to 9223372036854775807, got {message.remaining_minor}"
                )
            )
        if bad:
            raise BadRequest(bad)
        id_low, id_high = self._identify(
            Operation.REVERSE, sender, key.stan, sent_s, acquirer, reference, terminal
        )
        content = _words(
            hashlib.blake2b(
                struct.pack("<QQq", original_low, original_high, message.remaining_minor), digest_size=16
            ).digest()
        )
        return _PACK.pack(
            id_low, id_high, original_low, original_high, *content, 0, 0, sender,
            sent_s, MISSING_S, arrival_ns, 0, 0, 0, message.remaining_minor,
            nan, nan, 0, 0, 0, 0,
            key.stan, 0, 0, 0, 0, REQUEST_VERSION,
            Operation.REVERSE, 0, 0, CardReference.NONE, 0, 0, 0, 0, message.advice, 0, 0, 0, 0, 0,
            acquirer, reference, terminal, b"", b"", b"", b"",
        )  # fmt: skip

    def _key(
        self, key: Any, path: str, arrival_ns: int | None, bad: list[Violation]
    ) -> tuple[bytes, bytes, bytes, int]:
        acquirer, reference, terminal = key.acquirer_id, key.retrieval_reference, key.terminal_id
        if not (0 < len(acquirer) <= 11 and acquirer.isascii() and acquirer.isdigit()):
            bad.append(Violation(f"{path}.acquirer_id", "must be 1 to 11 digits"))
        if key.stan > 999_999:
            bad.append(Violation(f"{path}.stan", f"must be 0 to 999999, got {key.stan}"))
        if reference and not (len(reference) == 12 and reference.isascii() and reference.isprintable()):
            bad.append(
                Violation(f"{path}.retrieval_reference", "must be 12 printable ASCII characters, or absent")
            )
        if terminal and not (len(terminal) <= 8 and terminal.isascii() and terminal.isprintable()):
            bad.append(Violation(f"{path}.terminal_id", "must be at most 8 printable ASCII characters"))
        sent_s = key.transmission_time.seconds
        if not key.HasField("transmission_time"):
            bad.append(Violation(f"{path}.transmission_time", "must be given"))
        elif _time(key.transmission_time, f"{path}.transmission_time", bad) and arrival_ns is not None:
            ahead_s = sent_s - arrival_ns // 1_000_000_000
            if not self._message_time and not -_BEHIND_MAX_S <= ahead_s <= _AHEAD_MAX_S:
                bad.append(
                    Violation(
                        f"{path}.transmission_time",
                        f"must lie within {_BEHIND_MAX_S} s before and {_AHEAD_MAX_S} s after our clock, "
                        f"is off by {ahead_s} s",
                    )
                )
            elif sent_s < 0:
                bad.append(Violation(f"{path}.transmission_time", "must not lie before 1970"))
        return acquirer.encode(), reference.encode(), terminal.encode(), sent_s

    def _card(self, message: Any, bad: list[Violation]) -> tuple[int, int, int]:
        which = message.WhichOneof("card")
        if which == "pan":
            pan = message.pan
            if 12 <= len(pan) <= 19 and pan.isascii() and pan.isdigit():
                if luhn_holds(pan.encode()):
                    return (CardReference.PAN, *self._keys.pan_key(pan))
                bad.append(Violation("pan", "its check digit (Luhn) does not hold"))
            else:
                bad.append(Violation("pan", "must be 12 to 19 digits"))
        elif which == "card_token":
            token = message.card_token
            digits = token.removeprefix(_TOKEN_PREFIX)
            if token != digits and len(digits) == 32 and _HEX.issuperset(digits):
                value = int(digits, 16)
                return CardReference.TOKEN, value & _WORD, value >> 64
            bad.append(Violation("card_token", f"must be {_TOKEN_PREFIX} and 32 hexadecimal digits"))
        else:
            bad.append(Violation("card", "must be given as pan or card_token"))
        return CardReference.NONE, 0, 0

    def _merchant(self, merchant: Any, acquirer: bytes, bad: list[Violation]) -> tuple[Any, ...]:
        merchant_id = merchant.merchant_id
        if merchant_id and not (
            len(merchant_id) <= 15 and merchant_id.isascii() and merchant_id.isprintable()
        ):
            bad.append(Violation("merchant.merchant_id", "must be at most 15 printable ASCII characters"))
        for name, text in (("merchant.name", merchant.name), ("merchant.city", merchant.city)):
            if text and (len(text) > 25 or not text.isprintable()):
                bad.append(Violation(name, "must be at most 25 printable characters"))
        category = merchant.category_code
        if not (len(category) == 4 and category.isascii() and category.isdigit()):
            bad.append(Violation("merchant.category_code", "must be 4 digits (MCC)"))
        country = self._countries.get(merchant.country)
        if country is None:
            bad.append(Violation("merchant.country", "must be an ISO 3166-1 alpha-2 code such as US"))
        latitude, longitude = merchant.latitude_deg, merchant.longitude_deg
        if latitude == 0 and longitude == 0:
            latitude = longitude = nan
        else:
            if not -90 <= latitude <= 90:
                bad.append(Violation("merchant.latitude_deg", _degrees(latitude, 90)))
            if not -180 <= longitude <= 180:
                bad.append(Violation("merchant.longitude_deg", _degrees(longitude, 180)))
        if bad:
            return ()
        name, identity = merchant.name.encode(), merchant_id.encode()
        identity_digest = merchant_digest(acquirer, identity or name)
        return (
            name, merchant.city.encode(), identity, int(category), country, latitude, longitude, identity_digest,
        )  # fmt: skip

    def _identify(
        self,
        operation: Operation,
        sender: int,
        stan: int,
        sent_s: int,
        acquirer: bytes,
        reference: bytes,
        terminal: bytes,
    ) -> tuple[int, int]:
        """The id of a message: 48 bits of its time in ms, 72 bits of a keyed hash of its key, 8 zero bits for legs."""
        hashed = hashlib.blake2b(
            _HASHED_KEY.pack(operation, sender, sent_s, stan, acquirer, reference, terminal),
            key=self._identifier_key,
            digest_size=9,
        ).digest()
        value = ((sent_s * 1000) & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(hashed, "little") << 8
        return value & _WORD, value >> 64


def luhn_holds(digits: bytes) -> bool:
    """Whether the last digit checks the others. Source: ISO/IEC 7812-1, annex B."""
    doubled = digits[-2::-2].translate(_DOUBLED)
    return (sum(doubled) + sum(digits[::-2].translate(_UNDOUBLED))) % 10 == 0


def _words(digest: bytes) -> tuple[int, int]:
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def _time(stamp: Any, path: str, bad: list[Violation]) -> bool:
    if _TIME_FIRST_S <= stamp.seconds <= _TIME_LAST_S and 0 <= stamp.nanos <= 999_999_999:
        return True
    bad.append(Violation(path, "must lie in the years 1 to 9999, with nanos of 0 to 999999999"))
    return False


def _degrees(value: float, bound: int) -> str:
    got = value if isfinite(value) else "not a finite number"
    return f"must be -{bound} to {bound} degrees, got {got}"


def _enums(message: Any, bad: list[Violation]) -> None:
    for name, last in (
        ("entry_mode", 6),
        ("card_verification", 3),
        ("pin_verification", 3),
        ("address_verification", 3),
        ("cardholder_authentication", 3),
    ):
        value = getattr(message, name)
        if not 0 <= value <= last:
            bad.append(Violation(name, f"must be one of the contract's values 0 to {last}, got {value}"))


def _authorization_id(text: str, bad: list[Violation]) -> tuple[int, int]:
    try:
        low, high = id_pair(text)
    except ValueError:
        low, high = 1, 0
    if not low & 0xFF:  # the low byte is the legs', see ledger.holds
        return low, high
    bad.append(Violation("authorization_id", "must be the 32 hexadecimal digits of an answer"))
    return 0, 0
