"""What stands for each authorization in the ledger's history, held against what should."""

import numpy as np
import pytest

from ledger import chains, holds
from ledger.chart import cardholder_accounts, funding_transfers, opening, receivable_accounts
from ledger.reconcile import STANDING, Drift, Standings, compare
from ledger.state import State

USD = 840
ACCOUNT = 7


def made(number):
    """An authorization's id, (1, 2)."""
    return np.array([[number << 8, 5]], np.uint64)


class Bank:
    """One cardholder's books."""

    def __init__(self):
        self.state = State()
        self.now_ns = 1
        self._do(self.state.create_accounts, opening(USD))
        self._do(self.state.create_accounts, cardholder_accounts([ACCOUNT], USD))
        self._do(self.state.create_accounts, receivable_accounts([ACCOUNT], USD))
        self.create(funding_transfers(made(1), [ACCOUNT], USD, np.array([10_000])))

    def _do(self, create, batch):
        results = create(batch, self.now_ns)
        self.now_ns += len(batch)
        return results

    def create(self, batch):
        assert (self._do(self.state.create_transfers, batch)["status"] == 0xFFFF_FFFF).all()

    def hold(self, number, amount_minor, *, message=None):
        ids = None if message is None else made(message)
        self.create(
            holds.place(
                made(number),
                np.array([ACCOUNT], np.uint64),
                USD,
                np.array([amount_minor]),
                60,
                False,
                message_ids=ids,
            )
        )

    def capture(self, number, message, amount_minor, parts):
        move = np.zeros(1, chains.MOVE)
        move["message_id"], move["authorization_id"] = made(message), made(number)
        move["account_number"], move["currency"], move["kind"] = ACCOUNT, USD, chains.Kind.CAPTURE
        move["amount_minor"], move["parts"] = amount_minor, len(parts)
        held = np.zeros(len(parts), chains.PART)
        for part, (owner, minor) in zip(held, parts, strict=True):
            part["message_id"], part["held_minor"] = made(owner)[0], minor
        self.create(chains.carry(move, held)[0])

    def standings(self):
        standings = Standings()
        for first in range(0, len(self.state.transfers()), 3):
            standings.add(self.state.transfers()[first : first + 3].copy())
        return standings.all()


def should(*rows):
    """STANDING[n] of (number, pending, settled, holds)."""
    return np.array([((n << 8, 5), pending, settled, count) for n, pending, settled, count in rows], STANDING)


@pytest.fixture
def bank():
    """With one authorization open in two parts, one captured beyond its hold, one released."""
    bank = Bank()
    bank.hold(10, 1_000)
    bank.hold(10, 500, message=11)
    bank.hold(20, 700)
    bank.capture(20, 21, 900, [(20, 700)])
    bank.hold(30, 100)
    bank.create(holds.release(made(30)))
    return bank


def test_standings_are_what_is_pending_and_what_was_settled(bank):
    """By id, however the history is cut into pages."""
    expected = should((10, 1_500, 0, 2), (20, 0, 900, 0), (30, 0, 0, 0))
    assert bank.standings().tobytes() == expected.tobytes()


def test_nothing_drifts_where_both_say_the_same(bank):
    """What nobody holds need not be named."""
    assert not len(compare(bank.standings(), should((10, 1_500, 0, 2), (20, 0, 900, 0)), settled=True))
    assert not len(compare(bank.standings(), should((10, 1_500, 0, 2)), settled=False))


@pytest.mark.parametrize(
    ("expected", "kind"),
    [
        ([(10, 1_500, 0, 2), (40, 300, 0, 1)], Drift.MISSING),
        ([(10, 1_000, 0, 1)], Drift.DOUBLE),
        ([(10, 1_400, 0, 2)], Drift.AMOUNT),
        ([], Drift.STATE),
    ],
)
def test_drift_is_named_by_its_kind(bank, expected, kind):
    """One authorization drifts, and only that."""
    drift = compare(bank.standings(), should(*expected), settled=False)
    assert drift["kind"].tolist() == [kind]
    number = 40 if kind == Drift.MISSING else 10
    assert drift["authorization_id"].tolist() == made(number).tolist()


def test_what_was_settled_is_compared_where_it_is_known(bank):
    """Two hundred were booked beyond the hold."""
    drift = compare(bank.standings(), should((10, 1_500, 0, 2), (20, 0, 700, 0)), settled=True)
    assert drift[["kind", "expected_settled_minor", "found_settled_minor"]].tolist() == [
        (Drift.AMOUNT, 700, 900)
    ]
