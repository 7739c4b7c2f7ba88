"""What programmes answer without the ledger, as it is set and followed, and what stand-in approved, as it is reported."""

import asyncio
import time
from uuid import UUID

import asyncpg
import numpy as np
import pytest

from server.core.directory import Directory, Posture, StandInLimits
from server.core.record import DECISION, INTENT, REQUEST_VERSION, Chain, Operation, id_hex
from server.store.database import Database
from server.store.directory_feed import DirectoryFeed
from server.store.postgres import StoreError
from server.store.programmes import Programmes, StandInWish
from server.store.shipper import Shipper
from tests.server.store.test_shipper import ListedJournal

EFFECT_S = 1.0
BOUND_S = 10
WISH = StandInWish(10_000, 3, 20_000, (5812, 5411, 5411))


def test_a_posture_is_set_followed_and_on_record(run, database_url):
    """A reader has it; who set what stays to be read."""

    async def body():
        async with Database(database_url) as database:
            programmes, directory = Programmes(database), Directory()
            changed = asyncio.Event()

            async def take(chunk):
                directory.apply(chunk.change)
                if directory.programmes[0].posture == Posture.STAND_IN:
                    changed.set()

            following = asyncio.ensure_future(DirectoryFeed(database).follow(None, take))
            try:
                before = await programmes.show("standard")
                assert (before.posture, before.changed_by) == ("decline", "")
                after = await programmes.set_posture(
                    "standard", "stand_in", changed_by="alice", stand_in=WISH
                )
                await asyncio.wait_for(changed.wait(), BOUND_S)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            assert directory.programmes[0].stand_in == StandInLimits(
                10_000, 3, 20_000, frozenset({5411, 5812})
            )
            assert (after.categories, after.changed_by) == ((5411, 5812), "alice")
            await programmes.set_posture("standard", "network", changed_by="bob")
            await programmes.set_posture("standard", "network", changed_by="carol")
            history = await programmes.history("standard")
            assert [(change.posture, change.changed_by) for change in history] == [
                ("stand_in", "alice"),
                ("network", "bob"),
            ]
            assert history[0].revision == after.revision == before.revision + 1
            assert [programme.name for programme in await programmes.listed()] == ["standard"]

    run(body())


def test_a_posture_is_with_a_reader_within_a_second(run, database_url):
    """From its commit on: the best of some changes."""

    async def body():
        async with Database(database_url) as database:
            programmes, directory, changed = Programmes(database), Directory(), asyncio.Condition()

            async def take(chunk):
                async with changed:
                    directory.apply(chunk.change)
                    changed.notify_all()

            following = asyncio.ensure_future(DirectoryFeed(database).follow(None, take))
            took_s = []
            try:
                for posture in (Posture.NETWORK, Posture.DECLINE) * 2:
                    await programmes.set_posture("standard", posture.name.lower(), changed_by="alice")
                    committed_s = time.monotonic()
                    async with changed:
                        seen = changed.wait_for(
                            lambda posture=posture: (
                                bool(directory.programmes) and directory.programmes[0].posture == posture
                            )
                        )
                        await asyncio.wait_for(seen, BOUND_S)
                    took_s.append(time.monotonic() - committed_s)
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
            # The first may have been there when the reader came.
            assert min(took_s[1:]) < EFFECT_S, took_s

    run(body())


@pytest.mark.parametrize(
    ("posture", "wish", "complaint"),
    [
        ("stand_in", StandInWish(0, 3, 20_000), "amount_max: it is 1 to"),
        ("stand_in", StandInWish(10_000, 0, 20_000), "count_max: it is 1 to 10000, not 0"),
        ("stand_in", StandInWish(10_000, 3, 9_999), "sum_max: a day's sum is not less than"),
        ("stand_in", StandInWish(10_000, 3, 20_000, (54110,)), "mcc: a category has four digits"),
        ("stand_in", StandInWish(10_000, 3, 20_000, tuple(range(1_001))), "mcc: at most 1000"),
        ("stand_in", None, "posture: stand_in has limits"),
        ("decline", WISH, "posture: stand_in has limits"),
        ("maybe", None, "posture: 'maybe' is none of decline, network, stand_in"),
    ],
)
def test_what_can_not_be_set_is_told_by_its_field(run, database_url, posture, wish, complaint):
    """With what is allowed; nothing is changed."""

    async def body():
        async with Database(database_url) as database:
            programmes = Programmes(database)
            with pytest.raises(StoreError, match=complaint):
                await programmes.set_posture("standard", posture, changed_by="alice", stand_in=wish)
            with pytest.raises(StoreError, match="programme: there is no 'gold'; there are standard"):
                await programmes.set_posture("gold", "network", changed_by="alice")
            assert (await programmes.show("standard")).revision == 1

    run(body())


