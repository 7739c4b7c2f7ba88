"""
Card → account, customer, programme: columns in memory, behind a compiled index; both grow where they lie.

A card is one row of `CARD`, at the position `cards.number` that PostgreSQL gave it, so that every state array (limits,
velocity, features) can be indexed by the same row and survives a restart. Controls and limits that cards share are kept
once.
The directory is owned by the core's thread: `apply` and `find` are never called from another. A change of SLICE_CARDS
is applied within a few milliseconds, however many cards there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum, IntFlag
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger.room import Room
from server.core.block_lists import BlockEntry, BlockLists
from server.core.card_index import CardIndex
from server.core.limit_sets import Limit, LimitSets, Overrides
from server.core.record import TransactionType


class CardState(IntEnum):
    """The life of a card as the directory sees it; each answers with a code of its own unless ACTIVE."""

    ACTIVE = 0
    INACTIVE = 1  # issued, not yet activated: 78
    FROZEN = 2  # by the holder or the issuer, may come back: 78
    LOST = 3  # 41
    STOLEN = 4  # 43
    CLOSED = 5  # 46


class AccountState(IntEnum):
    """OPEN, or CLOSED: 46."""

    OPEN = 0
    CLOSED = 1


class CardFlag(IntFlag):
    """What else the path reads of a card, its account and its customer."""

    SINGLE_USE = 1
    COMPLIANCE_BLOCK = 2  # sanctions or compliance: 59
    KYC_INCOMPLETE = 4
    POLITICALLY_EXPOSED = 8
    PIN_BLOCKED = 16  # PIN tries used up: 75


class Channel(IntFlag):
    """Where a card may be used."""

    CONTACTLESS = 1
    ECOMMERCE = 2
    CASH = 4
    INTERNATIONAL = 8


class Posture(IntEnum):
    """What a programme's cards answer while the ledger is away."""

    DECLINE = 0  # 91
    NETWORK = 1  # N0: the network is asked to stand in
    STAND_IN = 2  # 00 within limits of its own, booked on the ledger's return; beyond them 91


class Action(IntEnum):
    """What a rule asks for; of several that fit, the first here is what is answered."""

    DECLINE = 1  # 59
    STEP_UP = 2  # 1A, where the channel can step up
    FLAG = 3  # approved, and shown


class Operator(IntEnum):
    """How a condition looks at its field. What is missing fulfils none but MISSING."""

    ABOVE = 1
    AT_LEAST = 2
    BELOW = 3
    AT_MOST = 4
    EQUALS = 5
    IN = 6
    NOT_IN = 7
    MISSING = 8  # value 1: it is missing; value 0: it is there


SLICE_CARDS: Final = 4_096

CARD: Final = np.dtype(
    [
        ("pan_key", "<u8", (2,)),  # keyed hash of the PAN
        ("card_id", "<u8", (2,)),  # the UUID that a card token carries
        ("home_latitude_deg", "<f4"),  # NaN = unknown
        ("home_longitude_deg", "<f4"),
        ("number", "<u4"),  # cards.number: this row
        ("account_number", "<u4"),
        ("controls", "<u4"),  # row of the shared control sets; 0 = the programme's defaults alone
        ("limits", "<u4"),  # number of its limit set; 0 = the programme's own
        ("programme", "<u2"),
        ("expiry_yymm", "<u2"),
        ("state", "u1"),  # CardState
        ("account_state", "u1"),  # AccountState
        ("flags", "u1"),  # CardFlag
        ("known", "u1"),  # 1 where the row holds a card
    ]
)


@dataclass(frozen=True, slots=True)
class ControlSet:
    """Controls of one card beyond its programme's. `None` or empty means: not restricted by this control."""

    channels_on: int = 0  # Channel bits switched on against the programme's default
    channels_off: int = 0
    categories_allowed: frozenset[int] | None = None  # MCCs
    categories_blocked: frozenset[int] = frozenset()
    countries_allowed: frozenset[int] | None = None  # ISO numbers
    countries_blocked: frozenset[int] = frozenset()
    hours_allowed: int = (1 << 24) - 1  # bit h: hour h of the programme's day
    merchants_allowed: frozenset[int] | None = None  # digests of acquirer and merchant id: a merchant lock
    types_never: frozenset[TransactionType] = frozenset()  # 57


@dataclass(frozen=True, slots=True)
class StandInLimits:
    """What may be approved without the ledger. Amounts in minor units of the programme's currency."""

    amount_max_minor: int = 0  # of one transaction
    count_max: int = 0  # approvals of a card in a day of the programme
    sum_max_minor: int = 0  # and what they come to
    categories: frozenset[int] = frozenset()  # MCCs; empty = all


