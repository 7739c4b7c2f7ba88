"""One review, asked for by somebody: of what was flagged, or of any transfer and authorization there is."""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from compliance.audit.log import Entry, append
from compliance.facts import Dossier, Flag, Source, flagged_id_of
from compliance.ports import Database, queries
from compliance.results import ReviewResult
from compliance.review.enrichment import Enricher
from compliance.review.kept import Keeper
from compliance.review.queue import Claim
from compliance.review.reviewer import Reviewer
from compliance.roles import Actor, Permission, require


class ReviewDesk:
    """Reviews on demand."""

    def __init__(
        self,
        database: Database,
        keeper: Keeper,
        enricher: Enricher,
        reviewer: Reviewer,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._keeper = keeper
        self._enricher = enricher
        self._reviewer = reviewer
        self._now = now

    async def analyse_now(
        self, source: Source, source_id: UUID, actor: Actor, *, force_refresh: bool = False
    ) -> ReviewResult:
        """
        A review of now, kept under the name of who asks; of what nothing has flagged it is kept for a day.

        `force_refresh` asks the analyst again although the same question was answered. Raises Denied, and Unknown.
        """
        require(actor, Permission.WORK_CASES)
        identifier = flagged_id_of(source, source_id)
        claim = Claim(identifier, source, source_id, (Flag.BY_HAND,), 0)
        async with self._database.acquire() as connection:
            found = (await self._enricher.enrich(connection, [claim], self._now()))[identifier]
        if not isinstance(found, Dossier):
            raise found
        review = await self._reviewer.review(found, force=force_refresh)
        async with self._database.acquire() as connection, connection.transaction():
            flagged = await connection.fetchval(queries("compliance.review")["is_flagged"], identifier)
            asked = Entry(
                actor.name,
                actor.role,
                "review.ask",
                f"{source}:{source_id.hex}",
                new={"force_refresh": force_refresh},
            )
            await append(connection, [asked])
            # Where a customer is blocked there is a case of it, flagged or not.
            temporary = not (flagged or review.blocks_customer)
            await self._keeper.keep(connection, [review], self._now(), actor, temporary=temporary)
        return review.result
