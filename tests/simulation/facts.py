"""What the issuer has: cards, accounts, limits, as they change while the core runs, with when they were what."""

from dataclasses import dataclass, field

import numpy as np

from scoring.limit import Measure, Of, Subject
from server.core.directory import (
    CARD,
    CardFlag,
    CardState,
    Channel,
    Directory,
    DirectoryChange,
    Posture,
    Programme,
    StandInLimits,
)
from server.core.limit_sets import Limit, Window

ENTRIES_MIN = 64
"""Room for repeats at first: little, so that the table is rebuilt."""

CARDS = 5
SINGLE_USE_CARD = 4
OPENING_MINOR = 20_000
TRANSACTION_MAX_MINOR = 9_000
NOON_S = 1_750_161_600  # 2025-06-17 12:00 UTC
USD = 840
STAND_IN = StandInLimits(amount_max_minor=4_000, count_max=2, sum_max_minor=6_000)
STATE_CODES = {
    CardState.ACTIVE: "",
    CardState.FROZEN: "78",
    CardState.LOST: "41",
    CardState.CLOSED: "46",
}


@dataclass(frozen=True)
class Ceilings:
    """What a card may have approved in a day."""

    amount_minor: int = 15_000
    count: int = 8


@dataclass
class Facts:
    """The directory's truth. `states` and `ceilings` are histories: (since, value), virtual seconds."""

    states: list = field(default_factory=lambda: [[(-1.0, CardState.ACTIVE)] for _ in range(CARDS)])
    ceilings: list = field(default_factory=lambda: [(-1.0, Ceilings())])
    version: int = 1
    posture: Posture = Posture.DECLINE

    def possible(self, history, from_s, to_s):
        """Every value that a history had in a span of time."""
        found = []
        for place, (since_s, value) in enumerate(history):
            until_s = history[place + 1][0] if place + 1 < len(history) else float("inf")
            if since_s <= to_s and until_s >= from_s:
                found.append(value)
        return found

    def set_state(self, card, state, now_s):
        """A card changes; the DirectoryChange that tells so."""
        self.states[card].append((now_s, state))
        self.version += 1
        return DirectoryChange(cards=self._cards()[card : card + 1], version=self.version)

    def set_ceilings(self, ceilings, now_s):
        """The programme's limits change; likewise."""
        self.ceilings.append((now_s, ceilings))
        self.version += 1
        return DirectoryChange(programmes=[self._programme()], version=self.version)

    def directory(self):
        """As a start finds it."""
        found = Directory()
        found.apply(
            DirectoryChange(cards=self._cards(), programmes=[self._programme()], version=self.version)
        )
        return found

    def openings(self):
        """What `Books.open_accounts` takes."""
        made = np.zeros(CARDS, [("account_number", "u4"), ("currency", "u2"), ("opening_minor", "i8")])
        made["account_number"] = account_of(np.arange(CARDS))
        made["currency"], made["opening_minor"] = USD, OPENING_MINOR
        return made

    def _cards(self):
        made = np.zeros(CARDS, CARD)
        rows = np.arange(CARDS, dtype=np.uint64)
        made["number"] = rows
        made["pan_key"] = np.stack([rows + np.uint64(1), rows + np.uint64(1)], axis=1)
        made["card_id"] = np.stack([rows + np.uint64(1_000), rows + np.uint64(7)], axis=1)
        made["account_number"] = account_of(rows)
        made["expiry_yymm"] = 3012
        made["state"] = [history[-1][1] for history in self.states]
        made["flags"][SINGLE_USE_CARD] = CardFlag.SINGLE_USE
        made["home_latitude_deg"] = made["home_longitude_deg"] = np.nan
        return made

    def _programme(self):
        ceilings = self.ceilings[-1][1]
        return Programme(
            number=0,
            name="simulated",
            version=self.version,
            currency=USD,
            country=USD,
            timezone="UTC",
            posture=self.posture,
            stand_in=STAND_IN,
            channels=Channel.CONTACTLESS | Channel.ECOMMERCE | Channel.CASH,
            limits=(
                _limit(1, Measure.AMOUNT, Window.TRANSACTION, TRANSACTION_MAX_MINOR),
                _limit(2, Measure.AMOUNT, Window.DAY, ceilings.amount_minor),
                _limit(3, Measure.COUNT, Window.HOURS_24, ceilings.count),
            ),
        )


def account_of(card):
    """Two cards share the first account; the others have one each."""
    return 100 + np.maximum(card, 1)


def _limit(number, measure, window, ceiling):
    return Limit(
        number=number,
        name=number,
        subject=Subject.CARD,
        measure=measure,
        of=Of.APPROVALS,
        window=window,
        ceiling=ceiling,
    )