@dataclass(frozen=True, slots=True)
class Programme:
    """What cards of one kind have in common."""

    number: int
    name: str
    version: int
    currency: int  # ISO 4217 number
    country: int  # ISO 3166-1 number
    timezone: str  # IANA name: the calendar of day and month limits, and of hours
    decline_threshold: float = 0.85  # a score strictly above: 59
    step_up_threshold: float = 0.65  # a score strictly above: 1A
    step_up_else_decline: bool = False  # where the channel can't step up: approve and flag, or 59
    unscored_decline: bool = False  # without a model: approve, or 59
    limits: tuple[Limit, ...] = ()
    channels: Channel = Channel.CONTACTLESS | Channel.ECOMMERCE | Channel.CASH
    types_never: frozenset[TransactionType] = frozenset()
    posture: Posture = Posture.DECLINE
    stand_in: StandInLimits = StandInLimits()  # read where the posture is STAND_IN


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a rule, on a feature or a field of the request."""

    field: str
    operator: Operator
    values: tuple[float, ...]  # one, but for IN and NOT_IN


@dataclass(frozen=True, slots=True)
class Rule:
    """One version of a rule; all its conditions must hold."""

    number: int
    name: int
    programme: int | None  # None = all
    conditions: tuple[Condition, ...]
    action: Action
    active: bool = True
    shadow: bool = False  # only decides on paper


@dataclass(frozen=True, slots=True)
class DirectoryChange:
    """
    What a feed read: whole rows, each replacing what stood there.

    `cards` is CARD[n] with `controls` and `limits` unset; `controls` names those of them that have a control set,
    `limits` those that have limits beside their programme's.
    """

    cards: NDArray[Any] = field(default_factory=lambda: np.zeros(0, CARD))
    controls: Mapping[int, ControlSet] = field(default_factory=dict)
    limits: Mapping[int, Overrides] = field(default_factory=dict)
    programmes: Sequence[Programme] = ()
    blocks: Sequence[BlockEntry] = ()
    rules: Sequence[Rule] = ()
    limit_names: Mapping[int, str] = field(default_factory=dict)
    rule_names: Mapping[int, str] = field(default_factory=dict)
    version: int = 0  # the feed's position after it

    @property
    def empty(self) -> bool:
        """Whether applying it changes nothing but the version."""
        parts = (self.cards, self.programmes, self.blocks, self.rules, self.limit_names, self.rule_names)
        return not any(map(len, parts))


@njit(cache=True)
def put_cards(stood: Any, cards: Any, moved: Any, limits: Any) -> int:
    """
    Write CARD[n] into their rows of `stood`, without controls and limits; return how many of them are new.

    Notes which must be entered into the index (bool[n]), and which limit sets (u4[n]) stood there before.
    """
    fresh = 0
    for i in range(len(cards)):
        card = cards[i]
        row = stood[card.number]
        is_new = row.known == 0
        fresh += is_new
        moved[i] = is_new
        for word in range(2):
            if row.pan_key[word] != card.pan_key[word] or row.card_id[word] != card.card_id[word]:
                moved[i] = True
        limits[i] = row.limits
        stood[card.number] = card
        row = stood[card.number]
        row.known = 1
        row.controls = 0
        row.limits = 0
    return fresh


def slices(change: DirectoryChange) -> Iterator[DirectoryChange]:
    """The same change in parts of SLICE_CARDS: what cards share first, the version with the last."""
    shared = replace(change, cards=change.cards[:0], controls={}, limits={}, version=0)
    if not shared.empty:
        yield shared
    for first in range(0, len(change.cards), SLICE_CARDS):
        cards = change.cards[first : first + SLICE_CARDS]
        numbers = cards["number"].tolist() if change.controls or change.limits else []
        yield DirectoryChange(
            cards,
            {number: change.controls[number] for number in numbers if number in change.controls},
            {number: change.limits[number] for number in numbers if number in change.limits},
        )
    yield DirectoryChange(version=change.version)


class Directory:
    """The columns, their index, and what cards share: control and limit sets, programmes, block lists, rules."""

    def __init__(self) -> None:
        self._room = Room(CARD, huge=False)
        self._index = CardIndex()
        self._changed: list[NDArray[np.uint32]] = []
        self.count = 0
        self.rows = 0
        """Cards' numbers lie below it."""
        self.version = 0
        """The feed's position, for explanations: a change may come before its position counts as read."""
        self.revision = 0
        """Counts applied changes of any kind."""
        self.control_sets: list[ControlSet] = [ControlSet()]
        self.programmes: dict[int, Programme] = {}
        self.limit_sets = LimitSets()
        self.blocks = BlockLists()
        self.rules: dict[int, Rule] = {}
        self.limit_names: dict[int, str] = {}
        self.rule_names: dict[int, str] = {}
        self.shared_revision = 0
        """Counts changes of control sets, programmes, rules and names: who compiles tables of them looks here."""
        self.accounts = 0
        """Room that state arrays indexed by account number need."""
        self._control_numbers: dict[ControlSet, int] = {ControlSet(): 0}
        self._renewed = 0
        """Keys that cards have left: their slots are taken until the index grows."""

    @property
    def cards(self) -> NDArray[Any]:
        """CARD[n] by number, not `known` where there is none. Good until the next `apply`: don't keep it."""
        return self._room.array

    @property
    def used_bytes(self) -> int:
        """Memory that cards and their index take."""
        return self.rows * CARD.itemsize + self._index.used_bytes

    def find(self, requests: NDArray[Any]) -> NDArray[np.uint32]:
        """Card rows (u32[n]) of a batch of REQUEST; NO_ROW where the card is unknown."""
        return self._index.find(requests, self.cards)

    def renew(self, pairs: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
        """
        Cards that are seen while the PAN key rotates: by today's key and by the one before, u8[n, 4].

        Those that stand under the one before move. Returns the rows of all that are known (u4[k]), and which moved (bool[k]).
        """
        rows, moved = self._index.renew(pairs, self.cards, self.count + self._renewed + len(pairs))
        if moved.any():
            self._renewed += int(moved.sum())
            self.revision += 1
            self._changed.append(rows[moved])
        return rows, moved

    def expect(self, count: int, numbers: NDArray[Any]) -> None:
        """Make room at once for so many cards with these numbers (none where `count` is 0)."""
        if count:
            self._room.make(int(numbers.max()) + 1)
            self._index.expect(self.cards, count)

    def take_changed(self) -> NDArray[np.uint32]:
        """The rows (u4[n]) that changed since they were last asked for, some of them more than once."""
        changed, self._changed = self._changed, []
        return np.concatenate([np.zeros(0, np.uint32), *changed])

    def apply(self, change: DirectoryChange) -> None:
        """Take over what a feed read. Idempotent: a row applied twice is the row applied once."""
        self.revision += not change.empty
        for programme in change.programmes:
            if self.programmes.get(programme.number) != programme:
                self.programmes[programme.number] = programme
                self.limit_sets.own(programme.number)
                self.shared_revision += 1
        if len(change.cards):
            self._apply_cards(change.cards, change.controls, change.limits)
        if change.blocks:
            self.blocks.put(change.blocks)
        for rule in change.rules:
            if rule.active and self.rules.get(rule.number) != rule:
                self.rules[rule.number] = rule
                self.shared_revision += 1
            elif not rule.active and self.rules.pop(rule.number, None) is not None:
                self.shared_revision += 1
        if change.limit_names or change.rule_names:
            self.limit_names |= change.limit_names
            self.rule_names |= change.rule_names
            self.shared_revision += 1
        self.version = max(self.version, change.version)

    def _apply_cards(
        self, cards: NDArray[Any], controls: Mapping[int, ControlSet], limits: Mapping[int, Overrides]
    ) -> None:
        rows = cards["number"]
        self.rows = max(self.rows, int(rows.max()) + 1)
        if self.rows > len(self.cards):
            self._room.make(self.rows)
        self.accounts = max(self.accounts, 1 << int(cards["account_number"].max()).bit_length())
        moved, before = np.empty(len(cards), np.bool_), np.empty(len(cards), np.uint32)
        self.count += put_cards(self.cards, np.require(cards, CARD, ["C", "W"]), moved, before)
        for number, control_set in controls.items():
            self.cards["controls"][number] = self._share(control_set)
        for number, found in limits.items():
            self.cards["limits"][number] = self.limit_sets.take(int(self.cards["programme"][number]), found)
        self.limit_sets.give_back(before[before != 0].tolist())
        if moved.any():
            self._index.enter(self.cards, rows[moved].astype(np.uint32), self.count + self._renewed)
        self._changed.append(rows.astype(np.uint32))

    def _share(self, control_set: ControlSet) -> int:
        number = self._control_numbers.get(control_set)
        if number is None:
            number = self._control_numbers[control_set] = len(self.control_sets)
            self.control_sets.append(control_set)
            self.shared_revision += 1
        return number
