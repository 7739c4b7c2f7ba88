"""Frames of a link: the ordinary messages by the kernel of `decoding`, the rest left to whoever reads them one by one."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from server.core.record import REQUEST, digest, merchant_digest, seen_as
from server.front.decoding import (
    HASHED_KEY_SIZE,
    LEFT,
    REQUEST_NUMBERS,
    content_bytes,
    decode_frame,
    letter_tables,
    take_hashes,
)
from server.front.masking import mask_all
from server.front.permits import EVERYTHING, Permits
from server.front.wire import PAN_SIZE_MAX

MESSAGES_MAX: Final = 256
_CONTENT_SIZE: Final = 51
_KEY_HASH_SIZE: Final = 9
_CONTENT_HASH_SIZE: Final = 16
_NO_CARD: Final = bytes(16)


@dataclass(slots=True)
class Frame:
    """What a frame held: per message its sequence, and its REQUEST record, or the bytes that must be read otherwise."""

    unread: bool
    """Not decoded at all: it is no frame, holds more than MESSAGES_MAX messages, or something of a later contract."""
    sequences: list[int]
    records: list[bytes | None]
    left: list[bytes]
    """The messages without a record, in order; together with `records` they are the frame."""


class FrameDecoder:
    """Decodes frames into arrays of its own, which it uses again for the next."""

    def __init__(
        self,
        card_key: Callable[[bytes], bytes],
        identifier_key: bytes,
        clock_ns: Callable[[], int],
        *,
        message_time: bool,
        said_key: Callable[[bytes, int], bytes] | None = None,
    ) -> None:
        """
        `card_key` makes 16 bytes of a PAN's digits; `identifier_key` is what ids are hashed with.

        `said_key` makes those that stand for a PAN in the content, by the message's time too; None where they are the same.
        """
        self._card_key = card_key
        self._said_key = said_key
        self._identifier_key = identifier_key
        self.clock_ns = clock_ns
        self._message_time = message_time
        self._countries, self._currencies = letter_tables()
        self._records = np.zeros(MESSAGES_MAX, REQUEST_NUMBERS)
        # The same memory, seen otherwise; to look anew for each frame would cost more than what is read.
        self._bytes = seen_as(self._records, np.dtype(np.uint8)).reshape(MESSAGES_MAX, -1)
        texts = seen_as(self._records, REQUEST)
        self._merchant_texts = [texts[name] for name in ("acquirer_id", "merchant_id", "merchant_name")]
        self._device_sizes = texts["device_fingerprint_size"]
        self._sequences = np.zeros(MESSAGES_MAX, np.uint64)
        self._states = np.zeros(MESSAGES_MAX, np.uint8)
        self._spans = np.zeros((MESSAGES_MAX, 2), np.int64)
        self._pans = np.zeros((MESSAGES_MAX, PAN_SIZE_MAX), np.uint8)
        self._pan_sizes = np.zeros(MESSAGES_MAX, np.int64)
        self._key_bytes = np.zeros((MESSAGES_MAX, HASHED_KEY_SIZE), np.uint8)
        self._content_bytes = np.zeros((MESSAGES_MAX, _CONTENT_SIZE), np.uint8)

    def decode(
        self, raw: bytes, sender: int, permits: Permits = EVERYTHING, arrival_ns: int | None = None
    ) -> Frame:
        """
        The frame in these bytes, which arrived now unless said otherwise.

        Messages that `permits` forbids are left; their card numbers are not hashed.
        """
        records = self._records
        count = decode_frame(
            np.frombuffer(raw, np.uint8),
            records,
            self._sequences,
            self._states,
            self._spans,
            self._pans,
            self._pan_sizes,
            self._key_bytes,
            self._countries,
            self._currencies,
            np.uint64(sender),
            self.clock_ns() if arrival_ns is None else arrival_ns,
            self._message_time,
        )
        known = min(max(count, 0), MESSAGES_MAX)
        frame = Frame(count != known, self._sequences[:known].tolist(), [None] * known, [])
        if not frame.unread:
            if known and not permits.is_everything:
                permits.leave_forbidden(
                    records[:known], self._states[:known], self._pans[:known], self._pan_sizes[:known]
                )
            if known:
                # No card number but as a hash: see `masking`.
                mask_all(records[:known], self._states[:known], self._pans[:known], self._pan_sizes[:known])
            self._take(frame, raw, known)
        # The next frame's kernel wants zeroed records; one that was given up may have written any of them.
        used = MESSAGES_MAX if frame.unread else known
        self._bytes[:used].fill(0)
        self._pan_sizes[:used] = 0
        return frame

    def warm_up(self) -> None:
        """Compile the kernels."""
        self.decode(b"", 0)
        mask_all(self._records[:0], self._states[:0], self._pans[:0], self._pan_sizes[:0])
        self._hash(0)
        Permits(None).leave_forbidden(
            self._records[:0], self._states[:0], self._pans[:0], self._pan_sizes[:0]
        )

    def _take(self, frame: Frame, raw: bytes, count: int) -> None:
        states = self._states[:count].tolist()
        spans = self._spans[:count].tolist()
        frame.left = [
            raw[begin:end] for (begin, end), state in zip(spans, states, strict=True) if state == LEFT
        ]
        if len(frame.left) == count:
            return
        self._hash(count)
        whole = self._bytes[:count].tobytes()
        size = REQUEST.itemsize
        for place, state in enumerate(states):
            if state != LEFT:
                frame.records[place] = whole[place * size : (place + 1) * size]

    def _hash(self, count: int) -> None:
        """The card's, the merchant's and the device's hashes, then those of key and content."""
        records = self._records[:count]
        pans = self._pans[:count].tobytes()
        sizes = self._pan_sizes[:count].tolist()
        starts = range(0, count * PAN_SIZE_MAX, PAN_SIZE_MAX)
        keyed = self._card_key
        cards = [
            keyed(pans[at : at + size]) if size > 0 else _NO_CARD
            for at, size in zip(starts, sizes, strict=True)
        ]
        merchants = [
            merchant_digest(acquirer, merchant or name)
            for acquirer, merchant, name in zip(
                *(texts[:count].tolist() for texts in self._merchant_texts), strict=True
            )
        ]
        for place in self._device_sizes[:count].nonzero()[0].tolist():
            size = int(self._device_sizes[place])
            records["device"][place] = digest(records["device_fingerprint"][place, :size].tobytes())
        content_bytes(
            records,
            self._pan_sizes[:count],
            np.frombuffer(b"".join(cards), "<u8").reshape(-1, 2),
            np.array(merchants, np.uint64),
            self._content_bytes,
        )
        if self._said_key is not None:
            sent = records["transmission_s"].tolist()
            for place, size in enumerate(sizes):
                if size > 0:
                    at = place * PAN_SIZE_MAX
                    said = self._said_key(pans[at : at + size], sent[place])
                    self._content_bytes[place, : len(said)] = np.frombuffer(said, np.uint8)
        take_hashes(
            records,
            _hashes(self._key_bytes[:count], _KEY_HASH_SIZE, self._identifier_key),
            _hashes(self._content_bytes[:count], _CONTENT_HASH_SIZE, b""),
        )


def _hashes(rows: Any, size: int, key: bytes) -> Any:
    """BLAKE2b of each row of u1[n, k], as u1[n, size]."""
    joined = rows.tobytes()
    width = rows.shape[1]
    keyed = blake2b(key=key, digest_size=size)
    hashed = []
    for at in range(0, len(joined), width):
        one = keyed.copy()  # it has taken in the key
        one.update(joined[at : at + width])
        hashed.append(one.digest())
    return np.frombuffer(b"".join(hashed), np.uint8).reshape(-1, size)
