"""
Card numbers as their keyed hashes, the moment they arrive.

While the PAN key rotates, whoever knows the cards hears of each number by today's key and by the one before, ahead of the
request that names it: so its card is found, and moves to today's.
"""

from collections.abc import Callable

from server.keys import Keys


class CardKeys:
    """What a front makes of card numbers: digits in ASCII."""

    def __init__(self, keys: Keys, renew: Callable[[bytes], None] = lambda _pairs: None) -> None:
        """`renew` hears of the numbers that are seen while the key rotates, as `Core.renew` takes them."""
        self._keys = keys
        self._renew = renew
        is_rotating = keys.previous_pan is not None
        self.key: Callable[[bytes], bytes] = self._key if is_rotating else keys.pan_key_bytes
        """The 16 bytes that find a card."""
        self.said_key: Callable[[bytes, int], bytes] | None = keys.said_key if is_rotating else None
        """The 16 bytes that stand for a card in what a message says, by when it was sent; None where they are the same."""

    def _key(self, pan: bytes) -> bytes:
        pair = self._keys.renewal(pan)
        self._renew(pair)
        return pair[:16]
