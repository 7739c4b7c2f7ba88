"""
The fields that messages of the contract share, checked: keys, cards, merchants, times. Every bad one is named.

The card number becomes its keyed hash here and goes no further. A field that the contract bounds is refused beyond
its bound, never cut.
"""

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, Final

from google.protobuf.message import DecodeError

from server.core.record import CardReference, Operation, id_pair, merchant_digest
from server.front.card_keys import CardKeys
from server.front.codes import country_numbers, currency_numbers
from server.front.masking import DIGITS_MIN, masked
from server.keys import Keys

_HASHED_KEY: Final = struct.Struct("<BQqI11s12s8s")
_AHEAD_MAX_S: Final = 300
_BEHIND_MAX_S: Final = 3600
_TIME_FIRST_S: Final = -62_135_596_800  # 0001-01-01, protobuf's Timestamp
_TIME_LAST_S: Final = 253_402_300_799  # 9999-12-31
_DOUBLED: Final = bytes.maketrans(b"0123456789", bytes([0, 2, 4, 6, 8, 1, 3, 5, 7, 9]))
_UNDOUBLED: Final = bytes.maketrans(b"0123456789", bytes(range(10)))
_TOKEN_PREFIX: Final = "card_"  # noqa: S105 - the first characters of every card token
_HEX: Final = frozenset("0123456789abcdef")
_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF
AMOUNT_MAX: Final = (1 << 63) - 1


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


def parse(kind: type[Any], raw: bytes) -> Any:
    """The message in these bytes. Raises BadRequest."""
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise BadRequest(
            [Violation("", f"must be a {kind.DESCRIPTOR.full_name} in protobuf encoding")]
        ) from None


class Fields:
    """Checks fields into `bad`, a list that grows. Holds the keys; knows no socket."""

    def __init__(
        self,
        keys: Keys,
        clock_ns: Callable[[], int],
        *,
        message_time: bool,
        card_keys: CardKeys | None = None,
    ) -> None:
        self._card_keys = card_keys or CardKeys(keys)
        self._identifier_key = keys.identifier_key
        self.clock_ns = clock_ns
        self._message_time = message_time
        self.currencies = currency_numbers()
        self._countries = country_numbers()

    def key(
        self, key: Any, path: str, arrival_ns: int | None, bad: list[Violation], *, is_advice: bool = False
    ) -> tuple[bytes, bytes, bytes, int]:
        """
        Acquirer, reference and terminal of a MessageKey, and its time.

        The time must lie near `arrival_ns`, where that is given; an advice may come late.
        """
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
        elif check_time(key.transmission_time, f"{path}.transmission_time", bad) and arrival_ns is not None:
            ahead_s = sent_s - arrival_ns // 1_000_000_000
            behind = "any time" if is_advice else f"{_BEHIND_MAX_S} s"
            is_near = ahead_s <= _AHEAD_MAX_S and (is_advice or ahead_s >= -_BEHIND_MAX_S)
            if not self._message_time and not is_near:
                bad.append(
                    Violation(
                        f"{path}.transmission_time",
                        f"must lie within {behind} before and {_AHEAD_MAX_S} s after our clock, "
                        f"is off by {ahead_s} s",
                    )
                )
            elif sent_s < 0:
                bad.append(Violation(f"{path}.transmission_time", "must not lie before 1970"))
        return acquirer.encode(), reference.encode(), terminal.encode(), sent_s

    def card(self, message: Any, bad: list[Violation]) -> tuple[int, int, int]:
        """How the message names its card (CardReference), and the record's `card_key`."""
        which = message.WhichOneof("card")
        if which == "pan":
            pan = message.pan
            if 12 <= len(pan) <= 19 and pan.isascii() and pan.isdigit():
                if luhn_holds(pan.encode()):
                    return (CardReference.PAN, *words_of(self._card_keys.key(pan.encode())))
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

    def check_unnamed(self, message: Any, identifiers: dict[str, bytes], bad: list[Violation]) -> None:
        """Whether none of these identifiers (by their paths) holds the message's own card number."""
        pan = message.pan.encode() if message.WhichOneof("card") == "pan" else b""
        if len(pan) < DIGITS_MIN:
            return
        for path, identifier in identifiers.items():
            if pan in identifier:
                bad.append(Violation(path, "must not hold the card's number"))

    def said_card(self, message: Any, sent_s: int, card_key: tuple[int, int]) -> tuple[int, int]:
        """What stands for a message's card in what it says: its `card_key`, by the PAN key of when it was sent."""
        said_key = self._card_keys.said_key
        if said_key is None or message.WhichOneof("card") != "pan":
            return card_key
        return words_of(said_key(message.pan.encode(), sent_s))

    def merchant(self, merchant: Any, acquirer: bytes, bad: list[Violation]) -> tuple[Any, ...]:
        """Name, city, id, category, country, latitude, longitude and digest of a Merchant; nothing where any is bad."""
        merchant_id = merchant.merchant_id
        if merchant_id and not (
            len(merchant_id) <= 15 and merchant_id.isascii() and merchant_id.isprintable()
        ):
            bad.append(Violation("merchant.merchant_id", "must be at most 15 printable ASCII characters"))
        for path, text in (("merchant.name", merchant.name), ("merchant.city", merchant.city)):
            if text and (len(text) > 25 or not text.isprintable()):
                bad.append(Violation(path, "must be at most 25 printable characters"))
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
        name, city, identity = masked(merchant.name), masked(merchant.city), merchant_id.encode()
        identity_digest = merchant_digest(acquirer, identity or name)
        return (
            name, city, identity, int(category), country, latitude, longitude, identity_digest,
        )  # fmt: skip

    def identify(
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


def words_of(digest: bytes) -> tuple[int, int]:
    """16 bytes as a record's u128."""
    return int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:], "little")


def check_time(stamp: Any, path: str, bad: list[Violation]) -> bool:
    """Whether a google.protobuf.Timestamp is a valid one."""
    if _TIME_FIRST_S <= stamp.seconds <= _TIME_LAST_S and 0 <= stamp.nanos <= 999_999_999:
        return True
    bad.append(Violation(path, "must lie in the years 1 to 9999, with nanos of 0 to 999999999"))
    return False


def _degrees(value: float, bound: int) -> str:
    got = value if isfinite(value) else "not a finite number"
    return f"must be -{bound} to {bound} degrees, got {got}"


def check_amount(name: str, value: int, least: int, bad: list[Violation]) -> None:
    """Whether an amount is at least `least`; an int64 can't be too large."""
    if value < least:
        bad.append(Violation(name, f"must be {least} to {AMOUNT_MAX} minor units, got {value}"))


def authorization_id(text: str, bad: list[Violation]) -> tuple[int, int]:
    """The id that an answer gave, as (low, high)."""
    try:
        low, high = id_pair(text)
    except ValueError:
        low, high = 0, 0
    if (low or high) and not low & 0xFF:  # the low byte is the legs', see ledger.holds
        return low, high
    bad.append(Violation("authorization_id", "must be the 32 hexadecimal digits of an answer"))
    return 0, 0
