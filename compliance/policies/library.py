"""What must be given to a review, and what is found beside it."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from compliance.facts import Dossier
from compliance.policies.citing import Cited, citations, nearest
from compliance.policies.edition import DocumentKind
from compliance.policies.embedding import Embed
from compliance.policies.mandatory import mandatory, question
from compliance.policies.ranking import (
    CANDIDATES,
    COMMENTARY,
    RANK_FROM,
    Found,
    fused,
    spread,
    weighed,
    words,
)
from compliance.policies.splitting import cited
from compliance.ports import Database, queries
from compliance.results import Assessment, Passage

LIMIT_MAX: Final = 50
CITED_MAX: Final = 12
_CACHED_MAX: Final = 2048
LEADERS: Final = 2
"""Commentary among so many of the first is asked what law it is about."""

LIFTED_MAX: Final = 2
CITED_SHARE: Final = 0.9


class Library:
    """
    The policy library, for reading.

    What reviews ask for is cached, for like cases ask alike; `refresh` empties the cache once the library has changed.
    """

    def __init__(self, database: Database, embed: Embed | None = None) -> None:
        self._database = database
        self._embed = embed
        self._sql = queries("compliance.policies")
        self._state: str | None = None
        self._given: dict[tuple[Any, ...], tuple[Passage, ...]] = {}
        self._vectors: dict[str, list[float]] = {}

    async def refresh(self) -> bool:
        """Whether the library has changed since it was looked at last; what was cached of it is forgotten then."""
        async with self._database.acquire() as connection:
            state = await connection.fetchval(self._sql["state"])
        changed = state != self._state
        if changed:
            self._given.clear()
            self._state = state
        return changed

    async def passages(
        self, dossier: Dossier, assessment: Assessment, *, as_of: date, limit: int = 5
    ) -> list[Passage]:
        """
        What a review is given: all that is mandatory, then what search finds, up to `limit` together.

        A mandatory kind gives its document's passage nearest to the case; a citation of the rules its own. What the
        library does not hold is left out. `id` is P1, P2 and so on.
        """
        must, asked = mandatory(dossier, assessment), question(dossier, assessment)
        key = (must, asked, as_of, limit)
        if (given := self._given.get(key)) is not None:
            return list(given)
        vector = await self._vector(asked)
        async with self._database.acquire() as connection:
            numbers = await self._mandatory(connection, must, asked, as_of)
            scores = dict.fromkeys(numbers, 1.0)
            if len(numbers) < limit:
                for one in spread(
                    await self._ranked(connection, asked, vector, (as_of, None, None)), limit + len(numbers)
                ):
                    if len(scores) < limit:
                        scores.setdefault(one.number, one.score)
            made = await self._made(connection, scores, frozenset(numbers))
        if self._embed is None or vector is not None:
            while len(self._given) >= _CACHED_MAX:
                del self._given[next(iter(self._given))]
            self._given[key] = tuple(made)
        return made

    async def search(
        self,
        asked: str,
        *,
        document: str | None = None,
        jurisdiction: str | None = None,
        as_of: date | None = None,
        limit: int = 5,
    ) -> list[Passage]:
        """
        The passages in force that answer a question, best first, at most two of one section.

        `document` is a name or a kind (`DocumentKind`), `as_of` a day, today's where None. Full text and, where
        embeddings are to be had, the nearest of those, fused by reciprocal rank; equal questions have equal answers.
        """
        limit = max(1, min(limit, LIMIT_MAX))
        vector = await self._vector(asked)
        async with self._database.acquire() as connection:
            ranking = await self._ranked(connection, asked, vector, (as_of, document, jurisdiction))
            return await self._made(connection, {one.number: one.score for one in spread(ranking, limit)})

    async def named(self, name: str, as_of: date | None = None) -> list[Passage]:
        """All passages in force of the section or the document of this name, in order; [] where there is none."""
        wanted = citations(name)
        async with self._database.acquire() as connection:
            numbers: Sequence[int] = []
            if wanted:
                rows = await connection.fetch(self._sql["cited"], [one.section for one in wanted], as_of)
                close = [row["number"] for row in rows if _holds(row["citation"], wanted)]
                numbers = close or [row["number"] for row in rows]
            if not numbers:
                rows = await connection.fetch(self._sql["of_document"], name, as_of)
                numbers = [row["number"] for row in rows]
            return await self._made(connection, dict.fromkeys(numbers, 0.0))

    async def _mandatory(self, connection: Any, must: Sequence[str], asked: str, as_of: date) -> list[int]:
        numbers: list[int] = []
        kinds = [one for one in must if one in set(DocumentKind)]
        for kind in kinds:
            name = await connection.fetchval(self._sql["of_kind"], kind, as_of)
            if name is None:
                continue
            best = await self._ranked(connection, asked, None, (as_of, name, None))
            first = (
                best[0].number if best else await connection.fetchval(self._sql["first_passage"], name, as_of)
            )
            if first is not None:
                numbers.append(first)
        wanted = [one for text in must if text not in kinds for one in citations(text)][:CITED_MAX]
        rows = (
            await connection.fetch(self._sql["cited"], [one.section for one in wanted], as_of)
            if wanted
            else []
        )
        for one in wanted:
            inside = [row for row in rows if row["section"] == one.section]
            if inside:
                place = nearest(one, [(row["citation"], row["body"]) for row in inside])
                numbers.append(inside[place]["number"])
        return list(dict.fromkeys(numbers))

    async def _ranked(
        self,
        connection: Any,
        asked: str,
        vector: Sequence[float] | None,
        filters: tuple[date | None, str | None, str | None],
    ) -> list[Found]:
        """Every candidate, best first. `filters`: day, document, jurisdiction."""
        text, also = words(asked)
        met = await connection.fetch(self._sql["search"], text, also, *filters, CANDIDATES)
        rankings = [weighed(text, [_found(row, row["score"]) for row in met])]
        if (
            vector is not None
            and self._embed is not None
            and await connection.fetchval(self._sql["has_vectors"])
        ):
            near = await connection.fetch(
                self._sql["nearest"], self._embed.model, str(vector), *filters, CANDIDATES
            )
            ranking = weighed(
                text, [_found(row, 1 / place) for place, row in enumerate(near, start=RANK_FROM)]
            )
            rankings += [ranking] if ranking else []
        best = fused(rankings)
        return best if filters[1] else await self._with_cited(connection, best, filters[0])

    async def _with_cited(self, connection: Any, best: Sequence[Found], as_of: date | None) -> list[Found]:
        """The ranking, with the law that the commentary among its first cites close behind that commentary."""
        leaders = {one.number: one for one in best[:LEADERS] if one.kind in COMMENTARY}
        if not leaders:
            return list(best)
        rows = await connection.fetch(self._sql["passages"], list(leaders))
        bodies = {row["number"]: row["body"] for row in rows}
        named = [(one, law) for number, one in leaders.items() for law in citations(bodies[number])]
        shelf = await connection.fetch(self._sql["cited"], [law.section for _, law in named], as_of)
        lifted: dict[int, Found] = {}
        for leader, law in named:
            inside = [row for row in shelf if row["section"] == law.section]
            if (
                len(lifted) == LIFTED_MAX
                or not inside
                or any(one.section == law.section for one in lifted.values())
            ):
                continue
            found = next((one for one in best if one.section == law.section and not law.path), None)
            number = (
                found.number
                if found
                else inside[nearest(law, [(r["citation"], r["body"]) for r in inside])]["number"]
            )
            score = leader.score * CITED_SHARE
            lifted[number] = Found(number, law.section, "", DocumentKind.REGULATION, score)
        kept = [max(one, lifted.pop(one.number, one), key=lambda o: o.score) for one in best]
        return sorted((*kept, *lifted.values()), key=lambda one: (-one.score, one.number))

    async def _vector(self, asked: str) -> list[float] | None:
        if self._embed is None or not asked.strip():
            return None
        if (known := self._vectors.get(asked)) is not None:
            return known
        made = await self._embed.embed([asked])
        if made is None:
            return None
        while len(self._vectors) >= _CACHED_MAX:
            del self._vectors[next(iter(self._vectors))]
        self._vectors[asked] = made[0]
        return made[0]

    async def _made(
        self, connection: Any, scores: Mapping[int, float], must: frozenset[int] = frozenset()
    ) -> list[Passage]:
        rows = {row["number"]: row for row in await connection.fetch(self._sql["passages"], list(scores))}
        return [
            Passage(
                f"P{place}",
                rows[number]["citation"],
                _title(rows[number]["heading"], rows[number]["context"]),
                rows[number]["body"],
                rows[number]["name"],
                rows[number]["effective"],
                rows[number]["jurisdiction"],
                number in must,
                round(float(score), 4),
            )
            for place, (number, score) in enumerate(scores.items(), start=1)
        ]


def _found(row: Any, score: float) -> Found:
    return Found(row["passage"], row["section"], row["title"], row["kind"], score)


def _title(heading: str, context: str) -> str:
    return f"{heading} ({context})" if context else heading


def _holds(citation: str, wanted: Sequence[Cited]) -> bool:
    """Whether a passage with this citation is of a paragraph that is wanted."""
    return any(citation.startswith(cited(one.section, one.path)) for one in wanted)
