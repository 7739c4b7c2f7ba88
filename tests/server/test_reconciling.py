"""What a reconciliation says where PostgreSQL lags behind."""

import asyncio
from types import SimpleNamespace

import numpy as np
import pytest

from ledger.reconcile import STANDING, Drift
from ledger.transfer import TRANSFER
from server import reconciling
from server.core.entries import ENTRY
from server.reconciling import Reconciler


class EmptyLedger:
    """Nothing was ever booked."""

    async def history(self):
        """No page."""
        for page in ():
            yield page

    async def query_transfers(self, _wanted):
        """None."""
        return np.zeros(0, TRANSFER)


@pytest.fixture
def reconciler(monkeypatch):
    """By what `shipped` says each time: PostgreSQL has an authorization that neither ledger nor journal know."""
    only = np.zeros(1, STANDING)
    only["authorization_id"], only["pending_minor"] = (7, 9), 100

    async def standings(*_asked):
        return only

    monkeypatch.setattr(reconciling, "AGAIN_S", 0.0)
    monkeypatch.setattr(reconciling, "read_standings", standings)
    monkeypatch.setattr(reconciling, "find_standings", standings)
    repeats = SimpleNamespace(
        standings=lambda: np.zeros(0, STANDING), find=lambda ids: np.zeros(len(ids), ENTRY)
    )

    def made(shipped):
        return Reconciler(EmptyLedger(), SimpleNamespace(repeats=repeats), None, shipped)

    return made


def test_what_only_postgresql_has_drifts(reconciler):
    """It has all of the journal."""
    report = asyncio.run(reconciler(lambda: True).reconcile())
    assert [(d.kind, d.against) for d in report.drifting] == [(Drift.MISSING, "postgresql")]
    assert report.postgresql == ""


@pytest.mark.parametrize("times", [0, 1])
def test_what_was_not_compared_to_the_end_is_said_so(reconciler, times):
    """It has all of the journal never, or once, and then rows wait on their way."""
    answers = iter([True] * times)
    report = asyncio.run(reconciler(lambda: next(answers, False)).reconcile())
    assert report.drifting == []
    assert report.postgresql == "not compared: it has not got all of the journal yet"
