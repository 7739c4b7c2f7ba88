"""
Random lives of holds, on a ledger and in plain Python at once, compared after every step.

    python -m tests.ledger.hold_lives --lives 10000 [--seed 1] [--tigerbeetle]

runs the campaign on the embedded engine, or on a throwaway TigerBeetle server.
"""

import argparse
import asyncio
import collections
import contextlib
import itertools
import pathlib
import tempfile
import time

import numpy as np

from ledger import chains, chart, holds
from ledger.chains import MOVE, PART, PARTS_MAX, Kind, MoveOutcome
from ledger.chart import AccountCode
from ledger.embedded import EmbeddedLedger
from ledger.holds import HoldOutcome
from ledger.tigerbeetle import TigerBeetleLedger
from ledger.transfer import TRANSFER, CreateTransferStatus, TransferFlags
from tests import clusters
from tests.ledger import hold_life
from tests.ledger.books import FakeClock
from tests.ledger.hold_life import Account, Hold, Wish

CURRENCIES = (840, 392)
CARDS = 5
TIMEOUT_S = 86_400
AMOUNTS = (1, 40, 250, 1_000, 6_000, 30_000)
AGAIN = (MoveOutcome.STALE, MoveOutcome.BURNT, MoveOutcome.CLOSED)


class Lane:
    """What a caller does with chains: again without what is stale, and after a crash as if for the first time."""

    def __init__(self, ledger):
        self.ledger = ledger

    async def carry(self, moves, parts, rounds_max=chains.MOVE_ATTEMPTS):
        """Carry out MOVE[n] on their PARTs, both of which it changes; outcomes and overdrawn amounts of each."""
        outcomes = np.full(len(moves), MoveOutcome.REFUSED, np.uint8)
        todo = np.arange(len(moves))
        for _ in range(rounds_max):
            transfers, ends, part_of = chains.carry(moves[todo], parts)
            results = await self.ledger.create_transfers(transfers)
            outcomes[todo] = said = chains.carried(ends, results)
            stale = chains.stale_parts(part_of, results)
            parts["held_minor"][stale] = parts["owed_minor"][stale] = 0
            moves["closed"][todo[said == MoveOutcome.CLOSED]] = 1
            todo = todo[np.isin(said, AGAIN)]
            if not len(todo):
                break
            moves["attempt"][todo] += 1
        before = outcomes == MoveOutcome.DONE_BEFORE
        if before.any():
            some = moves[before]
            chains.recall(some, parts, await self.ledger.lookup_transfers(chains.traces(some)))
            moves[before] = some
        found = await self.ledger.lookup_transfers(chains.owed_ids(moves))
        return outcomes, chains.overdrawn_minor(moves, parts, found)


def moves_of(wishes):
    """MOVE[n] and PART[..] of wishes, each with the parts that it saw."""
    moves = np.zeros(len(wishes), MOVE)
    seen = [part for wish in wishes for part in wish.parts]
    parts = np.zeros(len(seen), PART)
    first = 0
    for move, wish in zip(moves, wishes, strict=True):
        move["message_id"], move["authorization_id"] = wish.message, wish.hold.authorization
        move["account_number"], move["currency"] = wish.hold.number, wish.hold.currency
        move["amount_minor"], move["rest_minor"] = wish.amount, wish.rest
        move["timeout_s"], move["kind"], move["owes"] = TIMEOUT_S, wish.kind, wish.owes
        move["first_part"], move["parts"] = first, len(wish.parts)
        first += len(wish.parts)
    for line, part in zip(parts, seen, strict=True):
        line["message_id"], line["held_minor"], line["owed_minor"] = part.message, part.held, part.owed
        line["attempt"], line["credit"] = part.attempt, part.credit
    return moves, parts


