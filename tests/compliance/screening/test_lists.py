"""Lists are switched as one; customers are screened by what changed; who is listed is blocked."""

import asyncio
from datetime import UTC, date, datetime

import pytest

from compliance.roles import Actor, Role
from compliance.screening.customers import screen_customers
from compliance.screening.entries import ListError
from compliance.screening.exceptions import (
    ExceptionError,
    NewException,
    add_exception,
    withdraw_exception,
)
from compliance.screening.lists import Lists
from compliance.screening.reading import read_lists
from compliance.screening.register import changes_of, import_editions
from server.store.database import Database

BOB = Actor("bob", Role.OFFICER)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_an_import_switches_lists_that_a_reader_then_follows(files, database_url, keys):
    """Empty before, whole after; the same again changes no entry; half of it is refused."""

    async def story():
        async with Database(database_url) as database:
            lists = await Lists.open(database, keys)
            assert not lists.versions
            assert lists.screener.screen("Faruq Zarqawian") == []
            editions = read_lists(list(files.values()))
            await import_editions(database, editions, BOB)
            assert await lists.refresh()
            assert not await lists.refresh()
            assert lists.versions == {"ofac_sdn": "2025-01-02", "un": "2026-02-27"}
            assert lists.screener.screen("Faruq Zarqawian")
            again = await import_editions(database, editions, BOB)
            assert [(one.added, one.changed, one.removed) for one in again] == [(0, 0, 0)] * 2
            text = files["sdn"].read_text().splitlines(keepends=True)
            files["sdn"].write_text("".join(text[:2]))
            with pytest.raises(ListError, match="the last good list stays"):
                await import_editions(database, read_lists([files["sdn"]]), BOB)
            files["sdn"].write_text("".join(text[1:]).replace("1958", "1959"))
            (done,) = await import_editions(database, read_lists([files["sdn"], files["alt"]]), BOB)
            assert (done.added, done.changed, done.removed) == (0, 1, 1)
            assert {row["change"] for row in await changes_of(database, "ofac_sdn", 10)} == {
                "changed",
                "removed",
            }

    asyncio.run(story())


def test_a_listed_customer_is_blocked_once_and_the_clock_starts(files, database_url, keys):
    """In the transaction that flags; a second run has nothing to do; a cleared one stays open."""

    async def story():
        async with Database(database_url) as database:
            await _customer(database, keys, 1, "Faruq Tamimuddin", "Zarqawian")
            await _customer(database, keys, 2, "John", "Smith")
            flagged = []

            async def flag(_connection, numbers):
                flagged.extend(numbers)

            lists = await Lists.open(database, keys)
            assert (await screen_customers(database, keys, lists, NOW, flag)).customers == 0
            await import_editions(database, read_lists(list(files.values())), BOB)
            await lists.refresh()
            done = await screen_customers(database, keys, lists, NOW, flag, batch=1)
            assert (done.customers, done.blocked, flagged) == (2, 1, [1])
            async with database.acquire() as connection:
                row = await connection.fetchrow("SELECT * FROM sanctions_matches")
                blocked = await connection.fetch("SELECT number FROM customers WHERE compliance_block")
            assert (row["state"], row["report_due"]) == ("true", date(2026, 12, 7))
            assert [one["number"] for one in blocked] == [1]
            # The block changed the customer: screened once more, without news.
            assert (await screen_customers(database, keys, lists, NOW, flag)).news == 0
            assert (await screen_customers(database, keys, lists, NOW, flag)).customers == 0

    asyncio.run(story())


def test_a_record_that_can_not_be_read_keeps_nobody_else_from_being_screened(files, database_url, keys):
    """It is told, and screened as soon as it can be read."""

    async def story():
        async with Database(database_url) as database:
            await _customer(database, keys, 1, "John", "Smith")
            await _customer(database, keys, 2, "Faruq Tamimuddin", "Zarqawian")
            async with database.acquire() as connection:
                whole = await connection.fetchval("SELECT family_name FROM customers WHERE number = 1")
                await connection.execute("UPDATE customers SET family_name = 'torn' WHERE number = 1")
            await import_editions(database, read_lists(list(files.values())), BOB)
            lists = await Lists.open(database, keys)
            done = await screen_customers(database, keys, lists, NOW)
            assert (done.customers, done.blocked, done.unreadable) == (1, 1, [1])
            async with database.acquire() as connection:
                await connection.execute("UPDATE customers SET family_name = $1 WHERE number = 1", whole)
            done = await screen_customers(database, keys, lists, NOW)
            assert (done.customers, done.unreadable) == (2, [])  # the block changed the other one

    asyncio.run(story())


def test_a_person_who_was_cleared_stays_cleared_until_the_entry_changes(files, database_url, keys):
    """Never silently: the hit is there, as cleared."""

    async def story():
        async with Database(database_url) as database:
            await import_editions(database, read_lists([files["sdn"]]), BOB)
            lists = await Lists.open(database, keys)
            (hit, *_) = lists.screener.screen("Faruq Tamimuddin Zarqawian")
            new = NewException("ofac_sdn", "100", "another birth place", date(2027, 1, 1), customer_number=5)
            with pytest.raises(ExceptionError, match="entry: "):
                await add_exception(
                    database,
                    keys,
                    lists,
                    NewException("un", "9", "why", date(2027, 1, 1), 5),
                    BOB,
                    NOW.date(),
                )
            number = await add_exception(database, keys, lists, new, BOB, NOW.date())
            assert not lists.cleared(5, hit)
            await lists.refresh()
            assert lists.cleared(5, hit)
            assert not lists.cleared(6, hit)
            files["sdn"].write_text(files["sdn"].read_text().replace("1958", "1959"))
            await import_editions(database, read_lists([files["sdn"]]), BOB)
            await lists.refresh()
            assert not lists.cleared(5, hit)
            await withdraw_exception(database, number, BOB)
            with pytest.raises(ExceptionError, match="number: "):
                await withdraw_exception(database, number, BOB)

    asyncio.run(story())


async def _customer(database, keys, number, given, family):
    async with database.acquire() as connection:
        await connection.execute(
            "INSERT INTO customers (number, given_name, family_name) VALUES ($1, $2, $3)",
            number,
            keys.seal("customers.given_name", given),
            keys.seal("customers.family_name", family),
        )
