"""
Who hears every answer, and in the end looks at the books: no rule of the server's code is used, only what it promises.

While it runs: an answer that stands is on the disk, the same to everybody who sends the same again, and in time; an
approval has its hold. In the end: `model` accounts for every answer, for every account and for every hold.
"""

import hashlib

import numpy as np

from ledger import holds
from ledger.book import LedgerStopped
from server.core.entries import EntryState
from server.core.journal import JournalStopped
from server.core.parcel import Stopped
from server.core.record import DECISION, Operation
from server.core.risk import Risk
from server.core.state import State
from tests.simulation.disk import DiskReader
from tests.simulation.facts import ENTRIES_MIN
from tests.simulation.model import Model

DEADLINE_S = 0.3
SLACK_S = 0.05
AWAY, CONFLICT = (b"91", b"N0"), b"94"
MEASURED = ("ledger_us", "journal_us")
"""Fields of a DECISION that a clock of the machine measures."""


def noted(hear):
    """What is wrong ends the run, not the core that is called back from."""

    def hearing(witness, *arguments):
        try:
            hear(witness, *arguments)
        except AssertionError as error:
            witness.world.condemn(error)

    return hearing


class Witness:
    """Raises AssertionError as soon as something is wrong."""

    def __init__(self, world):
        self.world = world
        self.heard = 0
        self.said = hashlib.sha256()
        """Of every answer that was given, in its order, with its time."""
        self.open = set()
        """Keys of the authorizations that hold something, when it was last looked."""

    @noted
    def hear(self, messages, decisions, begun_s, listening):
        """DECISION[n] for these messages, sent together at `begun_s`; where nobody listens, they go nowhere."""
        for asked, decision in zip(messages, decisions, strict=True):
            self.heard += 1
            self._note(asked, decision)
            self._check_time(asked, begun_s)
            if int(decision["sequence"]) == 0:
                # A disk that hangs keeps no decline waiting: what it comes to is seen when it is asked again.
                assert decision["response_code"] not in (b"00", b"10"), (
                    f"{asked.key}: an approval that stands nowhere"
                )
                if listening and asked.answer is None and decision["response_code"] in AWAY:
                    asked.told_away_in = self.world.life
                continue
            written = self.world.disk.decisions.get(int(decision["sequence"]))
            if written is None:
                # A disk that hangs keeps no decline waiting: what it comes to is seen when it is asked again.
                assert decision["response_code"] not in (b"00", b"10"), (
                    f"{asked.key} was told an approval that the disk does not have"
                )
                continue
            is_adopted = asked.operation != written[0]["operation"][0]
            is_advised = written[0]["operation"][0] == Operation.ADVISE and is_adopted
            if asked.key in self.world.disk.disowned and not is_advised:
                said = self.world.disk.said_instead[asked.key]
                assert decision["response_code"] in said, (
                    f"{asked.key} was told {said}, and then {decision['response_code']}"
                )
                assert asked.answer is None or not asked.answer["held"], (
                    f"{asked.key} was told, and taken back"
                )
                asked.answer = decision.copy()
                continue
            if is_adopted:
                self._check_adopted(asked, written[0])
            else:
                self._check_durable(asked, decision, written[0][0])
            if asked.operation == Operation.AUTHORIZE and not is_adopted:
                # A core that dies before that is on disk may forget that it has told it.
                assert (
                    decision["response_code"] not in (b"00", b"10")
                    or asked.told_away_in is not self.world.life
                ), f"{asked.key} was told 91 by time, and approved"
            if listening:
                self._check_same(asked, decision, is_adopted=is_adopted)
            if decision["operation"] == Operation.AUTHORIZE and decision["held"] and not decision["replayed"]:
                self._check_held(asked, decision)

    @noted
    def hear_conflict(self, _places, decisions):
        """Nothing but 94, or that it can't be told yet."""
        for decision in decisions:
            assert decision["response_code"] in (CONFLICT, *AWAY), "same key, other content"
            assert int(decision["sequence"]) == 0

    @noted
    def hear_failure(self, error):
        """Only a core that stops leaves a parcel without an answer."""
        assert isinstance(error, Stopped), error

    @noted
    def hear_stop(self, error):
        """Only what can't go on stops the core."""
        assert isinstance(error, JournalStopped | LedgerStopped), f"the core stopped: {error!r}"

    @noted
    def check_all(self):
        """When nothing goes wrong any more and everything is answered."""
        world = self.world
        self._check_state(world.life)
        self._check_probes()
        model = Model(world)
        model.follow()
        model.check_booked()
        model.check_books()
        if self.world.is_later:
            model.check_expired()
        self.open = model.open_keys()

    def _note(self, asked, decision):
        told = decision.copy()
        for measured in MEASURED:
            told[measured] = 0
        self.said.update(repr((asked.key, self.world.now_s)).encode() + told.tobytes())

    def _check_time(self, asked, begun_s):
        """Nothing is answered late."""
        took_s = self.world.now_s - begun_s
        assert took_s <= DEADLINE_S + SLACK_S, f"{asked.key} was answered after {took_s:.3f} s"

    def _check_probes(self):
        """Whoever asked when everything was whole again was not put off."""
        for asked in self.world.traffic.probes:
            assert asked.answer is not None, f"{asked.key} has no answer though nothing is in its way"
            code, stand_in = asked.answer["response_code"], asked.answer["stand_in"]
            assert code not in AWAY and not stand_in, f"{asked.key} was told {code} though the ledger is back"

    def _check_durable(self, asked, decision, written):
        """What was said is on the disk."""
        said = decision.copy()
        said["replayed"] = 0
        difference = {
            name: (said[name].tolist(), written[name].tolist())
            for name in DECISION.names
            if said[name].tobytes() != written[name].tobytes()
        }
        assert not difference, f"{asked.key} was told other than the disk has: {difference}"
        assert tuple(said["authorization_id"].tolist()) == asked.key, "somebody else's answer"

    def _check_adopted(self, asked, advice):
        """An advice gave it its answer."""
        assert advice["operation"][0] == Operation.ADVISE
        assert tuple(advice["original_id"][0].tolist()) == asked.key, "somebody else's advice"

    def _check_same(self, asked, decision, *, is_adopted):
        """Who asks the same gets the same; an advice may give a declined authorization another answer."""
        if asked.answer is None:
            asked.answer, asked.answered_s = decision.copy(), self.world.now_s
            return
        first, again = asked.answer.copy(), decision.copy()
        first["replayed"] = again["replayed"] = 0
        if is_adopted and first["sequence"] != again["sequence"]:
            assert not first["held"] or first["stand_in"], f"{asked.key} was approved, and is another's now"
            asked.answer = decision.copy()
            return
        assert first.tobytes() == again.tobytes(), f"{asked.key}: another answer than before"

    def _check_held(self, asked, decision):
        """An approval has its hold."""
        ids = holds.leg_id(asked.record["authorization_id"], holds.Leg.HOLD, int(decision["hold_attempt"]))
        found = self.world.bank.state.lookup_transfers(ids)
        assert len(found) == 1, f"{asked.key} is approved without a hold"
        assert int(found["amount_lo"][0]) == int(decision["approved_minor"])

    def _check_state(self, life):
        """What the core remembers is a function of the journal, and nothing is left undecided."""
        entries = life.state.repeats.kept()
        undecided = np.isin(entries["state"], (EntryState.IN_FLIGHT, EntryState.BUSY))
        assert not undecided.any(), f"{undecided.sum()} entries are not decided"
        again = State(Risk(), ENTRIES_MIN)
        again.grow(len(life.directory.cards), life.directory.accounts)
        again.replay(DiskReader(self.world.disk, archived=True).read_chunks(0))
        known = arrays_of(again)
        for name, mine in arrays_of(life.state).items():
            theirs = known[name]
            assert mine.shape == theirs.shape, f"{name} is of another size after a replay"
            assert mine.tobytes() == theirs.tobytes(), f"{name} is another after a replay"


def arrays_of(state):
    """All arrays of a core's state; of the repeats what it would keep if it made room now."""
    found = {f"limits_{k}": v for k, v in state.limits.arrays().items()}
    found |= {f"features_{k}": v for k, v in state.risk.features.arrays().items()}
    entries = state.repeats.arrays()["entries"]
    entries = entries[entries["kept_until_s"] >= state.repeats.clock_s]
    order = np.lexsort((entries["id"][:, 0], entries["id"][:, 1]))
    return found | {"entries": entries[order]}
