"""What becomes of a hold: chains against plain lives, and the claims that random lives seldom meet."""

import asyncio

import numba
import numpy as np
import pytest

from ledger import chains, chart, holds
from ledger.chains import PARTS_MAX, Kind, MoveOutcome
from ledger.chart import AccountCode
from ledger.embedded import EmbeddedLedger
from ledger.tigerbeetle import TigerBeetleLedger
from ledger.transfer import RESULT, CreateAccountStatus, CreateTransferStatus, TransferFlags
from tests.ledger.books import USD, FakeClock, transfer_ids
from tests.ledger.hold_life import Account, Hold, Part, Wish
from tests.ledger.hold_lives import Lane, World, live, moves_of

pytestmark = pytest.mark.kernel

CARD = 1
LIVES = 40 if numba.config.DISABLE_JIT else 150


@pytest.fixture
def on_a_ledger(tmp_path):
    """Runs `act(ledger)` on an embedded ledger."""

    def run(act):
        async def whole():
            ledger = await asyncio.to_thread(EmbeddedLedger.open, tmp_path / "ledger", now_ns=FakeClock())
            try:
                return await act(ledger)
            finally:
                await ledger.close()

        return asyncio.run(whole())

    return run


class Scene:
    """One card with some money, and its lane."""

    def __init__(self, ledger):
        self.ledger, self.lane = ledger, Lane(ledger)
        self.hold = Hold(self.message(1), Account(), CARD, USD)

    @staticmethod
    def message(number):
        return tuple(transfer_ids(number, 1)[0].tolist())

    async def open(self, funded_minor):
        await self.ledger.create_accounts(chart.opening(USD))
        await self.ledger.create_accounts(chart.cardholder_accounts([CARD], USD))
        await self.ledger.create_accounts(chart.receivable_accounts([CARD], USD))
        deposit = chart.funding_transfers(transfer_ids(99, 1), [CARD], USD, np.array([funded_minor]))
        await self.ledger.create_transfers(deposit)
        return self

    async def place(self, *amounts):
        """Parts of messages 1, 2, ...: the hold and its increments."""
        for number, amount in enumerate(amounts, start=1):
            placed = holds.place(
                np.array([self.hold.authorization], np.uint64),
                np.array([CARD], np.uint64),
                USD,
                np.array([amount]),
                100,
                partial=False,
                message_ids=np.array([self.message(number)], np.uint64),
            )
            assert (await self.ledger.create_transfers(placed))["status"] == CreateTransferStatus.CREATED
            self.hold.parts.append(Part(self.message(number), amount))
        return self

    def wish(self, number, kind, amount=0, rest=0, **fields):
        return Wish(
            self.message(number), self.hold, kind, amount, rest, parts=list(self.hold.parts), **fields
        )

    async def carry(self, *wishes, closed=False):
        moves, parts = moves_of(wishes)
        moves["closed"] = closed
        outcomes, overdrawn = await self.lane.carry(moves, parts)
        return outcomes.tolist(), overdrawn.tolist()

    async def close_account(self):
        """As the ledger closes an account: a pending transfer that says so."""
        closing = chart.funding_transfers(transfer_ids(98, 1), [CARD], USD, np.array([0]))
        closing["flags"] = TransferFlags.PENDING | TransferFlags.CLOSING_CREDIT
        assert (await self.ledger.create_transfers(closing))["status"] == CreateTransferStatus.CREATED

    async def balances(self):
        """Credits less debits posted, by code, where that is not zero; and what is pending on the card."""
        seen = {}
        for code in (
            AccountCode.CARDHOLDER,
            AccountCode.RECEIVABLE,
            AccountCode.SETTLEMENT,
            AccountCode.CONTROL,
            AccountCode.SUSPENSE,
        ):
            number = CARD if code in {AccountCode.CARDHOLDER, AccountCode.RECEIVABLE} else chart.HOUSE
            account = (await self.ledger.lookup_accounts(chart.account_id(code, USD, number)))[0]
            posted = int(account["credits_posted_lo"]) - int(account["debits_posted_lo"])
            if posted:
                seen[code.name.lower()] = posted
            if code == AccountCode.CARDHOLDER and account["debits_pending_lo"]:
                seen["held"] = int(account["debits_pending_lo"])
        return seen


