"""Scenarios as tables of messages and answers: read from Markdown, played through the door."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from holdfast.v1 import authorization_pb2 as pb
from server.store.portfolio import demo_pan
from tests.end_to_end import callers

FOLDER = Path(__file__).parents[1] / "scenarios"
OPENING_MINOR = 100_000
"""What every card begins with."""

_MESSAGE = re.compile(
    r"(?P<verb>authorize|increment|reverse|advise|clear|force|refund|repeat)"
    r"(?: (?P<name>[A-Z]))?(?P<rest> to| leaving| as \w\w)?(?P<how>(?:, [a-z ]+(?: of [\d.]+)?)*)"
)
_KINDS = {
    "cash": (pb.TRANSACTION_TYPE_CASH_WITHDRAWAL, "6011"),
    "cashback": (pb.TRANSACTION_TYPE_PURCHASE_CASHBACK, "5411"),
    "refund": (pb.TRANSACTION_TYPE_REFUND, "5411"),
    "original credit": (pb.TRANSACTION_TYPE_ORIGINAL_CREDIT, "6012"),
    "account funding": (pb.TRANSACTION_TYPE_ACCOUNT_FUNDING, "6012"),
    "balance": (pb.TRANSACTION_TYPE_BALANCE_INQUIRY, "6011"),
    "status": (pb.TRANSACTION_TYPE_ACCOUNT_STATUS, "5411"),
    "fuel": (pb.TRANSACTION_TYPE_PURCHASE, "5542"),
    "hotel": (pb.TRANSACTION_TYPE_PURCHASE, "7011"),
    "dinner": (pb.TRANSACTION_TYPE_PURCHASE, "5812"),
}
_MOVED = {
    pb.AuthorizeResponse: "approved_amount_minor",
    pb.ReverseResponse: "released_minor",
    pb.ClearResponse: "posted_minor",
}


@dataclass
class Row:
    """One message and what it is answered; amounts in minor units, None where the cell is empty."""

    message: str
    amount_minor: int | None
    code: str
    moved_minor: int | None
    owed_minor: int | None
    available_minor: int | None


@dataclass
class Scenario:
    """One table."""

    source: str
    title: str
    rows: list = field(default_factory=list)

    def __str__(self):
        return f"{self.source}: {self.title}"


def read_all():
    """Every scenario of every file."""
    return [scenario for file in sorted(FOLDER.glob("*.md")) for scenario in read(file)]


def read(file):
    """The scenarios of one file: a heading each, and a table under it."""
    found = []
    for line in file.read_text().splitlines():
        if line.startswith("## "):
            found.append(Scenario(file.stem, line[3:]))
        elif line.startswith("|") and found:
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if cells[0] != "message" and set(cells[0]) != {"-"}:
                found[-1].rows.append(_row(cells))
    return found


def _row(cells):
    message, amount, code, *figures = cells
    assert _MESSAGE.fullmatch(message), f"no message reads {message!r}"
    return Row(message, minor(amount), code, *map(minor, figures))


def minor(cell):
    """An amount as it is written, 12.50, in minor units, 1250; None for nothing."""
    if not cell:
        return None
    whole, _, cents = cell.partition(".")
    return int(whole) * 100 + int(cents.ljust(2, "0"))


class Player:
    """Plays a scenario with one card; `way` is whoever sends the messages."""

    def __init__(self, way, card):
        self._way = way
        self._card = card
        self._requests = {}
        self._ids = {}
        self._last = None

    def begin(self):
        """Take from the card what is more than it begins with."""
        more = callers.funded_minor(self._card) - OPENING_MINOR
        answer = self._way.ask(callers.clear(amount_minor=more, pan=demo_pan(self._card)))
        assert (answer.response_code, answer.overdrawn_minor) == ("00", 0)

    def play(self, row):
        """Send the row's message; its answer."""
        meant = _MESSAGE.fullmatch(row.message).groupdict()
        hows = [how.strip() for how in meant["how"].split(",") if how.strip()]
        if meant["verb"] != "repeat":
            self._last = getattr(self, f"_{meant['verb']}")(meant["name"], row, meant["rest"], hows)
        answer = self._way.ask(self._last)
        assert answer.replayed == (meant["verb"] == "repeat")
        if meant["verb"] in {"authorize", "advise"}:
            self._ids[meant["name"]] = answer.authorization_id
        return answer

    def _authorize(self, name, row, _, hows):
        request = self._original(name)
        request.amount_minor = row.amount_minor
        for how in hows:
            kind, _, more = how.partition(" of ")
            if kind == "partial":
                request.partial_approval_allowed = True
                continue
            request.transaction_type, request.merchant.category_code = _KINDS[kind]
            request.cashback_amount_minor = minor(more) or 0
        return request

    def _increment(self, name, row, rest, _):
        return callers.increment(self._ids[name], row.amount_minor, cumulative=rest == " to")

    def _reverse(self, name, row, rest, _):
        remaining = row.amount_minor if rest == " leaving" else 0
        return callers.reversal(self._original(name), remaining_minor=remaining)

    def _advise(self, name, row, rest, _):
        original = self._original(name)
        original.amount_minor = row.amount_minor
        return callers.advise(original, rest[-2:] if rest else "00")

    def _clear(self, name, row, _, hows):
        return callers.clear(
            self._ids[name], row.amount_minor, final="open" not in hows, credit="as a credit" in hows
        )

    def _force(self, _, row, *__):
        return callers.clear(amount_minor=row.amount_minor, pan=demo_pan(self._card))

    def _refund(self, _, row, *__):
        return callers.clear(amount_minor=row.amount_minor, pan=demo_pan(self._card), credit=True)

    def _original(self, name):
        """The authorization's request: its key is known before it is sent."""
        if name not in self._requests:
            self._requests[name] = callers.purchase(self._card)
        return self._requests[name]


def told(answer):
    """What an answer says was approved, released or posted; None where it says nothing of the kind."""
    name = _MOVED.get(type(answer))
    return getattr(answer, name) if name else None
