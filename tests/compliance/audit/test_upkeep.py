"""Chores by the clock."""

import asyncio

from compliance.audit.upkeep import RETRY_S, Chore, Upkeep, sealing
from loadtest.audit_bench import seed


class Worked:
    """Counts, and fails when it is told to."""

    def __init__(self):
        self.times = 0
        self.fails = False

    async def __call__(self):
        if self.fails:
            raise ConnectionError("away")
        self.times += 1


def test_a_chore_is_done_at_the_start_and_whenever_it_is_due():
    """By a clock that is handed in."""

    async def work():
        worked = Worked()
        upkeep = Upkeep([Chore("tidy", 60.0, worked)])
        return [await upkeep.tick(at_s) for at_s in (5.0, 6.0, 64.9, 65.0, 66.0)]

    assert asyncio.run(work()) == [["tidy"], [], [], ["tidy"], []]


def test_what_fails_is_tried_again_soon_and_the_rest_goes_on():
    """A database that is away must not end the worker."""

    async def work():
        failing, fine = Worked(), Worked()
        failing.fails = True
        upkeep = Upkeep([Chore("failing", 3_600.0, failing), Chore("fine", 10.0, fine)])
        first = await upkeep.tick(0.0)
        failing.fails = False
        return (
            first,
            await upkeep.tick(RETRY_S - 1),
            await upkeep.tick(RETRY_S),
            await upkeep.tick(RETRY_S + 1),
        )

    assert asyncio.run(work()) == (["fine"], ["fine"], ["failing"], [])


def test_a_checkpoint_is_signed_at_once_when_enough_rows_wait(in_workshop):
    """Else after its time."""

    async def work(shop):
        checkpointer = shop.checkpointer(50)
        upkeep = Upkeep([sealing(checkpointer, rows=10, every_s=60.0)])
        assert await upkeep.tick(0.0) == ["checkpoint"]
        await seed(shop.database, 9)
        assert await upkeep.tick(1.0) == []
        await seed(shop.database, 1)
        assert await upkeep.tick(2.0) == ["checkpoint"]
        assert await checkpointer.waiting() == 0

    in_workshop(work)
