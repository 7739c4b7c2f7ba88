r"""
The states of a transfer. PostgreSQL has the state, the ledger the money; the ledger's ids follow from the transfer's,
so that each arrow can be carried out again after a crash.

                  create
                    |  the row is written
                    v
                SUBMITTED ------- the ledger says no ------> FAILED
                 |      |
      nobody     |      |  a rule wants a decision:
      has to     |      |  the money is pending
      decide     |      v
                 |  PENDING_REVIEW
                 |      |  approve, reject or block: the first decision counts
                 |      v
                 |   DECIDING ---- reject: voided ----> REJECTED
                 |      |    \---- block: voided -----> BLOCKED
                 |      |     \--- approve, and the ledger says no: voided ---> FAILED
                 v      v approve: posted
                  POSTED <--------------------+
                    |  reverse                | the ledger says no: it is spent
                    v                         |
                REVERSING --------------------+
                    |  booked back
                    v
                REVERSED

SUBMITTED, DECIDING and REVERSING are under way: the ledger has yet to answer, and upkeep asks it again.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a transfer stands; see above."""

    SUBMITTED = "submitted"
    PENDING_REVIEW = "pending_review"
    DECIDING = "deciding"
    POSTED = "posted"
    REJECTED = "rejected"
    BLOCKED = "blocked"
    FAILED = "failed"
    REVERSING = "reversing"
    REVERSED = "reversed"


class Decision(StrEnum):
    """What somebody has decided about a transfer that waited for it."""

    APPROVE = "approve"
    REJECT = "reject"
    BLOCK = "block"


ARROWS: Final = {
    State.SUBMITTED: {State.PENDING_REVIEW, State.POSTED, State.FAILED},
    State.PENDING_REVIEW: {State.DECIDING},
    State.DECIDING: {State.POSTED, State.REJECTED, State.BLOCKED, State.FAILED},
    State.POSTED: {State.REVERSING},
    State.REVERSING: {State.REVERSED, State.POSTED},
    State.REJECTED: set(),
    State.BLOCKED: set(),
    State.FAILED: set(),
    State.REVERSED: set(),
}

UNDER_WAY: Final = frozenset({State.SUBMITTED, State.DECIDING, State.REVERSING})

DECIDED: Final = {
    Decision.APPROVE: State.POSTED,
    Decision.REJECT: State.REJECTED,
    Decision.BLOCK: State.BLOCKED,
}
