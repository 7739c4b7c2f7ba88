"""One dossier reviewed: its parties screened, rules asked, the policies that apply given, an analysis made and checked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Protocol

from compliance.facts import Dossier, Flag, Kind, Party, PartyRole, Source, Subject
from compliance.results import Analysis, Assessment, Hit, Passage, ReviewResult

SCREENED_MAX: Final = 20_000
"""Answers of the lists that are kept for the next time the same name comes."""


class Screener(Protocol):
    """One state of the lists; it never changes."""

    def screen(
        self,
        name: str,
        *,
        birth_date: date | None = None,
        countries: Sequence[str] = (),
        role: PartyRole | None = None,
    ) -> list[Hit]:
        """Who on a list this may be, the best first."""
        ...


class Lists(Protocol):
    """The sanctions lists, whichever state of them is in force."""

    @property
    def screener(self) -> Screener:
        """The lists as they are now."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """Each list's date."""
        ...


class Policies(Protocol):
    """The policy library."""

    async def passages(
        self, dossier: Dossier, assessment: Assessment, *, as_of: date, limit: int = 5
    ) -> list[Passage]:
        """What applies, the mandatory first."""
        ...


class Analyst(Protocol):
    """Analyses, and never raises for what an LLM's provider does."""

    async def analyse(
        self,
        dossier: Dossier,
        assessment: Assessment,
        hits: Sequence[Hit],
        passages: Sequence[Passage],
        *,
        force: bool = False,
    ) -> Analysis:
        """An analysis that code has checked; `force` asks again although it is known."""
        ...


Cleared = Callable[[Dossier, Party, Hit], bool]
"""Whether somebody has written down that this party is not that entry."""

Assess = Callable[[Dossier, Sequence[Hit]], Assessment]
"""What rules say: policy and country lists in it."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """A dossier and what came of it."""

    dossier: Dossier
    result: ReviewResult

    @property
    def blocks_customer(self) -> bool:
        """Whether the customer himself is on a list."""
        return any(hit.is_match and hit.role == PartyRole.CUSTOMER for hit in self.result.hits)


class Reviewer:
    """Reviews dossiers, one at a time or many side by side."""

    def __init__(
        self,
        lists: Lists,
        cleared: Cleared,
        assess: Assess,
        policies: Policies,
        analyst: Analyst,
        now: Callable[[], datetime],
    ) -> None:
        self._lists = lists
        self._cleared = cleared
        self._assess = assess
        self._policies = policies
        self._analyst = analyst
        self._now = now
        self._screened: dict[tuple[PartyRole, str, date | None, str], list[Hit]] = {}
        self._screened_by: Screener | None = None

    async def review(self, dossier: Dossier, *, force: bool = False) -> Reviewed:
        """Screened, assessed, given its passages, analysed."""
        now = self._now()
        hits, cleared = self._screen(dossier)
        assessment = self._assess(dossier, hits)
        passages = await self._policies.passages(dossier, assessment, as_of=now.date())
        analysis = await self._analyst.analyse(dossier, assessment, hits, passages, force=force)
        result = ReviewResult(
            flagged_id=dossier.subject.id,
            reviewed_at=now,
            assessment=assessment,
            hits=tuple(hits),
            passages=tuple(passages),
            analysis=analysis,
            lists=dict(self._lists.versions),
            cleared=tuple(cleared),
        )
        return Reviewed(dossier, result)

    def _screen(self, dossier: Dossier) -> tuple[list[Hit], list[Hit]]:
        """What its parties met, and what of that was cleared."""
        screener = self._lists.screener
        if screener is not self._screened_by or len(self._screened) > SCREENED_MAX:
            self._screened, self._screened_by = {}, screener
        found: list[Hit] = []
        cleared: list[Hit] = []
        for party in _screened_parties(dossier.subject):
            key = (party.role, party.name, party.birth_date, party.country)
            hits = self._screened.get(key)
            if hits is None:
                countries = (party.country,) if party.country else ()
                hits = screener.screen(
                    party.name, birth_date=party.birth_date, countries=countries, role=party.role
                )
                self._screened[key] = hits
            for hit in hits:
                (cleared if self._cleared(dossier, party, hit) else found).append(hit)
        return sorted(found, key=lambda hit: -hit.score), cleared


def _screened_parties(subject: Subject) -> list[Party]:
    """Everybody; of a merchant at home only where something else has flagged it."""
    at_home = (
        subject.kind == Kind.CARD and not subject.is_cross_border and Flag.SANCTIONS not in subject.flags
    )
    return [
        party
        for party in subject.parties
        if party.name and not (at_home and party.role == PartyRole.MERCHANT)
    ]


def summary_of(reviewed: Reviewed) -> str:
    """One line for people, without personal data."""
    subject, result = reviewed.dossier.subject, reviewed.result
    what = f"{subject.kind.replace('_', ' ')} {subject.direction}"
    if subject.source == Source.CUSTOMER:
        what = "a customer, no transfer"
    elif subject.usd_minor:
        what += f", worth {subject.usd_minor / 100:,.2f} USD"
    elif subject.amount_minor:
        what += f", {subject.amount_minor} minor units of {subject.currency}"
    if subject.is_cross_border:
        what += f", {subject.country}"
    parts = [what, f"risk {result.analysis.tier} ({result.assessment.composite:.0f} of 100)"]
    if rules := sorted({finding.rule.replace("_", " ") for finding in result.assessment.findings}):
        parts.append("rules: " + ", ".join(rules))
    if result.hits:
        matched = any(hit.is_match for hit in result.hits)
        parts.append("on a list" if matched else "like a name on a list")
    parts.append("flagged: " + ", ".join(flag.replace("_", " ") for flag in subject.flags))
    return "; ".join(parts)
