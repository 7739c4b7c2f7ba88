"""
From a message of the contract to a REQUEST record: every field checked, every bad one named.

What the processor may leave out is listed in the README; everything else is required.
"""

import hashlib
import struct
from collections.abc import Callable
from math import nan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.core.record import (
    MISSING_S,
    REQUEST,
    REQUEST_VERSION,
    Operation,
    TransactionType,
    digest,
    ip_pair,
)
from server.front.card_keys import CardKeys
from server.front.fields import (
    BadRequest,
    Fields,
    Violation,
    authorization_id,
    check_amount,
    check_time,
    words_of,
)
from server.keys import Keys

_PACK: Final = struct.Struct("<QQQQQQQQQqqqqqqqddQQQQIHHHHH14B11s12s8s15s100s100s32s38x")
assert _PACK.size == REQUEST.itemsize, "the packing follows the record, field by field"

_CONTENT: Final = struct.Struct("<QQBqqqHQ")
_CONTENT_ABOUT: Final = struct.Struct("<QQQQqqBBB")
_REFERENCE_SIZE_MAX: Final = 23


class Reader:
    """Reads messages of one sender into records. Holds the keys; knows no socket."""

    def __init__(
        self,
        keys: Keys,
        clock_ns: Callable[[], int],
        *,
        message_time: bool,
        card_keys: CardKeys | None = None,
    ) -> None:
        self._fields = Fields(keys, clock_ns, message_time=message_time, card_keys=card_keys)

    def authorize(self, message: Any, sender: int, *, is_advice: bool = False) -> bytes:
        """The REQUEST record of an AuthorizeRequest; of one in an advice, which may come late. Raises BadRequest."""
        bad: list[Violation] = []
        fields = self._fields
        arrival_ns = fields.clock_ns()
        key = message.key
        acquirer, reference, terminal, sent_s = fields.key(key, "key", arrival_ns, bad, is_advice=is_advice)
        reference_kind, low, high = fields.card(message, bad)
        kind = message.transaction_type
        if not 1 <= kind <= 9:
            bad.append(
                Violation("transaction_type", f"must be a known type other than UNSPECIFIED, got {kind}")
            )
        amount = message.amount_minor
        billing = message.billing_amount_minor
        cashback = message.cashback_amount_minor
        if amount < 0 or billing < 0 or cashback < 0:
            check_amount("amount_minor", amount, 0, bad)
            check_amount("billing_amount_minor", billing, 0, bad)
            check_amount("cashback_amount_minor", cashback, 0, bad)
        currency = fields.currencies.get(message.currency)
        if currency is None:
            bad.append(Violation("currency", "must be an ISO 4217 alpha-3 code such as USD"))
        local_s = MISSING_S
        if message.HasField("local_time"):
            local_s = message.local_time.seconds
            check_time(message.local_time, "local_time", bad)
        merchant = message.merchant
        place = fields.merchant(merchant, acquirer, bad)
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
        named = {"merchant.merchant_id": merchant.merchant_id.encode(), "device_fingerprint": fingerprint}
        fields.check_unnamed(message, named, bad)
        ip_low, ip_high = 0, 0
        if message.ip_address:
            try:
                ip_low, ip_high = ip_pair(message.ip_address)
            except ValueError:
                bad.append(Violation("ip_address", "must be an IPv4 or IPv6 address"))
        if bad:
            raise BadRequest(bad)

        id_low, id_high = fields.identify(
            Operation.AUTHORIZE, sender, key.stan, sent_s, acquirer, reference, terminal
        )
        name, city, merchant_id, category, country, latitude, longitude, seller = place
        said = fields.said_card(message, sent_s, (low, high))
        content = hashlib.blake2b(
            _CONTENT.pack(*said, kind, amount, billing, cashback, currency, seller), digest_size=16
        ).digest()
        return _PACK.pack(
            id_low, id_high, 0, 0, *words_of(content), low, high, sender,
            sent_s, local_s, arrival_ns, amount, billing, cashback, 0,
            latitude, longitude, seller, digest(fingerprint) if fingerprint else 0, ip_low, ip_high,
            key.stan, currency, country, category, expiry, REQUEST_VERSION,
            Operation.AUTHORIZE, kind, modes[0], reference_kind, message.card_present, message.recurring,
            message.partial_approval_allowed, message.incremental_expected, 0, *modes[1:], len(fingerprint),
            acquirer, reference, terminal, merchant_id, name, city, fingerprint,
        )  # fmt: skip

    def increment(self, message: Any, sender: int) -> bytes:
        """The REQUEST record of an IncrementRequest. Raises BadRequest."""
        bad: list[Violation] = []
        record = self._about(Operation.INCREMENT, message, sender, bad)
        if message.authorization_id:
            record["original_id"] = authorization_id(message.authorization_id, bad)
        else:
            bad.append(Violation("authorization_id", "must be given"))
        check_amount("amount_minor", message.amount_minor, 1, bad)
        if bad:
            raise BadRequest(bad)
        # What an increment consumes counts as a purchase does.
        record["transaction_type"] = TransactionType.PURCHASE
        record["amount_minor"] = message.amount_minor
        record["cumulative"] = message.cumulative
        return _sealed(record)

    def reverse(self, message: Any, sender: int) -> bytes:
        """The REQUEST record of a ReverseRequest. Raises BadRequest."""
        bad: list[Violation] = []
        record = self._about(Operation.REVERSE, message, sender, bad, is_advice=message.advice)
        if message.authorization_id:
            record["original_id"] = authorization_id(message.authorization_id, bad)
        elif message.HasField("original"):
            record["original_id"] = self._original(message.original, sender, bad)
        else:
            bad.append(Violation("original", "must name the original, unless authorization_id does"))
        check_amount("remaining_minor", message.remaining_minor, 0, bad)
        if bad:
            raise BadRequest(bad)
        record["remaining_minor"] = message.remaining_minor
        record["advice"] = message.advice
        return _sealed(record)

    def advise(self, message: Any, sender: int) -> bytes:
        """The REQUEST record of an AdviseRequest. Raises BadRequest."""
        bad: list[Violation] = []
        code, approval = message.response_code, message.authorization_code
        if not (len(code) == 2 and code.isascii() and code.isalnum()):
            bad.append(
                Violation("response_code", "must be the 2 letters or digits that the network answered (DE39)")
            )
        if approval and not (len(approval) == 6 and approval.isascii() and approval.isalnum()):
            bad.append(Violation("authorization_code", "must be 6 letters or digits (DE38), or absent"))
        raw = b""
        if not message.HasField("original"):
            bad.append(Violation("original", "must be given"))
        else:
            try:
                raw = self.authorize(message.original, sender, is_advice=True)
            except BadRequest as error:
                bad += [Violation(f"original.{v.field}", v.description) for v in error.violations]
        if bad:
            raise BadRequest(bad)
        record = np.frombuffer(bytearray(raw), REQUEST)[0]
        key = record["acquirer_id"], record["retrieval_reference"], record["terminal_id"]
        record["original_id"] = record["authorization_id"]
        record["authorization_id"] = self._fields.identify(
            Operation.ADVISE, sender, int(record["stan"]), int(record["transmission_s"]), *key
        )
        record["operation"] = Operation.ADVISE
        record["advice"] = 1
        record["given_code"], record["given_authorization_code"] = code.encode(), approval.encode()
        return bytes(record.tobytes())

    def clear(self, message: Any, sender: int) -> bytes:
        """The REQUEST record of a ClearRequest. Raises BadRequest."""
        bad: list[Violation] = []
        record = self._about(Operation.CLEAR, message, sender, bad)
        names_card = message.WhichOneof("card") is not None
        if message.authorization_id:
            record["original_id"] = authorization_id(message.authorization_id, bad)
        elif message.HasField("original"):
            record["original_id"] = self._original(message.original, sender, bad)
        elif not names_card:
            bad.append(Violation("authorization_id", "must be given, unless original or a card is"))
        if names_card:
            kind, low, high = self._fields.card(message, bad)
            record["card_reference"], record["card_key"] = kind, (low, high)
        check_amount("amount_minor", message.amount_minor, 1, bad)
        reference = message.network_reference
        if len(reference) > _REFERENCE_SIZE_MAX or not (reference.isascii() and reference.isprintable()):
            text = f"must be at most {_REFERENCE_SIZE_MAX} printable ASCII characters"
            bad.append(Violation("network_reference", text))
        named = {
            "merchant.merchant_id": message.merchant.merchant_id.encode(),
            "network_reference": reference.encode(),
        }
        self._fields.check_unnamed(message, named, bad)
        if message.HasField("merchant"):
            acquirer = message.key.acquirer_id.encode(errors="replace")
            place = self._fields.merchant(message.merchant, acquirer, bad)
            if place:
                name, city, merchant_id, category, country, latitude, longitude, seller = place
                record["merchant_name"], record["merchant_city"], record["merchant_id"] = (
                    name,
                    city,
                    merchant_id,
                )
                record["category"], record["country"], record["merchant"] = category, country, seller
                record["latitude_deg"], record["longitude_deg"] = latitude, longitude
        if bad:
            raise BadRequest(bad)
        record["amount_minor"] = message.amount_minor
        record["final"], record["credit"] = message.final, message.credit
        record["network_reference"] = reference.encode()
        said = tuple(record["card_key"].tolist())
        if names_card:
            said = self._fields.said_card(message, int(record["transmission_s"]), said)
        return _sealed(record, said)

    def _about(
        self,
        operation: Operation,
        message: Any,
        sender: int,
        bad: list[Violation],
        *,
        is_advice: bool = False,
    ) -> Any:
        """A REQUEST record with what all messages about authorizations have."""
        arrival_ns = self._fields.clock_ns()
        acquirer, reference, terminal, sent_s = self._fields.key(
            message.key, "key", arrival_ns, bad, is_advice=is_advice
        )
        record = np.zeros(1, REQUEST)[0]
        record["local_s"] = MISSING_S
        record["latitude_deg"] = record["longitude_deg"] = nan
        if bad:
            return record
        record["version"], record["operation"], record["sender"] = REQUEST_VERSION, operation, sender
        record["arrival_ns"], record["transmission_s"] = arrival_ns, sent_s
        record["stan"] = message.key.stan
        record["acquirer_id"], record["retrieval_reference"] = acquirer, reference
        record["terminal_id"] = terminal
        record["authorization_id"] = self._fields.identify(
            operation, sender, message.key.stan, sent_s, acquirer, reference, terminal
        )
        return record

    def _original(self, original: Any, sender: int, bad: list[Violation]) -> tuple[int, int]:
        """The id of the authorization with this key."""
        of_original = self._fields.key(original, "original", None, bad)
        if bad:
            return 0, 0
        return self._fields.identify(
            Operation.AUTHORIZE, sender, original.stan, of_original[3], *of_original[:3]
        )


def _sealed(record: Any, card: tuple[int, int] = (0, 0)) -> bytes:
    """The record with the digest of what it says, of this card if of any: same key, other content is 94."""
    said = _CONTENT_ABOUT.pack(
        *record["original_id"].tolist(),
        *card,
        record["amount_minor"],
        record["remaining_minor"],
        record["cumulative"],
        record["final"],
        record["credit"],
    )
    record["content"] = words_of(hashlib.blake2b(said, digest_size=16).digest())
    whole: NDArray[Any] = np.asarray(record)
    return whole.tobytes()


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
