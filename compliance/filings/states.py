"""
Where a filing stands.

    draft --approve--> approved --export--> exported --accept--> accepted
      |  ^                |                    |
      |  +------edit------+                    +----reject----> rejected --edit--> draft
      +--withdraw--> withdrawn <--withdraw-- approved, rejected

approve   a second person, none of those who wrote it, has read it and nothing is missing
edit      its content changes: whoever approved it before has not approved this
export    it is in a batch file, or of a blocked-property report in its text
accept    FinCEN's acknowledgement gives it a BSA identifier
reject    FinCEN's acknowledgement refuses it, with reasons
withdraw  it is not to be filed, with a reason

What was accepted is never changed: a correction is a filing of its own, with the prior one's BSA identifier.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """As drawn above."""

    DRAFT = "draft"
    APPROVED = "approved"
    EXPORTED = "exported"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


class Step(StrEnum):
    """An arrow."""

    EDIT = "edit"
    APPROVE = "approve"
    EXPORT = "export"
    ACCEPT = "accept"
    REJECT = "reject"
    WITHDRAW = "withdraw"


MOVES: Final = {
    (State.DRAFT, Step.EDIT): State.DRAFT,
    (State.APPROVED, Step.EDIT): State.DRAFT,
    (State.REJECTED, Step.EDIT): State.DRAFT,
    (State.DRAFT, Step.APPROVE): State.APPROVED,
    (State.APPROVED, Step.EXPORT): State.EXPORTED,
    (State.EXPORTED, Step.ACCEPT): State.ACCEPTED,
    (State.EXPORTED, Step.REJECT): State.REJECTED,
    (State.DRAFT, Step.WITHDRAW): State.WITHDRAWN,
    (State.APPROVED, Step.WITHDRAW): State.WITHDRAWN,
    (State.REJECTED, Step.WITHDRAW): State.WITHDRAWN,
}
OPEN: Final = (State.DRAFT, State.APPROVED, State.REJECTED)
"""Those whose clock still runs."""

SENT: Final = (State.EXPORTED, State.ACCEPTED)


class FilingError(Exception):
    """What was asked can't be done; the message says why and what to do."""


def after(state: State, step: Step) -> State:
    """The state that the step leads to. Raises FilingError where there is no such arrow."""
    found = MOVES.get((state, step))
    if found is None:
        allowed = ", ".join(each for (before, each) in MOVES if before == state) or "nothing"
        raise FilingError(f"it is {state}: {step} does not go from there, but {allowed}")
    return found
