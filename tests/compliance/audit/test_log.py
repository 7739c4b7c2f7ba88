"""The log: appended in the caller's transaction, chained, and refused to whoever would change it."""

import asyncio
import json
from hashlib import sha256

import asyncpg
import pytest

from compliance.audit.log import Entry, append, viewed
from compliance.roles import Actor, Role
from server.store.database import Database

ENTRY = Entry("alice", "officer", "case.decide", "case:00", {"state": "open"}, {"state": "decided"}, "c1")


def run(database_url, work):
    """`work(connection)` on a connection of its own."""

    async def inside():
        async with Database(database_url) as database, database.acquire() as connection:
            return await work(connection)

    return asyncio.run(inside())


def test_a_row_is_chained_to_the_one_before_when_it_is_appended(database_url):
    """By the bytes that the migration names, number by number, whether appended together or apart."""

    async def work(connection):
        async with connection.transaction():
            await append(connection, [ENTRY, ENTRY])
        async with connection.transaction():
            await append(connection, [])
            await append(connection, [ENTRY])
        return await connection.fetch("SELECT * FROM audit ORDER BY number"), await connection.fetchrow(
            "SELECT * FROM audit_head"
        )

    rows, head = run(database_url, work)
    before = bytes(32)
    for number, row in enumerate(rows, start=1):
        before = sha256(before + number.to_bytes(8, "big") + row["content"].encode()).digest()
        assert (row["number"], row["hash"]) == (number, before)
    assert (head["number"], head["hash"]) == (3, before)
    assert (rows[0]["actor"], rows[0]["resource"], json.loads(rows[0]["new"])) == (
        "alice",
        "case:00",
        {"state": "decided"},
    )
    assert abs(rows[0]["happened_at"].timestamp() * 1e6 - json.loads(rows[0]["content"])["at_us"]) < 1


def test_an_entry_is_not_there_when_its_transaction_fails(database_url):
    """And leaves no gap."""

    async def work(connection):
        for fails in (False, True, False):
            transaction = connection.transaction()
            await transaction.start()
            await append(connection, [ENTRY])
            await (transaction.rollback() if fails else transaction.commit())
        return [row["number"] for row in await connection.fetch("SELECT number FROM audit ORDER BY number")]

    assert run(database_url, work) == [1, 2]


def test_writers_at_the_same_time_make_one_chain_without_gaps(database_url):
    """Five connections, ten transactions each."""

    async def inside():
        async with Database(database_url) as database:

            async def writer():
                for _ in range(10):
                    async with database.acquire() as connection, connection.transaction():
                        await append(connection, [ENTRY] * 3)

            await asyncio.gather(*(writer() for _ in range(5)))
            async with database.acquire() as connection:
                return await connection.fetch("SELECT number, content, hash FROM audit ORDER BY number")

    rows = asyncio.run(inside())
    before = bytes(32)
    for number, row in enumerate(rows, start=1):
        before = sha256(before + number.to_bytes(8, "big") + row["content"].encode()).digest()
        assert (row["number"], row["hash"]) == (number, before)
    assert len(rows) == 150


CHANGES = (
    "UPDATE audit SET content = '{}'",
    "UPDATE audit SET actor = 'bob'",
    "DELETE FROM audit",
    "TRUNCATE audit",
    "TRUNCATE audit_head",
    "DELETE FROM audit_head",
    "INSERT INTO audit (number, content, hash, actor) VALUES (2, '{}', '', 'bob')",
)


def test_a_change_is_refused_whoever_asks(database_url):
    """The owner of the tables too: the trigger holds him, and columns made from the content take no other value."""

    async def work(connection):
        async with connection.transaction():
            await append(connection, [ENTRY])
        for statement in CHANGES:
            with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.GeneratedAlwaysError)):
                await connection.execute(statement)

    run(database_url, work)


def test_nobody_holds_a_grant_to_change_the_log(database_url):
    """The table's owner included: only INSERT and SELECT are left of what matters."""

    async def work(connection):
        return {
            row["privilege_type"]
            for row in await connection.fetch(
                "SELECT privilege_type FROM pg_class, aclexplode(relacl) WHERE oid = 'audit'::regclass"
            )
        }

    assert run(database_url, work).isdisjoint({"UPDATE", "DELETE", "TRUNCATE"})


def test_text_that_postgresql_cannot_hold_is_replaced_when_it_is_appended(database_url):
    """Zeros and halves of surrogate pairs come from strangers' arguments; the row is written all the same."""

    async def work(connection):
        async with connection.transaction():
            await append(connection, [Entry("a\0b", "viewer", "denied.x", "case:\ud800", new={"é": "\0"})])
        return await connection.fetchrow("SELECT actor, resource FROM audit")

    assert tuple(run(database_url, work)) == ("a\ufffdb", "case:?")


def test_a_view_of_personal_data_is_a_row(database_url):
    """Who saw what, and how many."""

    async def work(connection):
        async with connection.transaction():
            await viewed(connection, Actor("carol", Role.ANALYST), "customer", "customer:17", "c9", count=3)
        return await connection.fetchrow("SELECT actor, action, resource, new, correlation_id FROM audit")

    assert tuple(run(database_url, work)) == ("carol", "view.customer", "customer:17", '{"count": 3}', "c9")