class World:
    """A ledger and its twin, and a seed that says what happens to both."""

    def __init__(self, ledger, seed, *, first_number=1):
        self.ledger, self.lane = ledger, Lane(ledger)
        self.rng = np.random.default_rng(seed)
        self.numbers = list(range(first_number, first_number + CARDS))
        self.accounts = {(number, currency): Account() for number in self.numbers for currency in CURRENCIES}
        self.holds = collections.deque(maxlen=24)
        self.lives = 0
        self.met = collections.Counter()
        # Worlds may share a ledger: their ids are their own.
        self._ids = ((serial << 8, 2**40 + first_number) for serial in itertools.count(1))
        self._settled = {}

    async def open(self):
        """Open the accounts, and give each something."""
        for currency in CURRENCIES:
            await self.ledger.create_accounts(chart.opening(currency))
            await self.ledger.create_accounts(chart.cardholder_accounts(self.numbers, currency))
            await self.ledger.create_accounts(chart.receivable_accounts(self.numbers, currency))
        seen = await self._seen()
        self._settled = {c: seen[AccountCode.SETTLEMENT, c, chart.HOUSE][0] for c in CURRENCIES}
        for account in self.accounts:
            await self._deposit(account, 20_000)
        await self.assert_books()

    async def step(self):
        """Something happens; the books are compared after it."""
        draw = self.rng.random()
        if not self.holds or draw < 0.2:
            await self._authorize()
        elif draw < 0.4:
            hold = self._any(self.holds)
            for _ in range(self._any([1, 1, PARTS_MAX + 2])):
                await self._increment(hold)
        elif draw < 0.45:
            await self._deposit(self._any(list(self.accounts)), int(self.rng.integers(40_000)))
        elif draw < 0.5:
            await self._lose()
        else:
            await self._move([self._wishes() for _ in range(self.rng.integers(1, 5))])
        await self.assert_books()

    async def assert_books(self):
        """Every account has what its twin has; control is empty; settlement has what was spent."""
        seen = await self._seen()
        for (number, currency), account in self.accounts.items():
            posted, held, coming = seen[AccountCode.CARDHOLDER, currency, number]
            lent, owed_pending, _ = seen[AccountCode.RECEIVABLE, currency, number]
            assert (posted, held, coming, -lent, owed_pending) == account.seen(), (number, currency)
            account.assert_conserved()
        for currency in CURRENCIES:
            assert seen[AccountCode.CONTROL, currency, chart.HOUSE] == (0, 0, 0)
            settled = seen[AccountCode.SETTLEMENT, currency, chart.HOUSE][0]
            spent = sum(account.spent for (_, c), account in self.accounts.items() if c == currency)
            assert settled - self._settled[currency] == spent

    async def _seen(self):
        """(credits less debits posted, debits pending, credits pending) of each account that lives touch."""
        own = itertools.product((AccountCode.CARDHOLDER, AccountCode.RECEIVABLE), CURRENCIES, self.numbers)
        house = itertools.product((AccountCode.CONTROL, AccountCode.SETTLEMENT), CURRENCIES, [chart.HOUSE])
        asked = [*own, *house]
        codes, currencies, numbers = zip(*asked, strict=True)
        found = await self.ledger.lookup_accounts(chart.account_id(codes, currencies, numbers))
        posted = found["credits_posted_lo"].astype(np.int64) - found["debits_posted_lo"].astype(np.int64)
        pending = found["debits_pending_lo"].tolist(), found["credits_pending_lo"].tolist()
        return dict(zip(asked, zip(posted.tolist(), *pending, strict=True), strict=True))

    def _any(self, things):
        return things[self.rng.integers(len(things))]

    def _amount(self):
        return int(self.rng.choice(AMOUNTS)) + int(self.rng.integers(3))

    async def _deposit(self, account, amount):
        number, currency = account
        ids = np.array([next(self._ids)], np.uint64)
        deposit = chart.funding_transfers(ids, [number], currency, np.array([amount]))
        assert (await self.ledger.create_transfers(deposit))["status"] == CreateTransferStatus.CREATED
        self.accounts[account].posted += amount
        self.accounts[account].funded += amount

    async def _authorize(self):
        """A new life: held, held in part, advised, or money that comes in."""
        number, currency = self._any(list(self.accounts))
        authorization, draw = next(self._ids), self.rng.random()
        hold = Hold(authorization, self.accounts[number, currency], number, currency, credit=draw < 0.15)
        self.holds.append(hold)
        self.lives += 1
        amount = self._amount()
        if draw < 0.15:
            hold_life.come(hold, authorization, amount)
            placed = holds.place_credit(self._placed(hold, authorization, amount))
            assert await self._hold(placed) == HoldOutcome.HELD
        elif draw < 0.3:
            await self._advise(hold, authorization, amount)
        else:
            await self._place(hold, authorization, amount, partial=bool(self.rng.random() < 0.3))

    async def _increment(self, hold):
        """One more part; where there are enough, all in one, larger."""
        message, amount = next(self._ids), self._amount() // self._any([1, 8, 64]) + 1
        if hold.credit:
            return
        if len(hold.parts) >= PARTS_MAX:
            amount *= self._any([1, 1_000])  # the balance may cover it, or not
            parts = list(hold.parts)
            await self._move([[Wish(message, hold, Kind.REGROW, rest=hold.total + amount, parts=parts)]])
        else:
            await self._place(hold, message, amount)

    async def _place(self, hold, message, amount, *, partial=False):
        taken = hold_life.place(hold, message, amount, partial=partial)
        placed = self._placed(hold, message, amount, partial=partial)
        outcome = await self._hold(placed)
        assert outcome == (HoldOutcome.INSUFFICIENT if taken is None else HoldOutcome.HELD)
        assert await self._held(message) == (-1 if taken is None else taken)

    async def _advise(self, hold, message, amount):
        held = hold_life.advise(hold, message, amount)
        placed = self._placed(hold, message, amount, partial=True)
        assert await self._hold(placed) == HoldOutcome.HELD
        assert await self._held(message) == held
        if held < amount:
            assert await self._hold(chains.owed_hold(placed, np.array([amount - held]))) == HoldOutcome.HELD

    def _placed(self, hold, message, amount, *, partial=False):
        return holds.place(
            np.array([hold.authorization], np.uint64),
            np.array([hold.number], np.uint64),
            hold.currency,
            np.array([amount]),
            TIMEOUT_S,
            partial,
            message_ids=np.array([message], np.uint64),
        )

    async def _held(self, message):
        ids = holds.leg_id(np.array([message], np.uint64), holds.Leg.HOLD)
        return int(holds.held_minor(ids, await self.ledger.lookup_transfers(ids))[0])

    async def _hold(self, placed):
        """The first answer; now and then it is asked twice."""
        outcome = HoldOutcome(holds.outcomes(await self.ledger.create_transfers(placed))[0])
        if self.rng.random() < 0.2:
            again = HoldOutcome(holds.outcomes(await self.ledger.create_transfers(placed))[0])
            assert again == (HoldOutcome.ALREADY_HELD if outcome == HoldOutcome.HELD else HoldOutcome.BURNT)
        return outcome

    async def _lose(self):
        """A part is voided behind everybody's back, as the ledger's own timeout would."""
        live = [(hold, part) for hold in self.holds for part in hold.parts if part.live]
        if not live:
            return
        hold, part = self._any(live)
        hold_life.lose(part, hold.account)
        # The hold goes on believing in it: its next move finds it stale.
        legs = [holds.HOLD_BYTE] * (part.held > 0) + [0x30] * (part.owed > 0)
        voids = np.zeros(len(legs), TRANSFER)
        for void, leg in zip(voids, legs, strict=True):
            void["id_lo"], void["id_hi"] = next(self._ids)
            void["pending_id_lo"], void["pending_id_hi"] = (
                part.message[0] | leg | part.attempt,
                part.message[1],
            )
            void["flags"] = TransferFlags.VOID_PENDING_TRANSFER
        results = await self.ledger.create_transfers(voids)
        assert (results["status"] == CreateTransferStatus.CREATED).all()

    def _wishes(self):
        """One message about a hold, or several at once: all have seen the same parts."""
        standing = [hold for hold in self.holds if hold.parts]
        hold = self._any(standing if standing and self.rng.random() < 0.8 else self.holds)
        return [self._wish(hold) for _ in range(self.rng.choice([1, 1, 1, 2, 3]))]

    def _wish(self, hold):
        amount, draw = self._amount(), self.rng.random()
        wish = Wish(next(self._ids), hold, Kind.CAPTURE, parts=list(hold.parts))
        wish.owes = hold.account.owed > 0 or bool(self.rng.random() < 0.5)
        if draw < 0.3:
            wish.kind = Kind.RELEASE
            wish.rest = int(self.rng.integers(hold.total)) if draw < 0.2 and hold.total else 0
        elif draw < 0.4 or not hold.parts:
            wish.kind, wish.parts = Kind.FORCE, []
            if draw < 0.35 or hold.credit:
                wish.kind, wish.owes = Kind.CREDIT, True
            wish.amount = amount
        else:
            wish.amount = hold.total if draw < 0.6 and hold.total else amount
            wish.rest = max(0, hold.total - wish.amount) if draw < 0.85 else 0
        return wish

    async def _move(self, wishes):
        """What was wished for, together; a crash may come after any round, and all of it again."""
        wishes = [wish for some in wishes for wish in some]
        moves, parts = moves_of(wishes)
        hold_life.carry(wishes)
        if self.rng.random() < 0.3 and all(wish.outcome == MoveOutcome.DONE for wish in wishes):
            await self.lane.carry(moves.copy(), parts.copy(), int(self.rng.integers(1, 4)))
            self.met["a crash"] += 1
        first = moves.copy(), parts.copy()
        outcomes, overdrawn = await self.lane.carry(moves, parts)
        done = np.where(outcomes == MoveOutcome.DONE_BEFORE, MoveOutcome.DONE, outcomes)
        assert done.tolist() == [wish.outcome for wish in wishes]
        assert overdrawn.tolist() == [wish.overdrawn for wish in wishes]
        for move, wish in zip(moves, wishes, strict=True):
            self._take(move, wish, parts)
        if self.rng.random() < 0.3 and (done == MoveOutcome.DONE).all():
            again, again_parts = first
            outcomes, again_overdrawn = await self.lane.carry(again, again_parts)
            assert again_overdrawn.tolist() == overdrawn.tolist()
            assert again_parts.tobytes() == parts.tobytes()
            self.met["asked again"] += 1

    def _take(self, move, wish, parts):
        """What is left of the hold is what the kernels say."""
        stale = "" if len(wish.parts) == move["parts"] else ", parts stale"
        self.met[f"{wish.kind.name} {wish.outcome.name}{stale}"] += 1
        if wish.outcome != MoveOutcome.DONE:
            return
        first = int(move["first_part"])
        held, owed = chains.sums_of(parts, first, first + int(move["parts"]))
        left = (wish.left.held, wish.left.owed) if wish.left else (0, 0)
        if wish.kind not in (Kind.FORCE, Kind.CREDIT):
            figures = int(move["amount_minor"]), int(move["rest_minor"]), held, owed
            assert chains.rest_of(int(wish.kind), *figures) == left
        if wish.left:
            wish.left.attempt = int(move["attempt"])