def test_postgresql_itself_refuses_to_stand_in_without_limits(run, database_url):
    """Whoever writes the row by hand."""

    async def body():
        async with Database(database_url) as database, database.acquire() as connection:
            with pytest.raises(asyncpg.CheckViolationError, match="who_stands_in_has_limits"):
                await connection.execute("UPDATE programmes SET posture = 'stand_in'")
            await connection.execute("UPDATE programmes SET posture = 'network'")
            with pytest.raises(asyncpg.RaiseError, match="never deleted"):
                await connection.execute("DELETE FROM programme_postures")

    run(body())


class Approvals:
    """A journal of approvals without the ledger, and of what became of them."""

    def __init__(self):
        self.journal, self._sequence = ListedJournal(), 0

    def approve(self, amount_minor=1_000):
        """One more; its id."""
        return self._add(Operation.AUTHORIZE, amount_minor, stand_in=1)

    def add(self, operation, original, amount_minor=0, **fields):
        """A message about one."""
        return self._add(operation, amount_minor, original=original, **fields)

    def _add(self, operation, amount_minor, original=None, **fields):
        self._sequence += 1
        intents, decisions = np.zeros(1, INTENT), np.zeros(1, DECISION)
        request = intents["request"]
        request["authorization_id"] = decisions["authorization_id"] = [[self._sequence << 8, 5]]
        request["original_id"] = 0 if original is None else [[original << 8, 5]]
        request["operation"] = decisions["operation"] = operation
        request["version"] = decisions["version"] = REQUEST_VERSION
        request["transmission_s"] = time.time()
        intents["sequence"] = decisions["sequence"] = self._sequence
        intents["billing_currency"] = decisions["billing_currency"] = 840
        decisions["decision_ns"] = time.time_ns()
        decisions["response_code"], decisions["approved_minor"] = b"00", amount_minor
        for name, value in fields.items():
            decisions[name] = value
        decisions["intent_batch"] = self.journal.append(intents, np.zeros(0, DECISION))
        self.journal.append(np.zeros(0, INTENT), decisions)
        return self._sequence


def test_a_report_says_what_became_of_every_approval_without_the_ledger(run, database_url):
    """Waiting, booked, beyond the balance, refused, let go, cleared; a part that was let go first is booked less."""
    made = Approvals()
    booked, overdrawn, refused, let_go, cleared, halved, waiting, halved_waiting = (
        made.approve() for _ in range(8)
    )
    gone, part = {"chain": Chain.REPLACED, "held": 0}, {"chain": Chain.REPLACED, "held": 1}
    held = {"chain": Chain.ADDED, "held": 1}
    made.add(Operation.BOOK, booked, 1_000, part_minor=1_000, **held)
    made.add(Operation.REVERSE, booked, 1_000, **gone)
    made.add(Operation.BOOK, overdrawn, 1_000, part_minor=300, owed_minor=700, **held)
    made.add(Operation.BOOK, refused, response_code=b"96")
    made.add(Operation.REVERSE, let_go, 1_000, **gone)
    made.add(Operation.CLEAR, cleared, 900, **gone)
    made.add(Operation.REVERSE, halved, 400, **part)
    made.add(Operation.BOOK, halved, 600, part_minor=600, **held)
    made.add(Operation.REVERSE, halved_waiting, 400, **part)
    expected = {
        booked: "booked",
        overdrawn: "overdrawn",
        refused: "refused",
        let_go: "let_go",
        cleared: "cleared",
        halved: "booked",
        waiting: "waiting",
        halved_waiting: "waiting",
    }

    async def body():
        async with Database(database_url) as database:
            await Shipper(database, made.journal).drain()
            programmes = Programmes(database)
            sums, newest = await programmes.stood_in("standard")
            states = {line.authorization_id: line.state for line in newest}
            assert states == {
                UUID(hex=id_hex(np.array([number << 8, 5], np.uint64))): state
                for number, state in expected.items()
            }
            told = {line.state: (line.approvals, line.booked_minor, line.overdrawn_minor) for line in sums}
            assert told == {
                "booked": (2, 1_600, 0),
                "overdrawn": (1, 1_000, 700),
                "refused": (1, 0, 0),
                "let_go": (1, 0, 0),
                "cleared": (1, 0, 0),
                "waiting": (2, 0, 0),
            }
            _, some = await programmes.stood_in(state="waiting", count=1)
            assert [line.state for line in some] == ["waiting"]
            with pytest.raises(StoreError, match="state: 'lost' is none of waiting"):
                await programmes.stood_in(state="lost")

    run(body())
