"""What goes wrong, and when: everything a run decides by chance, from one seed."""

import random
from enum import Enum, auto


class Fault(Enum):
    """The kinds of faults."""

    LEDGER_SLOW = auto()  # an answer takes long, but comes in time
    LEDGER_LATE = auto()  # an answer comes after the deadline
    LEDGER_LOSES_CALL = auto()  # an error, and nothing was done
    LEDGER_LOSES_ANSWER = auto()  # an error, and it was done
    LEDGER_ACTS_LATER = auto()  # an error, and it is done afterwards
    LEDGER_BUSY = auto()  # an error at once
    LEDGER_STOPS = auto()  # nothing is answered for a while: SIGSTOP
    LEDGER_DIES = auto()  # the engine stops for good: the core must start again
    JOURNAL_SLOW = auto()
    JOURNAL_FULL = auto()  # a commit fails: the core must start again
    CRASH = auto()  # at any await
    CRASH_IN_RECOVERY = auto()
    CLOCK_STEPS = auto()  # the core's, forward or back
    CLOCKS_APART = auto()  # the ledger's lies elsewhere
    CARD_CHANGES = auto()  # frozen, active again, closed
    LIMITS_CHANGE = auto()
    CLIENT_GONE = auto()  # nobody waits for the answer
    REPEAT = auto()  # also of what is in flight
    OTHER_CONTENT = auto()  # under the same key
    REVERSED_FIRST = auto()  # a reversal before its original
    CLEARED_TWICE = auto()  # a clearing after the last one
    OVERLOAD = auto()  # more at once than may wait
    SNAPSHOT = auto()  # a fold at an odd time, and rows trimmed
    OLD_SNAPSHOT = auto()  # the next start finds the one before


class Orphan(Enum):
    """What becomes of a call whose process died."""

    LOST = auto()
    NEXT = auto()  # it arrives before anything else
    LATE = auto()  # it arrives whenever it likes


_PROBABILITY = {
    Fault.LEDGER_SLOW: 0.2,
    Fault.LEDGER_LATE: 0.03,
    Fault.LEDGER_LOSES_CALL: 0.03,
    Fault.LEDGER_LOSES_ANSWER: 0.03,
    Fault.LEDGER_ACTS_LATER: 0.03,
    Fault.LEDGER_BUSY: 0.02,
    Fault.LEDGER_DIES: 0.004,
    Fault.JOURNAL_SLOW: 0.1,
    Fault.JOURNAL_FULL: 0.01,
}
_MOST = {
    Fault.LEDGER_DIES: 2,
    Fault.JOURNAL_FULL: 2,
    Fault.CRASH: 3,
    Fault.CRASH_IN_RECOVERY: 3,
    Fault.LEDGER_STOPS: 3,
}
_DISTURBING = {
    kind for kind in Fault if kind.name.startswith(("LEDGER_", "JOURNAL_", "CRASH", "CLOCK_", "OVERLOAD"))
}
_CHANGING = (
    Fault.LEDGER_LOSES_CALL,
    Fault.LEDGER_LOSES_ANSWER,
    Fault.LEDGER_ACTS_LATER,
)


class Fates:
    """Chance, for one run. Some kinds of faults are on, others never come."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.kinds = {kind for kind in Fault if self.random.random() < 0.4}
        self.healed = False
        """From then on nothing goes wrong."""
        self.counts = dict.fromkeys(Fault, 0)

    @property
    def has_disturbed(self):
        """Whether anything came that may keep the ledger's word, or an answer, from being there in time."""
        return any(self.counts[kind] for kind in _DISTURBING)

    def comes(self, kind, probability=None):
        """Whether this fault comes now."""
        if self.healed or kind not in self.kinds or self.counts[kind] == _MOST.get(kind):
            return False
        limit = _PROBABILITY[kind] if probability is None else probability
        if self.random.random() >= limit:
            return False
        self.counts[kind] += 1
        return True

    def of_call(self, *, changes):
        """Of a call to the ledger: its fault if any, and how long it and its answer are under way."""
        there_s = self.random.choice((0.0001, 0.0005, 0.002))
        back_s = self.random.choice((0.0001, 0.0005, 0.002))
        if self.comes(Fault.LEDGER_SLOW):
            there_s += self.random.uniform(0.0, 0.1)
        if self.comes(Fault.LEDGER_LATE):
            back_s += self.random.uniform(0.2, 3.0)
        for kind in (Fault.LEDGER_BUSY, Fault.LEDGER_DIES):
            if self.comes(kind):
                return kind, there_s, back_s
        for kind in _CHANGING:
            if self.comes(kind):
                # What only reads is lost, and that is all.
                return kind if changes else Fault.LEDGER_LOSES_CALL, there_s, back_s
        return None, there_s, back_s

    def of_orphan(self):
        """Of a call whose process died."""
        return self.random.choice(list(Orphan))

    def orphan_s(self):
        """How long such a call may still be under way."""
        return self.random.choice((0.001, 0.05, 1.0, 5.0))

    def commit_s(self):
        """How long a commit of the journal takes."""
        if self.comes(Fault.JOURNAL_SLOW):
            return self.random.uniform(0.01, 0.6)
        return self.random.choice((0.0002, 0.001, 0.003))

    def commit_fails(self):
        """None, or whether what failed is on the disk all the same."""
        if self.comes(Fault.JOURNAL_FULL):
            return self.random.random() < 0.5
        return None