async def live(world, *, lives, progress=lambda _: None):
    """Open a world, and step until it has seen so many lives; what its moves met."""
    await world.open()
    while world.lives < lives:
        await world.step()
        progress(world.lives)
    return world.met


@contextlib.asynccontextmanager
async def _engine(folder, *, tigerbeetle):
    """A ledger with nothing in it, thrown away after."""
    async with contextlib.AsyncExitStack() as stack:
        if tigerbeetle:
            cluster = await asyncio.to_thread(clusters.Cluster, folder)
            stack.callback(cluster.close)
            ledger = await TigerBeetleLedger.open(cluster.addresses, cluster.cluster_id)
        else:
            ledger = await asyncio.to_thread(EmbeddedLedger.open, folder / "ledger", now_ns=FakeClock())
        stack.push_async_callback(ledger.close)
        yield ledger


async def _campaign(lives, seed, *, tigerbeetle):
    began_s, told = time.monotonic(), 0

    def progress(seen):
        nonlocal told
        if seen >= told:
            print(f"\r{seen:,} of {lives:,} lives, {time.monotonic() - began_s:.0f} s", end="", flush=True)
            told = seen + lives // 100

    with tempfile.TemporaryDirectory() as folder:
        async with _engine(pathlib.Path(folder), tigerbeetle=tigerbeetle) as ledger:
            met = await live(World(ledger, seed), lives=lives, progress=progress)
    print(f"\r{lives:,} lives, no invariant broken, in {time.monotonic() - began_s:.0f} s; moves met:")
    for what, count in sorted(met.items()):
        print(f"  {count:>8,}  {what}")


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tigerbeetle", action="store_true", help="on a throwaway server")
    chosen = parser.parse_args()
    asyncio.run(_campaign(chosen.lives, chosen.seed, tigerbeetle=chosen.tigerbeetle))


if __name__ == "__main__":
    main()