@pytest.mark.parametrize("seed", range(4))
def test_random_lives_have_the_books_of_plain_ones_after_every_step(on_a_ledger, seed):
    """Several messages at once on one hold, stale parts, crashes and repeats among them; all money is accounted for."""

    async def act(ledger):
        return await live(World(ledger, seed), lives=LIVES)

    met = on_a_ledger(act)
    named = {f"{kind.name} DONE" for kind in Kind} | {"CAPTURE DONE, parts stale", "REGROW INSUFFICIENT"}
    assert numba.config.DISABLE_JIT or not (named | {"a crash", "asked again"}) - set(met), met


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="the server does not know how we were compiled")
def test_random_lives_have_the_books_of_plain_ones_on_a_real_cluster(cluster):
    """The same on TigerBeetle."""

    async def act():
        ledger = await TigerBeetleLedger.open(cluster.addresses, cluster.cluster_id, deadline_s=30)
        try:
            return await live(World(ledger, 11, first_number=2**33), lives=40)
        finally:
            await ledger.close()

    met = asyncio.run(act())
    assert {"CAPTURE DONE", "CAPTURE DONE, parts stale", "RELEASE DONE", "a crash", "asked again"} <= set(met)


def test_a_capture_takes_the_oldest_part_first_and_lets_go_of_the_rest(on_a_ledger):
    """Final: what was not presented is available again."""

    async def act(ledger):
        scene = await (await Scene(ledger).open(1_000)).place(300, 200)
        said = await scene.carry(scene.wish(8, Kind.CAPTURE, 400))
        return said, await scene.balances()

    said, balances = on_a_ledger(act)
    assert said == ([MoveOutcome.DONE], [0])
    assert balances == {"cardholder": 600, "settlement": 400}


def test_a_capture_beyond_hold_and_balance_is_owed(on_a_ledger):
    """Settlement gets all of it; the cardholder pays what there is."""

    async def act(ledger):
        scene = await (await Scene(ledger).open(1_000)).place(300)
        return await scene.carry(scene.wish(8, Kind.CAPTURE, 1_200)), await scene.balances()

    said, balances = on_a_ledger(act)
    assert said == ([MoveOutcome.DONE], [200])
    assert balances == {"receivable": -200, "settlement": 1_200}


def test_a_refund_repays_first_what_is_owed(on_a_ledger):
    """Only what is left of it is the cardholder's."""

    async def act(ledger):
        scene = await Scene(ledger).open(100)
        await scene.carry(scene.wish(8, Kind.FORCE, 350))
        owing = await scene.balances()
        await scene.carry(scene.wish(9, Kind.CREDIT, 400))
        return owing, await scene.balances()

    owing, repaid = on_a_ledger(act)
    assert owing == {"receivable": -250, "settlement": 350}
    assert repaid == {"cardholder": 150, "settlement": -50}


def test_two_captures_at_once_find_the_hold_once(on_a_ledger):
    """The second has no hold any more: it is posted all the same."""

    async def act(ledger):
        scene = await (await Scene(ledger).open(1_000)).place(300)
        said = await scene.carry(scene.wish(8, Kind.CAPTURE, 300), scene.wish(9, Kind.CAPTURE, 300))
        return said, await scene.balances()

    said, balances = on_a_ledger(act)
    assert said == ([MoveOutcome.DONE, MoveOutcome.DONE], [0, 0])
    assert balances == {"cardholder": 400, "settlement": 600}


