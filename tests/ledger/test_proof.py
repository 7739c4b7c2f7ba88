"""A ledger's balances follow from its history: after anything that it was asked, and while it goes on."""

import asyncio

import numpy as np
import pytest

from ledger.embedded import EmbeddedLedger
from ledger.proof import verify
from ledger.transfer import ACCOUNT, TRANSFER, AccountFlags, TransferFlags
from tests.ledger.books import FakeClock, fund, funding
from tests.ledger.traffic import Traffic

WAIT_S = 600


def run(work):
    async def bounded():
        async with asyncio.timeout(WAIT_S):
            return await work

    return asyncio.run(bounded())


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def ledger(tmp_path, clock):
    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock)
    yield ledger
    ledger.close_blocking()


@pytest.mark.parametrize("seed", range(6))
def test_random_operations_leave_balances_that_follow_from_their_history(ledger, clock, seed):
    """Chains, balancing, closing, imports, posts, voids and timeouts: all of it posted once more, and the same."""
    traffic = Traffic(seed)
    accounts = np.zeros(16, ACCOUNT)
    accounts["id_lo"] = np.arange(1, 17)
    accounts["ledger"], accounts["code"] = 840, 1
    accounts["flags"][::4] = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
    accounts["flags"][1::4] = AccountFlags.HISTORY

    async def script():
        clock.now_ns = traffic.now_ns - 100
        await ledger.create_accounts(accounts)
        for now_ns, batch in traffic.batches(250, 12):
            clock.now_ns = now_ns
            await (ledger.create_accounts if batch.dtype == ACCOUNT else ledger.create_transfers)(batch)
        clock.now_ns += 30 * 10**9
        return await verify(ledger, clock)

    found = run(script())
    assert found.differences == []
    assert found.is_sound
    assert (found.transfers > 100, found.moving) == (True, 0)


def test_an_account_that_moves_meanwhile_is_looked_at_again(ledger, clock):
    """Deposits arrive while the ledger is verified: in the end every account is compared."""

    class Busy:
        """The ledger, with a deposit before each of the first answers."""

        def __init__(self):
            self.more = 5

        def __getattr__(self, name):
            return getattr(ledger, name)

        async def query_accounts(self, wanted):
            if self.more:
                self.more -= 1
                batch = funding([3])
                batch["id_hi"] += np.uint64(self.more + 1)
                await ledger.create_transfers(batch)
            return await ledger.query_accounts(wanted)

    async def script():
        await fund(ledger, [10, 20])
        return await verify(Busy(), clock)

    found = run(script())
    assert found.is_sound
    assert found.moving == 0
    assert found.transfers == 7


def test_a_transfer_that_our_rules_refuse_is_named(ledger, clock):
    """A history that says of a post that it was more than the hold: not a balance alone, the transfer too."""

    class Altered:
        """The ledger, with another amount in one stored transfer."""

        def __getattr__(self, name):
            return getattr(ledger, name)

        async def history(self, since_ns=0):
            async for page in ledger.history(since_ns):
                page["amount_lo"][page["flags"] == TransferFlags.POST_PENDING_TRANSFER] += np.uint64(100)
                yield page

    async def script():
        await fund(ledger, [1_000, 20])
        hold = funding([5])
        hold["id_lo"], hold["flags"] = 70, TransferFlags.PENDING
        post = np.zeros(1, TRANSFER)
        post["id_lo"], post["pending_id_lo"], post["pending_id_hi"] = 71, 70, hold["id_hi"]
        post["amount_lo"], post["flags"] = 4, TransferFlags.POST_PENDING_TRANSFER
        await ledger.create_transfers(hold)
        await ledger.create_transfers(post)
        sound = await verify(ledger, clock)
        return sound, await verify(Altered(), clock)

    sound, altered = run(script())
    assert sound.is_sound
    assert (altered.refused, altered.differing) == (1, 2)
    assert altered.differences[0] == {"transfer": f"{71:032x}", "refused": "exceeds_pending_transfer_amount"}


def test_a_hold_that_is_just_over_may_stand_or_be_gone(ledger, clock):
    """A cluster's clock is not ours: its account is not called wrong, but counted as moving."""

    async def script():
        await fund(ledger, [1_000, 20])
        hold = funding([5])
        hold["id_lo"], hold["flags"], hold["timeout"] = 70, TransferFlags.PENDING, 60
        await ledger.create_transfers(hold)
        clock.move_s(58)
        ahead = FakeClock(clock.now_ns + 4 * 10**9)
        return await verify(ledger, ahead, settling_ns=10 * 10**9), await verify(ledger, ahead)

    settling, strict = run(script())
    assert settling.is_sound
    assert settling.moving == 2
    assert strict.differing == 2


def test_an_account_that_was_opened_closed_is_as_it_was(ledger, clock):
    """Nothing in the history closed it, and nothing ever moved it."""

    async def script():
        accounts = np.zeros(2, ACCOUNT)
        accounts["id_lo"] = 1, 2
        accounts["ledger"] = accounts["code"] = 1
        accounts["flags"][0] = AccountFlags.CLOSED
        await ledger.create_accounts(accounts)
        return await verify(ledger, clock)

    assert run(script()).is_sound
