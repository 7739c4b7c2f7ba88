"""What was filed for a case: told by whoever files."""

from datetime import datetime
from typing import Any
from uuid import UUID

from compliance.cases.records import By
from compliance.cases.refusals import Refused
from compliance.cases.states import UNDECIDED, Event, State
from compliance.cases.steps import Steps
from compliance.results import DutyKind
from compliance.roles import Actor


async def mark_filed(
    connection: Any,
    case_id: UUID,
    filing_id: UUID,
    actor: Actor,
    now: datetime,
    *,
    form: DutyKind | None = None,
    correlation_id: str = "",
) -> None:
    """
    Note, in the caller's transaction, that a filing of this case has gone out; the same one again changes nothing.

    `form` is what it fulfils; without it, all that the case waits for. Raises LookupError, and Refused where nobody
    has decided the case.
    """
    steps = await Steps.begin(connection, None, case_id, By(actor, correlation_id), now)
    case = steps.case
    if filing_id in case.filings:
        return
    if case.state in UNDECIDED:
        raise Refused(
            "NOT_DECIDED", f"case {case_id.hex} is {case.state}: decide it before a filing goes out"
        )
    fulfilled = case.forms_awaited if form is None else (form.value,)
    filed = tuple(sorted({*case.forms_filed, *fulfilled}))
    done = case.state == State.DECIDED and set(case.forms_awaited) <= set(filed)
    await steps.take(
        Event.FILED,
        details={"filing": filing_id.hex, "forms": list(fulfilled)},
        state=State.FILED if done else case.state,
        forms_filed=filed,
        filings=(*case.filings, filing_id),
    )
    await steps.settle()