def test_a_capture_after_all_parts_have_ended_is_posted_once_however_often_it_is_asked(on_a_ledger):
    """As many parts as a hold has at most, each found stale by an attempt of its own; a redo ends where the first did."""

    async def act(ledger):
        scene = await (await Scene(ledger).open(1_000)).place(*range(1, PARTS_MAX + 1))
        seen = list(scene.hold.parts)
        await scene.carry(scene.wish(20, Kind.RELEASE))
        said = []
        for _ in range(3):
            scene.hold.parts = list(seen)
            said.append(await scene.carry(scene.wish(21, Kind.CAPTURE, 500)))
        return said, await scene.balances()

    said, balances = on_a_ledger(act)
    assert said == [([MoveOutcome.DONE], [0]), *[([MoveOutcome.DONE_BEFORE], [0])] * 2]
    assert balances == {"cardholder": 500, "settlement": 500}


def test_a_redo_finds_its_own_transfers_where_the_first_went_without_a_part(on_a_ledger):
    """The living part was posted by the second attempt: the redo's first one must not take it for somebody else's."""

    async def act(ledger):
        scene = await (await Scene(ledger).open(1_000)).place(300, 200)
        older, newer = scene.hold.parts
        scene.hold.parts = [newer]
        await scene.carry(scene.wish(20, Kind.RELEASE))
        told = []
        for _ in range(2):
            scene.hold.parts = [older, newer]
            moves, parts = moves_of([scene.wish(21, Kind.CAPTURE, 450, 50)])
            outcomes, overdrawn = await scene.lane.carry(moves, parts)
            told.append((moves["attempt"].tolist(), parts["held_minor"].tolist(), overdrawn.tolist()))
        return outcomes.tolist(), told, await scene.balances()

    outcomes, told, balances = on_a_ledger(act)
    assert outcomes == [MoveOutcome.DONE_BEFORE]
    assert told == [([1], [300, 0], [0])] * 2
    assert balances == {"cardholder": 550, "settlement": 450}


def test_a_regrown_hold_fails_whole_where_the_balance_does_not_cover_it(on_a_ledger):
    """The parts that were there stay."""

    async def act(ledger):
        scene = await (await Scene(ledger).open(100)).place(*[10] * PARTS_MAX)
        said = await scene.carry(scene.wish(20, Kind.REGROW, rest=101))
        before = await scene.balances()
        again = await scene.carry(scene.wish(21, Kind.REGROW, rest=100))
        return said, before, again, await scene.balances()

    said, before, again, after = on_a_ledger(act)
    assert said == ([MoveOutcome.INSUFFICIENT], [0])
    assert before == {"cardholder": 100, "held": 80}
    assert again == ([MoveOutcome.DONE], [0])
    assert after == {"cardholder": 100, "held": 100}


@pytest.mark.parametrize("known", [False, True])
def test_what_comes_to_a_closed_account_goes_round_it(on_a_ledger, known):
    """A clearing is owed in full; a refund repays that, and what is left of it nobody can claim. Twice asked, once done."""

    async def act(ledger):
        scene = await Scene(ledger).open(100)
        await scene.close_account()
        forced = [await scene.carry(scene.wish(8, Kind.FORCE, 350), closed=known) for _ in range(2)]
        owing = await scene.balances()
        repaid = [await scene.carry(scene.wish(9, Kind.CREDIT, 400), closed=known) for _ in range(2)]
        return forced, owing, repaid, await scene.balances()

    forced, owing, repaid, balances = on_a_ledger(act)
    assert forced == [([MoveOutcome.DONE], [350]), ([MoveOutcome.DONE_BEFORE], [350])]
    assert owing == {"cardholder": 100, "receivable": -350, "settlement": 350}
    assert repaid == [([MoveOutcome.DONE], [0]), ([MoveOutcome.DONE_BEFORE], [0])]
    assert balances == {"cardholder": 100, "settlement": -50, "suspense": 50}


