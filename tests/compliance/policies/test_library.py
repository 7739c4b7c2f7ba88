"""The library in PostgreSQL: editions by date, search, what a review is given."""

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from compliance.facts import Kind
from compliance.policies.desk import PolicyDesk
from compliance.policies.edition import DocumentKind, Paragraph, PolicyError, Section, Work
from compliance.policies.library import Library
from compliance.results import Duty, DutyKind
from compliance.roles import Actor, Role
from server.store.database import Database
from tests.compliance.policies.test_mandatory import CLEAR, PLAIN, SUBJECT

OFFICER = Actor("olga", Role.OFFICER)
TODAY = date(2026, 3, 2)


def work(name="Law", text="A report is filed within 15 days.", effective=None, **fields):
    """A work of one section."""
    section = Section(f"{name} 1.1", "Filing of reports", (Paragraph((), text),))
    given = {"kind": DocumentKind.REGULATION, "jurisdiction": "US", "title": name, "sections": (section,)}
    return Work(**{"name": name, "effective": effective, **given, **fields})


class Words:
    """A named fake: a vector says which of four words a text has."""

    model = "words"

    def __init__(self):
        self.asked = 0
        self.silent = False

    async def embed(self, texts):
        self.asked += 1
        if self.silent:
            return None
        words = ("currency", "money", "wolf", "sheep")
        return [[0.01 + (word in text.lower()) for word in words] for text in texts]


class Counting:
    """A database that counts how often a connection is taken, and may act as somebody with fewer rights."""

    def __init__(self, database, role=None):
        self._database = database
        self._role = role
        self.taken = 0

    @contextlib.asynccontextmanager
    async def acquire(self):
        self.taken += 1
        async with self._database.acquire() as connection:
            if self._role:
                await connection.execute(f"SET ROLE {self._role}")
            yield connection


@pytest.fixture
def at_library(database_url):
    """Runs work(database, desk, library) in an empty library."""

    def run(inside, embed=None):
        async def opened():
            async with Database(database_url) as database:
                desk = PolicyDesk(database, lambda: datetime(2026, 3, 2, 12, tzinfo=UTC), embed)
                return await inside(database, desk, Library(database, embed))

        return asyncio.run(asyncio.wait_for(opened(), 60))

    return run


def test_an_empty_library_answers_with_nothing(at_library):
    """No error: a review goes on without."""

    async def inside(_database, _desk, library):
        assert await library.search("when is a report filed") == []
        assert await library.passages(PLAIN, CLEAR, as_of=TODAY) == []

    at_library(inside)


def test_the_same_content_again_changes_nothing(at_library):
    """Neither a row nor an audit entry."""

    async def inside(database, desk, _library):
        first = await desk.add([work()], OFFICER)
        again = await desk.add([work()], OFFICER)
        async with database.acquire() as connection:
            entries = await connection.fetchval("SELECT count(*) FROM audit WHERE action = 'policy.import'")
        return first[0].outcome, again[0].outcome, len(await desk.documents()), entries

    assert at_library(inside) == ("imported", "unchanged", 1, 1)


def test_a_new_edition_supersedes_from_its_day_and_the_old_one_is_kept(at_library):
    """A question as of an earlier day is answered from what was in force then."""

    async def inside(_database, desk, library):
        await desk.add([work(effective=date(2020, 1, 1))], OFFICER)
        await desk.add([work(text="A report is filed within 30 days.", effective=date(2026, 1, 1))], OFFICER)
        found = [
            [one.text[-8:] for one in await library.search("report filed days", as_of=day)]
            for day in (date(2019, 1, 1), date(2025, 12, 31), TODAY)
        ]
        return found, [one.until for one in await desk.documents()]

    found, until = at_library(inside)
    assert found == [[], ["15 days."], ["30 days."]]
    assert until == [None, date(2026, 1, 1)]


