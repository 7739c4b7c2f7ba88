"""
All changing state of the core, as a function of the journal.

What a request changes at arrival (`arrive`) and what its decision changes (`settle`, and `resolve` once it is on disk)
are the same functions in service and when the journal is read back. So a snapshot is nothing but the journal's first
part, folded: after a restart, the snapshot and the journal's tail give the state that was.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from server.core.controls import Controls
from server.core.directory import Directory
from server.core.journal import JournalBatch
from server.core.limits import Limits
from server.core.record import INTENT, NO_ROW, Operation
from server.core.repeats import EntryState, Repeats
from server.core.risk import Risk
from server.core.snapshot import SnapshotUnreadable, read_arrays, write_arrays

SNAPSHOT_FORMAT: Final = 1
_AUTHORIZE: Final = int(Operation.AUTHORIZE)


@njit(cache=True)
def unsettled(intents: Any, decisions: Any) -> bool:
    """Whether any DECISION[n] gives back something that its INTENT[n], or its original, consumed."""
    for i in range(len(intents)):
        if decisions[i].operation != _AUTHORIZE:
            return True
        taken = decisions[i].held != 0 and decisions[i].approved_minor >= intents[i].billed_minor
        if intents[i].reserved_limits != 0 and not taken:
            return True
    return False


class State:
    """Repeats, limits and features, with the number of the last request and of the last journal row in them."""

    def __init__(self, directory: Directory, controls: Controls, risk: Risk) -> None:
        self.repeats = Repeats()
        self.limits = Limits()
        self.risk = risk
        self.sequence = 0
        self.journal_number = 0
        self._directory = directory
        self._controls = controls
        self._undecided: dict[int, tuple[int, int, NDArray[Any]]] = {}

    def grow(self) -> None:
        """Make room for every card the directory has a row for."""
        cards = len(self._directory.cards)
        self.limits.grow(cards)
        self.risk.features.grow(cards)

    def settle(self, intents: NDArray[Any], decisions: NDArray[Any]) -> None:
        """Give back what a batch of decisions (DECISION[n], with their INTENT[n]) did not consume, or released."""
        if not unsettled(intents, decisions):
            return
        authorizing = decisions["operation"] == Operation.AUTHORIZE
        reserved = authorizing & (intents["reserved_limits"] != 0)
        declined = intents[reserved & (decisions["held"] == 0)]
        self.limits.give_back(
            declined["card_row"],
            declined["request"]["transmission_s"],
            declined["billed_minor"],
            declined["reserved_limits"],
            declined["day_id"],
            declined["month_id"],
        )
        partly = reserved & (decisions["held"] != 0) & (decisions["approved_minor"] < intents["billed_minor"])
        if partly.any():
            some = intents[partly]
            self.limits.velocity.confirm(
                some["card_row"],
                some["request"]["transmission_s"],
                some["billed_minor"],
                decisions["approved_minor"][partly],
                day_ids=some["day_id"],
                month_ids=some["month_id"],
            )
        reversing = (decisions["operation"] == Operation.REVERSE) & (decisions["held"] == 0)
        if reversing.any():
            originals = self.repeats.find(intents["request"]["original_id"][reversing])
            originals = originals[originals["state"] == EntryState.CLOSING]
            self.limits.give_back(
                originals["card_row"],
                originals["transmission_s"],
                originals["answer"]["approved_minor"],
                originals["reserved_limits"],
                originals["day_id"],
                originals["month_id"],
            )

    def replay(self, batches: Iterable[JournalBatch]) -> None:
        """Take in journal rows that follow those already in the state, in order."""
        for batch in batches:
            if len(batch.intents):
                self._arrive_again(batch)
            else:
                intents = self._intents_of(batch.decisions)
                self.settle(intents, batch.decisions)
                self.repeats.resolve(intents, batch.decisions)
            self.journal_number = batch.number

    def undecided(self) -> NDArray[Any]:
        """INTENT[n] that the replayed rows left without a decision, in order of arrival."""
        if not self._undecided:
            return np.zeros(0, INTENT)
        return np.array([intents[index] for _, index, intents in self._undecided.values()], INTENT)

    def place_of(self, sequence: int) -> tuple[int, int]:
        """Journal row and place in it of an undecided intent."""
        number, index, _ = self._undecided[sequence]
        return number, index

    def forget_undecided(self) -> None:
        """Recovery has decided them all."""
        self._undecided.clear()

    def _arrive_again(self, batch: JournalBatch) -> None:
        intents = batch.intents
        self.repeats.admit(intents["request"])
        authorizations = intents[intents["request"]["operation"] == Operation.AUTHORIZE]
        known = authorizations["card_row"][authorizations["card_row"] != NO_ROW]
        rows = int(known.max(initial=0)) + 1
        self.limits.grow(rows)
        self.risk.features.grow(rows)
        self.limits.rereserve(authorizations)
        self.risk.observe(authorizations, self._directory.cards, self._controls.programmes)
        self.sequence = max(self.sequence, int(intents["sequence"].max()))
        for index, sequence in enumerate(intents["sequence"].tolist()):
            self._undecided[sequence] = (batch.number, index, intents)

    def _intents_of(self, decisions: NDArray[Any]) -> NDArray[Any]:
        found = np.zeros(len(decisions), INTENT)
        for i, sequence in enumerate(decisions["sequence"].tolist()):
            _, index, intents = self._undecided.pop(sequence)
            found[i] = intents[index]
        return found

    def save(self, path: Path) -> None:
        """Write a snapshot, whole or not at all. Only while nothing is undecided."""
        assert not self._undecided
        arrays = {"repeats_" + k: v for k, v in self.repeats.arrays().items()}
        arrays |= {"limits_" + k: v for k, v in self.limits.arrays().items()}
        arrays |= {"features_" + k: v for k, v in self.risk.features.arrays().items()}
        arrays["position"] = np.array([self.journal_number, self.sequence], np.int64)
        write_arrays(path, SNAPSHOT_FORMAT, arrays)

    def load(self, path: Path) -> None:
        """Take over a snapshot. Raises SnapshotUnreadable."""
        arrays = read_arrays(path, SNAPSHOT_FORMAT)
        self.journal_number, self.sequence = (int(value) for value in arrays["position"])
        self.repeats.load(_part(arrays, "repeats_"))
        try:
            self.limits.load(_part(arrays, "limits_"))
            self.risk.features.load(_part(arrays, "features_"))
        except ValueError as error:
            raise SnapshotUnreadable(f"{path} is another version's: {error}") from error


def _part(arrays: Mapping[str, NDArray[Any]], prefix: str) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
