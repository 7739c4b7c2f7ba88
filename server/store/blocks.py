"""
Block lists, line by line: merchants, devices, addresses, countries, cards. See `lifecycle` for a line's life.

A line names what it blocks as the server compares it: digests of merchants and devices, a network address, a country's
number, a card's id. What a person wrote to name it stays with it as its label.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from server.core.record import digest, ip_pair, merchant_digest
from server.store.database import Database
from server.store.lifecycle import STATES, Move, changing, history
from server.store.postgres import StoreError
from server.store.queries import query

KINDS: Final = ("merchant", "device", "ip", "country", "card")
LABEL_MAX: Final = 200
LIST_MAX: Final = 10_000
_ACQUIRER_DIGITS_MAX: Final = 11
_MERCHANT_CHARACTERS_MAX: Final = 15
_DEVICE_BYTES_MAX: Final = 32
_NUMBER_MAX: Final = 2**31


@dataclass(frozen=True, slots=True)
class BlockView:
    """A line of a block list as it is shown."""

    number: int
    kind: str
    label: str
    state: str
    changed_by: str
    changed_at: datetime


def block_value(kind: str, text: str) -> tuple[int, int]:
    """
    What a line of a block list compares with, (low, high), of what a person writes:

    merchant ACQUIRER/MERCHANT as in DE32 and DE42; device the fingerprint, or 0x and its hexadecimal bytes; ip an IPv4
    or IPv6 address; country its ISO 3166-1 number; card its token. Raises StoreError naming what is allowed.
    """
    if kind == "merchant":
        acquirer, _, merchant = text.partition("/")
        if not (acquirer.isascii() and acquirer.isdigit() and len(acquirer) <= _ACQUIRER_DIGITS_MAX):
            raise StoreError(f"merchant: {text!r} is not ACQUIRER/MERCHANT, like 123456/SHOP1.")
        if not 0 < len(merchant.encode()) <= _MERCHANT_CHARACTERS_MAX:
            raise StoreError(f"merchant: its id has 1 to {_MERCHANT_CHARACTERS_MAX} characters after the /.")
        return merchant_digest(acquirer.encode(), merchant.encode()), 0
    if kind == "device":
        return digest(_fingerprint(text)), 0
    if kind == "ip":
        try:
            return ip_pair(text)
        except ValueError:
            raise StoreError(f"ip: {text!r} is no address, like 198.51.100.7 or 2001:db8::7.") from None
    if kind == "country":
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 1000):
            raise StoreError(f"country: {text!r} is no ISO 3166-1 country.")
        return int(text), 0
    if kind == "card":
        try:
            whole = UUID(hex=text.removeprefix("card_")).int
        except ValueError:
            raise StoreError(f"card: {text!r} is no token, card_ and 32 hexadecimal digits.") from None
        return whole & 0xFFFF_FFFF_FFFF_FFFF, whole >> 64
    raise StoreError(f"kind: {kind!r} is none of {', '.join(KINDS)}.")


def _fingerprint(text: str) -> bytes:
    try:
        fingerprint = bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()
    except ValueError:
        raise StoreError(f"device: after 0x come hexadecimal digits, not {text[2:]!r}.") from None
    if not 0 < len(fingerprint) <= _DEVICE_BYTES_MAX:
        raise StoreError(f"device: a fingerprint has 1 to {_DEVICE_BYTES_MAX} bytes, not {len(fingerprint)}.")
    return fingerprint


class Blocks:
    """Writes and lifts lines of the block lists; a running server follows within 1 s."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def put(
        self, kind: str, text: str, *, label: str = "", state: str = "live", changed_by: str
    ) -> BlockView:
        """
        Writes a line, or moves the line that names the same. `label` is for people, else the text.

        Raises StoreError for what names nothing of this kind, and for a move that a line does not make.
        """
        if state not in STATES:
            raise StoreError(f"state: {state!r} is none of {', '.join(STATES)}.")
        written = label or text
        if len(written) > LABEL_MAX:
            raise StoreError(f"label: has up to {LABEL_MAX} characters, not {len(written)}.")
        value = _sixteen(block_value(kind, text))
        async with changing(self._database, changed_by) as connection:
            number = await connection.fetchval(query("find_block"), kind, value)
            if number is None:
                number = await connection.fetchval(query("add_block"), kind, value, written, state)
            else:
                await connection.execute(query("move_block"), number, state, label or None)
        return await self.show(number)

    async def lift(self, number: int, *, changed_by: str) -> BlockView:
        """Lifts a line: what it names is blocked no more. Raises StoreError where there is none."""
        await self.show(number)
        async with changing(self._database, changed_by) as connection:
            await connection.execute(query("move_block"), number, "lifted", None)
        return await self.show(number)

    async def find(self, kind: str, text: str) -> BlockView:
        """The line that names this. Raises StoreError where there is none."""
        async with self._database.acquire() as connection:
            number = await connection.fetchval(query("find_block"), kind, _sixteen(block_value(kind, text)))
        if number is None:
            raise StoreError(f"No block list names the {kind} {text!r}.")
        return await self.show(number)

    async def show(self, number: int) -> BlockView:
        """The line of that number. Raises StoreError where there is none."""
        found = await self._views(number, None, lifted=True) if 0 < number < _NUMBER_MAX else []
        if not found:
            raise StoreError(f"There is no line {number}. `holdfast blocks list` shows which there are.")
        return found[0]

    async def listed(self, kind: str | None = None, *, lifted: bool = False) -> list[BlockView]:
        """The lines of one list, or of all; those lifted too if asked. LIST_MAX at the most, newest first."""
        if kind is not None and kind not in KINDS:
            raise StoreError(f"kind: {kind!r} is none of {', '.join(KINDS)}.")
        return await self._views(None, kind, lifted=lifted)

    async def history(self, number: int) -> list[Move]:
        """Who made what of a line, and when. Raises StoreError where there is none."""
        await self.show(number)
        return await history(self._database, "block", [number])

    async def _views(self, number: int | None, kind: str | None, *, lifted: bool) -> list[BlockView]:
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("show_blocks"), number, kind, lifted, LIST_MAX)
        return [BlockView(**row) for row in rows]


def _sixteen(value: tuple[int, int]) -> bytes:
    low, high = value
    return low.to_bytes(8, "little") + high.to_bytes(8, "little")
