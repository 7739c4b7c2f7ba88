r"""
The states of a case. Whoever moves one holds its row; each move is an event and an audit row in the same transaction.

              OPEN <------------------------------------------------+
               |  assign                                            |
               v                                                    |
            ASSIGNED <---- assign to somebody else ----+            |
               |  the first comment or evidence        |            |
               v                                       |            |
            IN_REVIEW ---------------------------------+            |
               |                                                    |
               |  escalate, or a decision that somebody else        |
               v  must approve: it waits as a proposal              |
           ESCALATED                                                |
               |                                                    |
               v  decide (from any state above), or approve         | reopen
            DECIDED --------------------------------------------- --+
               |    \  nothing is left to be filed, and of a HIGH   |
               |     \ case a second person has approved            |
               v      \                                             |
             FILED ----\-------------------------------------- -----+
               |        \                                           |
               v         v                                          |
                    CLOSED -----------------------------------------+

A decision acts at once. What comes after it follows from the case (`rest`): it waits in DECIDED for its filings and
for the second pair of eyes.
"""

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final

from compliance.results import DutyKind, Tier


class State(StrEnum):
    """Where a case stands; see above."""

    OPEN = "open"
    ASSIGNED = "assigned"
    IN_REVIEW = "in_review"
    ESCALATED = "escalated"
    DECIDED = "decided"
    FILED = "filed"
    CLOSED = "closed"


class Disposition(StrEnum):
    """What somebody has decided about a case."""

    CLEARED = "cleared"  # nothing is wrong
    SUSPICIOUS = "suspicious"  # to be reported
    TRUE_MATCH = "true_match"  # the party is the listed one


class Action(StrEnum):
    """What a decision does."""

    RELEASE_TRANSFER = "release_transfer"
    REJECT_TRANSFER = "reject_transfer"
    BLOCK_TRANSFER = "block_transfer"
    BLOCK_CARD = "block_card"
    UNBLOCK_CARD = "unblock_card"
    BLOCK_CUSTOMER = "block_customer"
    UNBLOCK_CUSTOMER = "unblock_customer"
    LABEL_FRAUD = "label_fraud"
    LABEL_FALSE_POSITIVE = "label_false_positive"


class Event(StrEnum):
    """A step of a case."""

    OPENED = "opened"
    RAISED = "raised"  # a later review sees more in it
    ASSIGNED = "assigned"
    COMMENTED = "commented"
    EVIDENCE = "evidence"
    ESCALATED = "escalated"
    PROPOSED = "proposed"
    DECIDED = "decided"
    APPROVED = "approved"
    RETURNED = "returned"  # a proposal that the second pair of eyes does not share
    FILED = "filed"
    CLOSED = "closed"
    REOPENED = "reopened"


ARROWS: Final[Mapping[State, frozenset[State]]] = {
    State.OPEN: frozenset({State.ASSIGNED, State.ESCALATED, State.DECIDED}),
    State.ASSIGNED: frozenset({State.IN_REVIEW, State.ESCALATED, State.DECIDED}),
    State.IN_REVIEW: frozenset({State.ASSIGNED, State.ESCALATED, State.DECIDED}),
    State.ESCALATED: frozenset({State.DECIDED}),
    State.DECIDED: frozenset({State.FILED, State.CLOSED, State.OPEN}),
    State.FILED: frozenset({State.CLOSED, State.OPEN}),
    State.CLOSED: frozenset({State.OPEN}),
}

UNDECIDED: Final = frozenset({State.OPEN, State.ASSIGNED, State.IN_REVIEW, State.ESCALATED})

AFTER: Final = frozenset({State.DECIDED, State.FILED, State.CLOSED})
"""Where a decided case may stand: how long in which tells of a report, so that others than filers see one, CLOSED."""

TELLING: Final = frozenset({Event.FILED, Event.CLOSED})
"""Steps whose time tells of a report."""

OPPOSITES: Final = (
    frozenset({Action.RELEASE_TRANSFER, Action.REJECT_TRANSFER, Action.BLOCK_TRANSFER}),
    frozenset({Action.BLOCK_CARD, Action.UNBLOCK_CARD}),
    frozenset({Action.BLOCK_CUSTOMER, Action.UNBLOCK_CUSTOMER}),
    frozenset({Action.LABEL_FRAUD, Action.LABEL_FALSE_POSITIVE}),
)
"""Of each of these, one decision does one thing at the most."""

LETS_GO: Final = frozenset({Action.RELEASE_TRANSFER, Action.UNBLOCK_CUSTOMER})
"""What can't be taken back once somebody listed has his money: where a block is a duty, a proposal first."""

_ALWAYS: Final = frozenset({DutyKind.CTR})
_WHERE_SUSPICIOUS: Final = frozenset({DutyKind.SAR})
_WHERE_MATCHED: Final = frozenset({DutyKind.BLOCKED_PROPERTY_REPORT})


def contradictions(disposition: Disposition, actions: Collection[Action]) -> list[str]:
    """What does not go together in a decision, for people; empty where all of it does."""
    found = [
        f"{' and '.join(sorted(both))} exclude one another"
        for group in OPPOSITES
        if len(both := group.intersection(actions)) > 1
    ]
    if disposition == Disposition.TRUE_MATCH:
        found += [f"{action} does not go with true_match" for action in sorted(LETS_GO.intersection(actions))]
    if disposition == Disposition.CLEARED:
        against = {Action.BLOCK_TRANSFER, Action.BLOCK_CARD, Action.BLOCK_CUSTOMER, Action.LABEL_FRAUD}
        found += [f"{action} does not go with cleared" for action in sorted(against.intersection(actions))]
    return found


def forms(disposition: Disposition, duties: Collection[DutyKind]) -> tuple[DutyKind, ...]:
    """
    What a decision leaves to be filed.

    A currency report is due whatever anybody thinks of the customer (31 CFR 1010.311); of what nobody finds suspicious
    no activity is reported; what is suspicious is reported though no rule asked for it (31 CFR 1020.320(a)).
    """
    awaited = _ALWAYS.intersection(duties)
    if disposition != Disposition.CLEARED:
        awaited |= _WHERE_SUSPICIOUS
    if disposition == Disposition.TRUE_MATCH:
        awaited |= _WHERE_MATCHED
        awaited -= _WHERE_SUSPICIOUS.difference(duties)
    return tuple(sorted(awaited))


def rest(
    state: State, tier: Tier, *, awaited: Collection[str], filed: Collection[str], approved: bool
) -> tuple[State, ...]:
    """The states that a decided case goes through from here without anybody asking, in order."""
    steps: list[State] = []
    if state == State.DECIDED:
        if not set(awaited) <= set(filed):
            return ()
        if filed:
            steps.append(State.FILED)
    if state in {State.DECIDED, State.FILED} and (tier != Tier.HIGH or approved):
        steps.append(State.CLOSED)
    return tuple(steps)