def test_editions_without_a_date_follow_each_other_by_import(at_library):
    """The first was always in force; the next is from the day on which it came."""

    async def inside(_database, desk, library):
        await desk.add([work()], OFFICER)
        await desk.add([work(text="A report is filed within 30 days.")], OFFICER)
        before = await library.search("report filed", as_of=date(2026, 3, 1))
        after = await library.search("report filed", as_of=TODAY)
        return [one.text[-8:] for one in before], [one.text[-8:] for one in after]

    assert at_library(inside) == (["15 days."], ["30 days."])


def test_a_withdrawn_document_is_found_for_days_before_and_comes_back_when_imported(at_library):
    """Withdrawing it twice, or what isn't there, says so."""

    async def inside(_database, desk, library):
        await desk.add([work()], OFFICER)
        await desk.withdraw("Law", TODAY, OFFICER)
        counts = [len(await library.search("report", as_of=day)) for day in (date(2026, 3, 1), TODAY)]
        with pytest.raises(PolicyError, match="was withdrawn before"):
            await desk.withdraw("Law", TODAY, OFFICER)
        with pytest.raises(PolicyError, match="no document is called 'Lore'"):
            await desk.withdraw("Lore", TODAY, OFFICER)
        (again,) = await desk.add([work()], OFFICER)
        return counts, again.outcome, len(await library.search("report", as_of=TODAY))

    assert at_library(inside) == ([1, 0], "restored", 1)


def test_search_is_narrowed_by_document_kind_and_jurisdiction(at_library):
    """Case doesn't matter."""

    async def inside(_database, desk, library):
        await desk.add(
            [work("Law"), work("Manual", kind=DocumentKind.MANUAL), work("York", jurisdiction="US-NY")],
            OFFICER,
        )
        return [
            [one.document for one in await library.search("report", as_of=TODAY, **narrowed)]
            for narrowed in ({"document": "manual"}, {"document": "york"}, {"jurisdiction": "us-ny"}, {})
        ]

    assert at_library(inside) == [["Manual"], ["York"], ["York"], ["Law", "York", "Manual"]]


def test_any_question_has_an_answer(at_library):
    """What strangers type is data."""
    strange = (
        "",
        "   ",
        "' OR 1=1 --",
        "the of and",
        "& | ! <->",
        "x" * 5000,
        "日本語 ✓",
        "nul\x00 and \udcff",
        "%_\\",
    )

    async def inside(_database, desk, library):
        await desk.add([work()], OFFICER)
        return [len(await library.search(question, as_of=TODAY)) for question in strange]

    assert max(at_library(inside)) <= 1


def test_a_number_is_found_however_it_is_grouped(at_library):
    """10000 is 10,000."""

    async def inside(_database, desk, library):
        await desk.add([work(text="Currency of more than $10,000 is reported.")], OFFICER)
        return [len(await library.search(asked, as_of=TODAY)) for asked in ("10000", "$10,000", "20000")]

    assert at_library(inside) == [1, 1, 0]


def test_a_section_is_shown_by_its_citation_and_a_document_by_its_name(at_library):
    """In its own order."""

    async def inside(_database, desk, library):
        section = Section(
            "31 CFR 1010.306", "Filing", (Paragraph(("a",), "One"), Paragraph(("b",), "Two" * 200))
        )
        await desk.add([work("31 CFR Chapter X", sections=(section,))], OFFICER)
        names = ("31 CFR 1010.306", "31 CFR Chapter X", "31 CFR 9.9")
        return [len(await library.named(name, TODAY)) for name in names]

    assert at_library(inside) == [1, 1, 0]


