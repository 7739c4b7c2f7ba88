"""What people do with filings: prepare, read, edit, approve, withdraw; and what is due."""

import dataclasses
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from compliance.audit.log import Entry, append
from compliance.filings.bank import Bank
from compliance.filings.clocks import continuing, due
from compliance.filings.content import BlockedProperty, Content, Ctr, Form, Report, Sar, content_of, text_of
from compliance.filings.drafts import begins, draft
from compliance.filings.lacks import Lack, lacks
from compliance.filings.record import Record
from compliance.filings.shelf import CONTENT, REASON, ROOM, Filing, filing_of, locked
from compliance.filings.states import OPEN, SENT, FilingError, State, Step, after
from compliance.ports import Database, Seals, queries
from compliance.roles import Actor, Permission, require

LIST_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Due:
    """Something with a clock: a filing that has not gone out, a report nobody has prepared, activity to look at again."""

    what: str  # filing, to_prepare, continuing_review
    case_id: UUID
    form: Form
    filing_id: UUID | None
    state: str
    due_on: date | None
    review_on: date | None = None  # of activity that may go on

    def days_left(self, today: date) -> int | None:
        """Until the last day; below 0 it is late."""
        return None if self.due_on is None else (self.due_on - today).days


class FilingDesk:
    """Every call asks who acts, checks that they may, and leaves an audit row without personal data."""

    def __init__(
        self,
        database: Database,
        seals: Seals,
        bank: Bank,
        record: Record,
        zone: ZoneInfo,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._seals = seals
        self._bank = bank
        self._record = record
        self._zone = zone
        self._now = now

    async def prepare(
        self,
        case_id: UUID,
        form: Form,
        actor: Actor,
        *,
        follows: UUID | None = None,
        report: Report = Report.INITIAL,
    ) -> Filing:
        """
        The draft of that report of that case; asked again, the same one.

        With `report` other than initial it corrects or continues the filing `follows`. Raises FilingError, Denied.
        """
        require(actor, Permission.PREPARE_FILINGS)
        if (report is Report.INITIAL) != (follows is None):
            raise FilingError(
                "follows: a correction or a continuing report names the filing before it, no other does"
            )
        sql = queries(ROOM)
        now = self._now()
        async with self._database.acquire() as connection, connection.transaction():
            known = await connection.fetchrow(sql["same_filing"], case_id, form, report, follows)
            if known is not None:
                return filing_of(self._seals, known)
            before = (
                None if follows is None else await self._followed(connection, follows, case_id, form, report)
            )
            material = await self._record.material(connection, case_id)
            content = before.content if before and report is Report.CORRECTS else draft(form, material)
            began = begins(content, material)
            last_day = due(form, began, has_suspect=_has_suspect(content))
            if before is not None:
                content = _following(content, before, report)
                began, last_day = self._clock_after(before, report)
            customer = material.customer.customer_number if material.customer else None
            row = await connection.fetchrow(
                sql["add_filing"],
                uuid4(),
                case_id,
                form,
                report,
                follows,
                self._seals.seal(CONTENT, text_of(content)),
                customer,
                began,
                last_day,
                actor.name,
                now,
            )
            if row is None:  # somebody else prepared it this very moment
                row = await connection.fetchrow(sql["same_filing"], case_id, form, report, follows)
                return filing_of(self._seals, row)
            filing = filing_of(self._seals, row)
            await self._note(connection, actor, "filing.prepare", filing, None)
            return filing

    async def _followed(
        self, connection: Any, follows: UUID, case_id: UUID, form: Form, report: Report
    ) -> Filing:
        before = await locked(connection, self._seals, follows)
        if before.case_id != case_id or before.form is not form:
            raise FilingError(f"filing {follows.hex} is of another case or form")
        if report is Report.CONTINUES and form is not Form.SAR:
            raise FilingError("only suspicious activity continues: correct the filing instead")
        if before.state not in SENT:
            raise FilingError(f"filing {follows.hex} is {before.state}: edit it instead")
        if before.form is Form.BLOCKED_PROPERTY:
            raise FilingError("a report on blocked property is amended at OFAC, not by a filing of ours")
        return before

    def _clock_after(self, before: Filing, report: Report) -> tuple[date, date]:
        assert before.filed_on is not None, "what was sent has a day"
        today = self._now().astimezone(self._zone).date()
        if report is Report.CONTINUES:
            return before.filed_on, continuing(before.filed_on)[1]
        return today, due(before.form, today)

    async def show(self, filing_id: UUID, actor: Actor, *, in_full: bool = False) -> Filing:
        """A filing. With `in_full` it will be shown with names and numbers, which is an audit row. Raises FilingError, Denied."""
        require(actor, Permission.SEE_FILINGS)
        if in_full:
            require(actor, Permission.SEE_PERSONAL_DATA)
        async with self._database.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(queries(ROOM)["filing"], filing_id)
            if row is None:
                raise FilingError(f"there is no filing {filing_id.hex}")
            filing = filing_of(self._seals, row)
            if in_full:
                await self._note(connection, actor, "view.filing", filing, filing.state)
        return filing

    async def filings(
        self,
        actor: Actor,
        *,
        state: State | None = None,
        form: Form | None = None,
        case_id: UUID | None = None,
    ) -> list[Filing]:
        """Filings, the nearest due first, at most LIST_MAX. Raises Denied."""
        require(actor, Permission.SEE_FILINGS)
        async with self._database.acquire() as connection:
            rows = await connection.fetch(queries(ROOM)["filings"], state, form, case_id, LIST_MAX)
        return [filing_of(self._seals, row) for row in rows]

    def missing(self, filing: Filing) -> list[Lack]:
        """What keeps it from being filed."""
        return lacks(filing.content, self._bank)

    async def edit(
        self,
        filing_id: UUID,
        actor: Actor,
        *,
        text: str | None = None,
        narrative: str | None = None,
    ) -> Filing:
        """
        Other content: all of it as JSON `text`, or a SAR's `narrative`. An approval is lost by it.

        Raises FilingError naming what does not fit, Denied.
        """
        require(actor, Permission.PREPARE_FILINGS)
        async with self._database.acquire() as connection, connection.transaction():
            filing = await locked(connection, self._seals, filing_id)
            after(filing.state, Step.EDIT)
            content = _edited(filing, text, narrative)
            began = filing.begins_on
            last_day = filing.due_on
            if filing.report is Report.INITIAL:
                last_day = due(filing.form, began, has_suspect=_has_suspect(content))
            row = await connection.fetchrow(
                queries(ROOM)["edit_filing"],
                filing_id,
                self._seals.seal(CONTENT, text_of(content)),
                last_day,
                actor.name,
                self._now(),
            )
            edited = filing_of(self._seals, row)
            await self._note(connection, actor, "filing.edit", edited, filing.state)
            return edited

    async def approve(self, filing_id: UUID, actor: Actor, *, accept_unknown: bool = False) -> Filing:
        """
        A second person approves: none of its authors.

        What the form has an unknown indicator for may be lacking where `accept_unknown` says that nobody knows it; all
        else must be there. Raises FilingError naming what lacks, Denied.
        """
        require(actor, Permission.APPROVE_FILINGS)
        async with self._database.acquire() as connection, connection.transaction():
            filing = await locked(connection, self._seals, filing_id)
            after(filing.state, Step.APPROVE)
            if actor.name in filing.authors:
                raise FilingError(f"{actor.name} wrote it: another person approves (four eyes)")
            lacking = [each for each in self.missing(filing) if not (accept_unknown and each.may_be_unknown)]
            if lacking:
                told = "; ".join(f"{each.field}: {each.allowed}" for each in lacking)
                hint = (
                    " (what nobody knows may be filed as unknown: --accept-unknown)"
                    if any(each.may_be_unknown for each in lacking)
                    else ""
                )
                raise FilingError(f"lacking: {told}{hint}")
            row = await connection.fetchrow(
                queries(ROOM)["approve_filing"], filing_id, actor.name, self._now()
            )
            approved = filing_of(self._seals, row)
            await self._note(connection, actor, "filing.approve", approved, filing.state)
            return approved

    async def withdraw(self, filing_id: UUID, actor: Actor, reason: str) -> Filing:
        """It is not to be filed. Raises FilingError, Denied."""
        require(actor, Permission.APPROVE_FILINGS)
        if not reason.strip():
            raise FilingError("reason: say why it is not filed")
        async with self._database.acquire() as connection, connection.transaction():
            filing = await locked(connection, self._seals, filing_id)
            after(filing.state, Step.WITHDRAW)
            row = await connection.fetchrow(
                queries(ROOM)["withdraw_filing"],
                filing_id,
                self._seals.seal(REASON, reason.strip()),
                actor.name,
                self._now(),
            )
            withdrawn = filing_of(self._seals, row)
            await self._note(connection, actor, "filing.withdraw", withdrawn, filing.state)
            return withdrawn

    async def due(self, actor: Actor) -> list[Due]:
        """Every clock that runs, the nearest first; what has no date comes last. Raises Denied."""
        require(actor, Permission.SEE_FILINGS)
        sql = queries(ROOM)
        async with self._database.acquire() as connection:
            waiting = await connection.fetch(sql["awaited_reports"], LIST_MAX)
            chains = await connection.fetch(sql["continuing"], LIST_MAX)
            rows = [
                row
                for state in OPEN
                for row in await connection.fetch(sql["filings"], state, None, None, LIST_MAX)
            ]
        found = [
            Due("filing", row["case_id"], Form(row["form"]), row["id"], row["state"], row["due_on"])
            for row in rows
        ]
        found += [Due("to_prepare", row["id"], Form(row["kind"]), None, "", row["due"]) for row in waiting]
        for row in chains:
            review_on, due_on = continuing(row["filed_on"])
            found.append(Due("continuing_review", row["case_id"], Form.SAR, row["id"], "", due_on, review_on))
        return sorted(found, key=lambda each: (each.due_on is None, each.due_on or date.max, each.case_id))

    async def _note(
        self, connection: Any, actor: Actor, action: str, filing: Filing, before: State | None
    ) -> None:
        entry = Entry(
            actor.name,
            actor.role,
            action,
            filing.resource,
            old=None if before is None else {"state": before},
            new={"state": filing.state, "form": filing.form, "case": filing.case_id.hex},
        )
        await append(connection, [entry])


def _has_suspect(content: Content) -> bool:
    return not isinstance(content, Sar) or bool(content.subjects)


def _following(content: Content, before: Filing, report: Report) -> Content:
    """The content as one that follows another."""
    if isinstance(content, Sar):
        total = None
        if report is Report.CONTINUES and isinstance(before.content, Sar):
            so_far = before.content.cumulative_minor or before.content.amount_minor
            if so_far is not None and content.amount_minor is not None:  # part of a sum is not the sum
                total = so_far + content.amount_minor
        return dataclasses.replace(content, report=report, prior_bsa_id=before.bsa_id, cumulative_minor=total)
    assert isinstance(content, Ctr)
    return dataclasses.replace(content, report=report, prior_bsa_id=before.bsa_id)


def _edited(filing: Filing, text: str | None, narrative: str | None) -> Content:
    if (text is None) == (narrative is None):
        raise FilingError("give either all of the content or a narrative")
    if narrative is not None:
        if not isinstance(filing.content, Sar):
            raise FilingError("only a suspicious activity report has a narrative")
        return dataclasses.replace(filing.content, narrative=narrative)
    try:
        content = content_of(filing.form, text or "")
    except ValueError as error:
        raise FilingError(str(error)) from error
    if not isinstance(content, BlockedProperty) and content.report is not filing.report:
        raise FilingError(f"report must stay {filing.report}")
    return content


def shown(content: Content) -> dict[str, Any]:
    """A content as a JSON document."""
    document: dict[str, Any] = json.loads(text_of(content))
    return document