def test_every_transfer_of_a_move_has_an_id_of_its_own_and_the_authorizations():
    """For any kind, whatever the parts; only the last of a chain is not linked to a next one."""
    rng = np.random.default_rng(5)
    for attempt in range(chains.MOVE_ATTEMPTS):
        wishes = []
        for number in range(60):
            hold = Hold(Scene.message(1_000 + number), Account(), CARD, USD, credit=bool(rng.random() < 0.3))
            for k in range(int(rng.integers(PARTS_MAX + 1))):
                owed = 0 if hold.credit else int(rng.integers(50))
                hold.parts.append(Part(Scene.message(k + 1), int(rng.integers(50)), owed, hold.credit))
            kind = Kind(rng.integers(1, 6))
            rest = hold.total + 10 if kind == Kind.REGROW else int(rng.integers(hold.total + 1))
            amount = int(rng.integers(1, 600))
            wishes.append(Wish(Scene.message(number), hold, kind, amount, rest, parts=list(hold.parts)))
        moves, parts = moves_of(wishes)
        moves["attempt"], moves["closed"] = attempt, attempt % 2
        transfers, ends, part_of = chains.carry(moves, parts)
        ids = {
            (lo, hi) for lo, hi in zip(transfers["id_lo"].tolist(), transfers["id_hi"].tolist(), strict=True)
        }
        assert len(ids) == len(transfers) == len(part_of) == ends[-1]
        for move, first, last in zip(moves, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            chain = transfers[first:last]
            assert (chain["id_lo"] & ~np.uint64(0xFF) == move["message_id"][0]).all()
            assert (chain["user_data_128_lo"] == move["authorization_id"][0]).all()
            linked = chain["flags"] & TransferFlags.LINKED != 0
            assert linked[:-1].all()
            assert not linked[-1:].any()


def test_every_status_has_an_outcome():
    """Of a chain of one; only CREATED is done."""
    results = np.zeros(len(CreateTransferStatus), RESULT)
    results["status"] = list(CreateTransferStatus)
    outcomes = chains.carried(np.arange(len(results) + 1), results)
    chained = results["status"] == CreateTransferStatus.LINKED_EVENT_FAILED
    created = results["status"] == CreateTransferStatus.CREATED
    assert ((outcomes == MoveOutcome.DONE) == (created | chained)).all()


def test_a_chain_has_the_outcome_of_the_event_that_broke_it():
    """The others of the chain say only that it failed; the next chain is another's."""
    results = np.zeros(5, RESULT)
    results["status"] = [
        CreateTransferStatus.LINKED_EVENT_FAILED,
        CreateTransferStatus.PENDING_TRANSFER_EXPIRED,
        CreateTransferStatus.LINKED_EVENT_FAILED,
        CreateTransferStatus.CREATED,
        CreateTransferStatus.CREATED,
    ]
    assert chains.carried(np.array([0, 3, 5]), results).tolist() == [MoveOutcome.STALE, MoveOutcome.DONE]
    assert chains.stale_parts(np.array([4, 5, -1, 6, -1]), results).tolist() == [5]


def test_receivables_are_opened_for_those_who_may_come_to_owe(on_a_ledger):
    """Credits never exceed what is owed; a second opening finds them."""

    async def act(ledger):
        accounts = chart.receivable_accounts([7, 8], USD)
        return [(await ledger.create_accounts(accounts))["status"].tolist() for _ in range(2)], accounts

    statuses, accounts = on_a_ledger(act)
    assert statuses == [[CreateAccountStatus.CREATED] * 2, [CreateAccountStatus.EXISTS] * 2]
    assert [chart.describe(lo, hi) for lo, hi in zip(accounts["id_lo"], accounts["id_hi"], strict=True)] == [
        "receivable 7 in 840",
        "receivable 8 in 840",
    ]
    assert (accounts["flags"] == chart.FLAGS[AccountCode.RECEIVABLE]).all()