def test_a_review_is_given_our_policies_until_the_bank_has_its_own(at_library):
    """Mandatory ones first, then what is cited, then what is found; ids in order."""

    async def inside(_database, desk, library):
        await desk.add_shipped()
        section = Section(
            "31 CFR 1010.311", "Filing obligations", (Paragraph((), "Each institution shall file."),)
        )
        await desk.add([work("31 CFR Chapter X", sections=(section,))], OFFICER)
        wire = replace(PLAIN, subject=replace(SUBJECT, kind=Kind.WIRE, country="DE", usd_minor=60_000_00))
        duty = Duty(DutyKind.CTR, "31 CFR 1010.311", "cash")
        first = await library.passages(wire, replace(CLEAR, duties=(duty,)), as_of=TODAY)
        own = work("Our AML policy", kind=DocumentKind.AML_POLICY)
        await desk.add([own], OFFICER)
        assert await library.refresh()
        assert not await library.refresh()
        return first, await library.passages(PLAIN, CLEAR, as_of=TODAY)

    given, after = at_library(inside)
    assert [(one.id, one.document) for one in given] == [
        ("P1", "AML policy"),
        ("P2", "Wire manual"),
        ("P3", "Due diligence policy"),
        ("P4", "Sanctions policy"),
        ("P5", "31 CFR Chapter X"),
    ]
    assert all(one.mandatory for one in given)
    assert after[0].document == "Our AML policy"
    assert [one.mandatory for one in after] == [True, False, False, False, False]


def test_what_the_bank_has_withdrawn_of_ours_stays_withdrawn(at_library):
    """However often an office starts."""

    async def inside(_database, desk, _library):
        outcomes = [{one.outcome for one in await desk.add_shipped()} for _ in range(2)]
        await desk.withdraw("AML policy", TODAY, OFFICER)
        return outcomes, sorted(one.outcome for one in await desk.add_shipped())

    assert at_library(inside) == ([{"imported"}, {"unchanged"}], ["unchanged"] * 3 + ["withdrawn"])


def test_like_cases_ask_the_database_once(at_library):
    """200 reviews a second must not be 200 searches."""

    async def inside(database, desk, _library):
        await desk.add_shipped()
        counting = Counting(database)
        library = Library(counting)
        first = await library.passages(PLAIN, CLEAR, as_of=TODAY)
        kept = list(first)
        first.clear()  # what a caller does with its list is its own affair
        again = await library.passages(
            replace(PLAIN, subject=replace(SUBJECT, amount_minor=1)), CLEAR, as_of=TODAY
        )
        return counting.taken, again == kept

    assert at_library(inside) == (1, True)


def test_what_means_the_same_is_found_by_vectors_that_words_miss(at_library):
    """Both rankings are fused; without the model, words alone answer."""
    embed = Words()

    async def inside(_database, desk, library):
        await desk.add([work("Wolves", "The wolf howls"), work("Money", "Money talks")], OFFICER)
        assert await desk.fill_vectors() == (2, 0)
        assert await desk.fill_vectors() == (0, 0)
        near = await library.search("wolf pack", as_of=TODAY)
        meant = await library.search("lupine wolf-like money", as_of=TODAY)
        embed.silent = True
        alone = await library.search("howls", as_of=TODAY)
        return near[0].document, {one.document for one in meant}, [one.document for one in alone]

    assert at_library(inside, embed) == ("Wolves", {"Wolves", "Money"}, ["Wolves"])


def test_passages_that_got_no_vector_are_counted_and_filled_later(at_library):
    """An endpoint that is down stops no import."""
    embed = Words()
    embed.silent = True

    async def inside(_database, desk, _library):
        await desk.add([work()], OFFICER)
        down = await desk.fill_vectors()
        embed.silent = False
        return down, await desk.fill_vectors()

    assert at_library(inside, embed) == ((0, 1), (1, 0))


def test_a_user_who_may_not_have_pgvector_searches_by_words(at_library):
    """The extension is never required."""

    async def inside(database, desk, _library):
        await desk.add([work()], OFFICER)
        async with database.acquire() as connection:
            await connection.execute("DROP ROLE IF EXISTS meek")
            await connection.execute("CREATE ROLE meek")
            await connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO meek")
        meek = Counting(database, role="meek")
        embed = Words()
        filled = await PolicyDesk(meek, datetime.now, embed).fill_vectors()
        found = await Library(meek, embed).search("report", as_of=TODAY)
        async with database.acquire() as connection:
            await connection.execute("RESET ROLE")
            await connection.execute("DROP OWNED BY meek")
            await connection.execute("DROP ROLE meek")
        return filled, len(found)

    assert at_library(inside) == ((0, 0), 1)
