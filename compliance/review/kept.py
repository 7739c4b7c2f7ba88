"""What came of reviews, kept: the review, its case, its audit rows and its place in the queue, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from compliance.audit.log import Entry, append
from compliance.cases.clocks import ServiceLevels
from compliance.cases.opening import NewCase, open_cases
from compliance.cases.reviewed import SEALED_REVIEW
from compliance.facts import Source
from compliance.ports import Seals, queries
from compliance.results import document
from compliance.review.queue import Queue
from compliance.review.reviewer import Reviewed, summary_of
from compliance.roles import Actor


@dataclass(frozen=True, slots=True)
class Keeper:
    """Keeps reviews, in the caller's transaction: all of it or nothing."""

    seals: Seals
    levels: ServiceLevels

    async def keep_claimed(
        self, connection: Any, queue: Queue, reviews: Sequence[Reviewed], now: datetime, actor: Actor
    ) -> list[Reviewed]:
        """
        Those whose claim is still held are kept, and done.

        A review whose claim was lost meanwhile is somebody else's by now: it leaves no trace.
        """
        held = await queue.finish(connection, [review.result.flagged_id for review in reviews])
        kept = [review for review in reviews if review.result.flagged_id in held]
        if kept:
            await self.keep(connection, kept, now, actor, news=True)
        return kept

    async def keep(
        self,
        connection: Any,
        reviews: Sequence[Reviewed],
        now: datetime,
        actor: Actor,
        *,
        temporary: bool = False,
        news: bool = False,
    ) -> list[UUID]:
        """
        The reviews' ids; each has its case but where it is `temporary`. A customer on a list is blocked.

        `news` says that something happened, and not that somebody asked: a customer met on one more list.
        """
        ids = [uuid4() for _ in reviews]
        results = [review.result for review in reviews]
        subjects = [review.dossier.subject for review in reviews]
        sql = queries("compliance.review")
        await connection.execute(
            sql["add_reviews"],
            ids,
            [result.flagged_id for result in results],
            [subject.source for subject in subjects],
            [subject.source_id for subject in subjects],
            [result.analysis.tier for result in results],
            [result.assessment.composite for result in results],
            [result.analysis.origin for result in results],
            [len(result.hits) for result in results],
            [any(hit.is_match for hit in result.hits) for result in results],
            [self.seals.seal(SEALED_REVIEW, document(result)) for result in results],
            actor.name,
            now,
            temporary,
        )
        entries = [_entry(review, identifier, actor) for review, identifier in zip(reviews, ids, strict=True)]
        blocked = {review.dossier.subject.customer_number for review in reviews if review.blocks_customer}
        if blocked:
            rows = await connection.fetch(sql["block_customers"], sorted(blocked))
            entries += [
                Entry(
                    actor.name,
                    actor.role,
                    "customer.block",
                    f"customer:{row['number']}",
                    {"compliance_block": False},
                    {"compliance_block": True},
                )
                for row in rows
            ]
        if not temporary:
            cases = [
                _case(review, identifier, news=news) for review, identifier in zip(reviews, ids, strict=True)
            ]
            await open_cases(connection, cases, now, levels=self.levels, actor=actor)
        # Last: appending holds the log's end until the transaction's.
        await append(connection, entries)
        return ids


def _case(review: Reviewed, review_id: UUID, *, news: bool) -> NewCase:
    subject, result = review.dossier.subject, review.result
    matched = any(hit.is_match for hit in result.hits)
    about_list = matched or subject.source == Source.CUSTOMER
    return NewCase(
        flagged_id=result.flagged_id,
        customer_number=subject.customer_number,
        tier=result.analysis.tier,
        kind="sanctions" if about_list else "transfer",
        summary=summary_of(review),
        review_id=review_id,
        duties=result.analysis.duties,
        hits=bool(result.hits),
        source=subject.source,
        source_id=subject.source_id,
        money=None if subject.source == Source.CUSTOMER else subject.kind,
        is_news=news and subject.source == Source.CUSTOMER,
    )


def _entry(review: Reviewed, review_id: UUID, actor: Actor) -> Entry:
    subject, result = review.dossier.subject, review.result
    return Entry(
        actor.name,
        actor.role,
        "review.keep",
        f"{subject.source}:{subject.source_id.hex}",
        new={
            "review": review_id.hex,
            "tier": result.analysis.tier,
            "origin": result.analysis.origin,
            "hits": len(result.hits),
            "duties": sorted({duty.kind.value for duty in result.analysis.duties}),
            "struck": len(result.analysis.struck),
        },
        correlation_id=f"review:{review_id.hex}",
    )
