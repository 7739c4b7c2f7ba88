"""Who looks on costs no answer: what can't be looked at in time is dropped and counted."""

import asyncio
import contextlib

import numpy as np

from server.fraud import onlookers
from server.fraud.onlookers import SIGHT_MAX, WAITING_MAX, Onlookers, pieces, seen
from tests.server.fraud.decisions import decided, unseen


class Notebook:
    """An onlooker that keeps what it was shown."""

    def __init__(self):
        self.sights = []
        self.acted = asyncio.Event()

    def look(self, sight):
        """Keeps it."""
        self.sights.append(sight)

    async def act(self):
        """Says that it was there."""
        self.acted.set()

    @property
    def ids(self):
        """Whatever was shown, in order."""
        return [int(identifier) for sight in self.sights for identifier in sight.ids[:, 0]]


def test_everything_offered_is_shown_in_order(run):
    """Small batches together, large ones in pieces."""

    async def body():
        notebook = Notebook()
        looking = Onlookers([notebook])
        first = 1
        for count in (1, 700, 3, 1_200, 1):
            looking.offer(*decided(count, first_id=first))
            first += count
        await looking.show()
        assert notebook.ids == list(range(1, first)) and looking.dropped == 0
        assert max(len(sight) for sight in notebook.sights) == SIGHT_MAX

    run(body())


def test_pieces_hold_the_same_rows_in_their_order():
    """Of any sizes."""
    rng = np.random.default_rng(1)
    for _ in range(50):
        sizes = rng.integers(1, 1_300, rng.integers(1, 8)).tolist()
        starts = np.cumsum([1, *sizes[:-1]]).tolist()
        batches = [decided(size, first_id=start) for size, start in zip(sizes, starts, strict=True)]
        found = list(pieces(batches))
        ids = [d["authorization_id"][:, 0] for part in found for _, d in part]
        assert np.array_equal(np.concatenate(ids), np.arange(1, sum(sizes) + 1))
        assert all(sum(len(i) for i, _ in part) == SIGHT_MAX for part in found[:-1])


def test_what_does_not_fit_the_queue_is_dropped_and_counted(run):
    """The queue is bounded by rows."""

    async def body():
        notebook = Notebook()
        looking = Onlookers([notebook])
        batch = decided(WAITING_MAX // 2)
        for _ in range(3):
            looking.offer(*batch)
        assert looking.dropped == WAITING_MAX // 2
        await looking.show()
        looking.offer(*batch)
        assert looking.dropped == WAITING_MAX // 2
        assert len(notebook.ids) == WAITING_MAX // 2 * 2

    run(body())


def test_it_runs_by_itself_once_something_is_offered(run, monkeypatch):
    """Until it is cancelled."""
    monkeypatch.setattr(onlookers, "LINGER_S", 0.0)

    async def body():
        notebook = Notebook()
        looking = Onlookers([notebook])
        task = asyncio.create_task(looking.run())
        looking.offer(*decided(5))
        await asyncio.wait_for(notebook.acted.wait(), 10)
        assert len(notebook.ids) == 5
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    run(body())


def test_unknown_cards_and_refunds_are_not_shown():
    """They say nothing about fraud."""
    intents, decisions = decided(10)
    assert len(seen([(unseen(intents), decisions)])) == 0
    sight = seen([decided(20)])
    assert len(sight) == 20 and sight.approved.sum() == 18
    assert sight.features.dtype == np.float32 and sight.models.tolist() == [b"v1"] * 20
