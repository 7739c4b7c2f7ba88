"""Approvals without the ledger: within which limits, and how they come into the ledger once, whatever happens between."""

import asyncio
import time

import numpy as np
import pytest

from ledger.book import LedgerBusy
from server.core.booking import Booking
from server.core.directory import Posture, StandInLimits
from server.core.entries import EntryState
from server.core.expiry import Expiry
from server.core.parts import GIVEN
from server.core.policy import Check, names
from server.core.record import DECISION, DECISION_NUMBERS, INTENT, INTENT_NUMBERS, Operation, TransactionType
from server.core.stand_in import SPENT, STAND_IN, StandIn, bits_of, give_back, keep, spend_again, stand_in
from tests.server.core.lives import HOLD_S, advise, books_of, clear, increment, reverse
from tests.server.core.scene import (
    NOON_S,
    WAIT_S,
    Core,
    directory,
    limit,
    purchase,
    records,
)

kernel = pytest.mark.kernel
OPENING = 100_000
LIMITS = StandInLimits(amount_max_minor=5_000, count_max=3, sum_max_minor=8_000, categories=frozenset({5411}))
DAY_S = 86_400
TELL = ("response_code", "approved_minor", "stand_in", "held")


class AwayLedger:
    """A ledger that can't be asked."""

    async def create_transfers(self, _batch):
        raise LedgerBusy("too much waits")

    create_accounts = lookup_accounts = lookup_transfers = create_transfers


class Away:
    """A core whose ledger is away while one is in this context, and what books when it is back."""

    def __init__(self, core):
        self.core = core
        self.booking = Booking(core.authorizer, lambda: NOON_S, lambda: 1)

    def __enter__(self):
        self._ledger = self.core.books.ledger
        self.core.books.ledger = self.core.chains.ledger = AwayLedger()
        return self.booking

    def __exit__(self, *_):
        self.core.books.ledger = self.core.chains.ledger = self._ledger

    async def back(self):
        """The ledger is asked again, and what waited is booked."""
        await self.core.authorizer.drain()  # what was fenced
        await self.core.codes(purchase(11, amount_minor=1))
        while self.booking.waiting:
            self.booking.look()
            await asyncio.sleep(0)
            await self.core.authorizer.drain()


def soon(request):
    """The same request, to be answered by time, and with enough of it that a turn takes it on a crowded machine."""
    request = request.copy()
    request["deadline_ms"], request["arrival_ns"] = 500, time.time_ns()
    return request


def standing_in(stand_in=LIMITS, **fields):
    """A directory whose programme stands in."""
    return directory(posture=Posture.STAND_IN, stand_in=stand_in, **fields)


def told(answers):
    """(code, approved, stand_in, held) of each."""
    return [(code.decode(), *rest) for code, *rest in answers[list(TELL)].tolist()]


@pytest.mark.parametrize(
    ("posture", "code", "found"),
    [
        (Posture.DECLINE, "91", ["ledger_away"]),
        (Posture.NETWORK, "N0", ["network_asked", "ledger_away"]),
        (Posture.STAND_IN, "00", ["stood_in"]),
    ],
)
def test_a_programme_says_what_is_answered_without_the_ledger(with_core, posture, code, found):
    """91, N0 for the network, or an approval that is marked; a decline stays one, and the next is held again."""
    known = directory(posture=posture, stand_in=LIMITS, limits=(limit("amount", "transaction", 50_000),))

    async def act(core):
        away = Away(core)
        with away:
            answers = await core.ask(purchase(), purchase(1, amount_minor=50_001))
        await away.back()
        return answers, await core.ask(purchase())

    answers, after = with_core(act, known)
    approved = int(posture == Posture.STAND_IN)
    assert told(answers) == [(code, 1_000 * approved, approved, 0), ("61", 0, 0, 0)]
    assert [name for name in names(int(answers["reasons"][0])) if name != "unscored"] == found
    assert len(answers["authorization_code"][0]) == 6 * approved
    assert told(after) == [("00", 1_000, 0, 1)]


def test_each_limit_of_stand_in_refuses_with_its_own_reason(with_core):
    """Kind of merchant, amount, count and sum: 91, and the reason that people can be told."""

    async def act(core):
        with Away(core):
            return await core.ask(
                purchase(0, category=5812),
                purchase(0, amount_minor=5_001),
                *[purchase(0, amount_minor=1_000) for _ in range(4)],
                *[purchase(1, amount_minor=4_001) for _ in range(2)],
                purchase(1, amount_minor=3_999),
            )

    answers = with_core(act, standing_in())
    reasons = [
        [name for name in names(int(found)) if name not in ("unscored", "ledger_away")]
        for found in answers["reasons"]
    ]
    assert list(zip([code.decode() for code in answers["response_code"].tolist()], reasons, strict=True)) == [
        ("91", ["stand_in_category"]),
        ("91", ["stand_in_amount"]),
        *[("00", ["stood_in"])] * 3,
        ("91", ["stand_in_count"]),
        ("00", ["stood_in"]),
        ("91", ["stand_in_sum"]),
        ("00", ["stood_in"]),
    ]


def test_a_day_ends_where_the_programme_is_at_home(with_core):
    """The count begins anew with the programme's day, and only with that."""
    known = standing_in(StandInLimits(5_000, 1, 8_000), timezone="America/New_York")
    midnight_s = NOON_S + 16 * 3_600  # 04:00 UTC is midnight there in June

    async def act(core):
        with Away(core):
            return await core.codes(
                *[purchase(0, transmission_s=midnight_s + s) for s in (-7_200, -1, 0, 3_600)]
            )

    assert with_core(act, known) == ["00", "91", "00", "91"]


def test_what_stood_in_is_booked_when_the_ledger_is_back(with_core):
    """Held as far as there is balance, owed beyond it; a repeat gets the first answer; later messages find a hold."""
    first, beyond, refund = (
        purchase(0, amount_minor=4_000),
        purchase(1, amount_minor=5_000),
        purchase(2, amount_minor=700, transaction_type=TransactionType.REFUND),
    )

    async def act(core):
        away = Away(core)
        assert await core.codes(purchase(1, amount_minor=OPENING - 2_000)) == ["00"]
        with away as booking:
            answers = await core.ask(first, beyond, refund)
            assert booking.look() == 0
            assert booking.waiting == 3
            held, _ = await books_of(core.ledger, [0])
            assert held[0][1] == 0
        await away.back()
        again = await core.ask(first, beyond, refund)
        books, _ = await books_of(core.ledger, [0, 1, 2])
        after = await core.ask(clear(first, 3_000), clear(beyond, 5_000), clear(refund, 700))
        return answers, again, books, after, away.booking, await books_of(core.ledger, [0, 1, 2])

    answers, again, books, after, booking, (cleared, _) = with_core(act, standing_in(), opening_minor=OPENING)
    assert told(answers) == [("00", 4_000, 1, 0), ("00", 5_000, 1, 0), ("00", 700, 1, 0)]
    assert again["replayed"].tolist() == [1] * 3
    again["replayed"] = 0
    assert again.tobytes() == answers.tobytes()
    assert books[0] == (OPENING, 4_000, 0, 0, 0)
    assert books[1] == (OPENING, OPENING, 0, 0, 3_000)
    assert books[2] == (OPENING, 0, 700, 0, 0)
    assert (booking.booked, booking.overdrawn, booking.refused, booking.waiting) == (3, 1, 0, 0)
    names_told = ["response_code", "approved_minor", "released_minor", "overdrawn_minor"]
    assert after[names_told].tolist() == [
        (b"00", 3_000, 1_000, 0),
        (b"00", 5_000, 0, 3_000),
        (b"00", 700, 0, 0),
    ]
    assert cleared[0] == (OPENING - 3_000, 0, 0, 0, 0)
    assert cleared[1] == (OPENING - 2_000, OPENING - 2_000, 0, 3_000, 0)
    assert cleared[2] == (OPENING + 700, 0, 0, 0, 0)


def test_what_is_let_go_before_it_is_booked_needs_no_ledger_and_counts_no_more(with_core):
    """Reversed whole or in part, or declined by the network: at once, and only the rest is booked."""
    whole, part, declined, stands = (purchase(card, amount_minor=4_000) for card in (0, 1, 2, 3))

    async def act(core):
        away = Away(core)
        with away:
            await core.ask(whole, part, declined, stands)
            answers = await core.ask(
                reverse(whole), reverse(part, 1_500), advise(declined, b"05"), advise(stands, b"00")
            )
            assert await core.codes(purchase(0, amount_minor=1_000), reverse(part, 1_000)) == ["00", "00"]
            codes = await core.codes(*[purchase(0, amount_minor=2_000) for _ in range(3)])
        states = core.state.repeats.find(
            np.concatenate([r["authorization_id"] for r in (whole, part, stands)])
        )
        await away.back()
        return answers, codes, states["state"].tolist(), await books_of(core.ledger, [0, 1, 2, 3])

    known = standing_in(limits=(limit("amount", "day", 6_000),))
    answers, codes, states, (books, _) = with_core(act, known, opening_minor=OPENING)
    assert answers[["response_code", "approved_minor", "released_minor"]].tolist() == [
        (b"00", 4_000, 0),
        (b"00", 2_500, 0),
        (b"00", 0, 4_000),
        (b"00", 0, 0),
    ]
    # The reversal gave back its place of three, and its part of the day's limit.
    assert codes == ["00", "00", "61"]
    assert states == [EntryState.REVERSED, EntryState.STOOD_IN, EntryState.STOOD_IN]
    assert [books[card][1] for card in range(4)] == [5_000, 1_000, 0, 4_000]


def test_a_clearing_before_the_booking_is_posted_and_only_its_rest_is_booked(with_core):
    """The last one ends it; one that more follow leaves the rest; a refund leaves it as it was."""
    final, more, refunded = (purchase(card, amount_minor=4_000) for card in (0, 1, 2))
    messages = [clear(final, 3_000), clear(more, 1_000, final=0), clear(refunded, 500, credit=1)]

    async def act(core):
        away = Away(core)
        with away:
            await core.ask(final, more, refunded)
            told = await asyncio.gather(*(core.codes(soon(asked)) for asked in messages))
            codes = [code for (code,) in told]
        await core.authorizer.drain()
        answers = await core.ask(*messages)
        states = core.state.repeats.find(
            np.concatenate([r["authorization_id"] for r in (final, more, refunded)])
        )
        await away.back()
        return codes, answers, states["state"].tolist(), await books_of(core.ledger, [0, 1, 2])

    codes, answers, states, (books, _) = with_core(act, standing_in(), opening_minor=OPENING)
    assert codes == ["91"] * 3
    assert answers[["response_code", "approved_minor", "released_minor", "replayed"]].tolist() == [
        (b"00", 3_000, 1_000, 1),
        (b"00", 1_000, 0, 1),
        (b"00", 500, 0, 1),
    ]
    assert states == [EntryState.CLEARED, EntryState.STOOD_IN, EntryState.STOOD_IN]
    assert [books[card][:2] for card in range(3)] == [
        (OPENING - 3_000, 0),
        (OPENING - 1_000, 3_000),
        (OPENING + 500, 4_000),
    ]


def test_an_increment_waits_for_the_booking(with_core):
    """91 while the ledger is away, and then it grows like any hold."""
    first = purchase(0, amount_minor=4_000)
    more = increment(first, 500)

    async def act(core):
        away = Away(core)
        with away:
            await core.ask(first)
            codes = await core.codes(soon(more))
        await away.back()
        return codes, await core.ask(more), await books_of(core.ledger, [0])

    codes, answer, (books, _) = with_core(act, standing_in(), opening_minor=OPENING)
    assert codes == ["91"]
    assert answer[["response_code", "approved_minor", "replayed"]].tolist() == [(b"00", 4_500, 0)]
    assert books[0][1] == 4_500


def test_a_booked_hold_expires_at_its_hour(with_core):
    """Counted from the authorization, not from the booking."""

    async def act(core):
        away = Away(core)
        with away:
            await core.ask(purchase(0, amount_minor=4_000))
        await away.back()
        expiry = Expiry(core.authorizer, lambda: NOON_S + HOLD_S, lambda: 1)
        assert expiry.look() == 2  # and what `back` asked
        await core.authorizer.drain()
        return await books_of(core.ledger, [0])

    books, _ = with_core(act, standing_in(), opening_minor=OPENING)
    assert books[0] == (OPENING, 0, 0, 0, 0)


class Lost(AwayLedger):
    """A ledger that takes what it is asked, and whose answers are lost until `found`."""

    def __init__(self, ledger):
        self._ledger, self.found = ledger, False

    def __getattr__(self, name):
        return getattr(self._ledger, name)

    async def create_transfers(self, batch):
        results = await self._ledger.create_transfers(batch)
        if not self.found:
            raise LedgerBusy("the answer was lost")
        return results

    async def lookup_accounts(self, ids):
        return await self._ledger.lookup_accounts(ids)

    async def lookup_transfers(self, ids):
        return await self._ledger.lookup_transfers(ids)


def test_a_hold_that_arrived_late_is_let_go_before_what_stood_in_is_booked(with_core):
    """Else both would be held, and the cardholder would owe what he has."""
    first = purchase(0, amount_minor=4_000)

    async def act(core):
        away = Away(core)
        ledger = core.books.ledger
        core.books.ledger = lost = Lost(ledger)
        codes = await core.codes(first)
        held, _ = await books_of(core.ledger, [0])
        away.booking.look()
        early = core.books.is_there
        lost.found = True
        await core.authorizer.drain()
        core.books.ledger = ledger
        await away.back()
        return codes, held[0][1], early, await books_of(core.ledger, [0])

    limits = StandInLimits(OPENING, 3, OPENING)
    codes, held, early, (books, _) = with_core(act, standing_in(limits), opening_minor=5_000)
    assert (codes, held, early) == (["00"], 4_000, False)
    assert books[0] == (5_000, 4_000, 0, 0, 0)


@pytest.mark.parametrize("save", [False, True])
@pytest.mark.parametrize("booked", ["no", "asked", "done"])
def test_a_crash_books_what_stood_in_once(tmp_path, save, booked):
    """Between approval and booking, between intent and booking, or between booking and answer: held once, and no more."""
    requests = [purchase(card, amount_minor=4_000) for card in (0, 1, 2)]

    async def whole():
        core = await Core(tmp_path, standing_in(), opening_minor=OPENING).start()
        away = Away(core)
        with away:
            answers = await core.ask(*requests)
            await core.codes(reverse(requests[1], 1_000), reverse(requests[2]))
        await core.authorizer.drain()
        await core.codes(purchase(11, amount_minor=1))
        if booked != "no":
            await _leave_undecided(core, away.booking, done=booked == "done")
        before = core.state.stand_in.arrays()
        await core.stop(save=save and booked == "no")

        core = await Core(tmp_path, standing_in(), opening_minor=OPENING).start()
        assert core.decided_at_start == (0 if booked == "no" else 2)
        after = core.state.stand_in.arrays()
        assert {k: v.tobytes() for k, v in before.items()} == {k: v.tobytes() for k, v in after.items()}
        assert after["spent"]["count"].tolist() == [1, 1]
        assert after["spent"]["sum_minor"].tolist() == [4_000, 1_000]
        away = Away(core)
        await away.back()
        again = await core.ask(*requests)
        books, _ = await books_of(core.ledger, [0, 1, 2])
        count = core.state.repeats.count
        await core.stop()
        core = await Core(tmp_path, standing_in(), opening_minor=OPENING).start()
        assert core.state.repeats.count == count
        assert not len(core.state.repeats.stood_in())
        await Away(core).back()
        still, _ = await books_of(core.ledger, [0, 1, 2])
        await core.stop()
        return answers, again, books, still

    answers, again, books, still = asyncio.run(whole())
    assert again["replayed"].tolist() == [1] * 3
    again["replayed"] = 0
    assert again.tobytes() == answers.tobytes()
    assert books == still
    assert [books[card] for card in range(3)] == [
        (OPENING, 4_000, 0, 0, 0),
        (OPENING, 1_000, 0, 0, 0),
        (OPENING, 0, 0, 0, 0),
    ]


async def _leave_undecided(core, booking, *, done):
    """The intents of the bookings on disk, whether or not the ledger has done them; no decision."""
    carry_out, decided = core.lifecycle.carry_out, asyncio.Event()

    async def dies(intents, finds):
        if done:
            await carry_out(intents, finds)
        decided.set()
        await asyncio.Event().wait()

    core.lifecycle.carry_out = dies
    assert booking.look() == 2
    await asyncio.wait_for(decided.wait(), WAIT_S)


def test_books_stay_those_of_plain_lives_through_many_outages(with_core):
    """Random purchases and messages over outages: nothing is held twice, and what is approved is held or owed."""
    rng = np.random.default_rng(11)
    limits = StandInLimits(50_000, 1_000, 10_000_000)

    async def act(core):
        away, promised = Away(core), {}
        for _ in range(12):
            open_, fresh = (
                list(promised),
                [purchase(int(rng.integers(3)), amount_minor=9_000) for _ in range(6)],
            )
            with away:
                for request, answer in zip(fresh, await core.ask(*fresh), strict=True):
                    assert answer["response_code"] == b"00"
                    promised[request["authorization_id"].tobytes()] = (request, 9_000)
                late = []
                for key in (
                    rng.choice(len(open_), min(3, len(open_)), replace=False).tolist() if open_ else ()
                ):
                    request, standing = promised[open_[key]]
                    rest = int(rng.choice([0, 4_000]))
                    promised[open_[key]] = (request, min(standing, rest))
                    # Of a hold that the ledger has, it is carried out on its return, and 91 until then.
                    late.append(core.codes(soon(reverse(request, rest))))
                await asyncio.gather(*late)
                for request in fresh[:2]:
                    assert await core.codes(reverse(request, 4_000)) == ["00"]
                    promised[request["authorization_id"].tobytes()] = (request, 4_000)
            await away.back()
            books, _ = await books_of(core.ledger, [0, 1, 2])
            for card in range(3):
                own = [minor for request, minor in promised.values() if request["card_key"][0, 0] == card + 1]
                posted, held, _, owed, owed_pending = books[card]
                assert held + owed_pending == sum(own)
                assert (posted, owed) == (OPENING, 0)
                assert held <= OPENING

    with_core(act, standing_in(limits), opening_minor=OPENING)


class NaiveStandIn:
    """What stand-in approves, in plain Python."""

    def __init__(self):
        self.spent, self.newest = {}, None

    def answer(self, card, day, kind, category, amount, limits):
        if kind == TransactionType.REFUND:
            return Check.STOOD_IN
        if limits.categories and category not in limits.categories:
            return Check.STAND_IN_CATEGORY
        if amount > limits.amount_max_minor:
            return Check.STAND_IN_AMOUNT
        if self.newest is not None and day < self.newest - 2:
            return Check.STAND_IN_COUNT
        count, total = self.spent.get((card, day), (0, 0))
        if count >= limits.count_max:
            return Check.STAND_IN_COUNT
        if total + amount > limits.sum_max_minor:
            return Check.STAND_IN_SUM
        self.add(card, day, amount, 1)
        return Check.STOOD_IN

    def add(self, card, day, amount, count):
        before = self.spent.get((card, day), (0, 0))
        self.spent[card, day] = (before[0] + count, before[1] + amount)
        self.newest = day if self.newest is None else max(self.newest, day)

    def kept(self):
        return sorted(
            (card + 1, day, *spent)
            for (card, day), spent in self.spent.items()
            if day >= self.newest - 2 and spent[0]
        )


def drawn(rng, count):
    """INTENT[count] of few cards and days."""
    intents = np.zeros(count, INTENT)
    intents["card_row"] = rng.integers(0, 40, count)
    intents["day_id"] = 20_000 + rng.integers(-1, 3, count)
    intents["billed_minor"] = rng.integers(1, 6_000, count)
    intents["request"]["category"] = rng.choice([5411, 5812], count, p=[0.8, 0.2])
    intents["request"]["transaction_type"] = rng.choice(
        [TransactionType.PURCHASE, TransactionType.REFUND], count, p=[0.9, 0.1]
    )
    return intents


def table():
    """An empty table with room for all that is drawn, and its heads."""
    return records(np.zeros(1_024, SPENT)), np.array([0, -(1 << 31)], np.int64)


def folded(slots, heads):
    """What of it is kept, in order."""
    kept = np.zeros(len(slots), SPENT)
    count = keep(slots, records(kept), heads[1])
    found = np.sort(kept[kept["card"] != 0], order=("card", "day_id"))
    assert len(found) == count
    return found


@kernel
def test_stand_in_spends_as_plain_python_does():
    """Approved, counted, given back and folded: the same checks, and the same whether done or done again."""
    rng = np.random.default_rng(5)
    own, plain, again = table(), NaiveStandIn(), table()
    limits = np.zeros(1, STAND_IN)
    limits["categories"] = bits_of(LIMITS.categories, limits["categories"].shape[1])
    for name in ("amount_max_minor", "count_max", "sum_max_minor"):
        limits[name] = getattr(LIMITS, name)
    seen = set()
    for _ in range(30):
        intents = drawn(rng, 12)
        decisions = np.zeros(12, DECISION)
        numbers = records(intents.view(INTENT_NUMBERS))
        for i in range(12):
            found = stand_in(numbers[i], records(limits)[0], *own)
            request = intents["request"][i]
            expected = plain.answer(
                int(intents["card_row"][i]),
                int(intents["day_id"][i]),
                request["transaction_type"],
                request["category"],
                int(intents["billed_minor"][i]),
                LIMITS,
            )
            assert found == expected
            seen.add(expected)
            decisions["stand_in"][i] = expected == Check.STOOD_IN
        spend_again(numbers, records(decisions.view(DECISION_NUMBERS)), *again)
        given = np.zeros(1, GIVEN)
        moving = (decisions["stand_in"] != 0) & (intents["request"]["transaction_type"] == 1)
        for place in np.flatnonzero(moving)[:1].tolist():
            given["card_row"], given["day_id"] = intents["card_row"][place], intents["day_id"][place]
            given["amount_minor"], given["stood_in"] = intents["billed_minor"][place], 2
            plain.add(int(given["card_row"][0]), int(given["day_id"][0]), -int(given["amount_minor"][0]), -1)
            for each in (own, again):
                give_back(records(given), *each)
    assert seen == {
        Check.STOOD_IN,
        Check.STAND_IN_CATEGORY,
        Check.STAND_IN_AMOUNT,
        Check.STAND_IN_COUNT,
        Check.STAND_IN_SUM,
    }
    assert folded(*own)[["card", "day_id", "count", "sum_minor"]].tolist() == plain.kept()
    assert folded(*own).tobytes() == folded(*again).tobytes()


def test_what_stood_in_is_kept_in_a_snapshot_in_one_order():
    """Whatever order it came in, and however often the table grew; days that are over are let go."""
    intents, decisions = drawn(np.random.default_rng(6), 4_000), np.zeros(4_000, DECISION)
    intents["card_row"] += np.arange(4_000, dtype=np.uint32) // 4 * 40
    intents["request"]["transaction_type"] = TransactionType.PURCHASE
    decisions["operation"], decisions["stand_in"] = Operation.AUTHORIZE, 1
    first, second, loaded = StandIn(), StandIn(), StandIn()
    first.settle(intents, decisions)
    for place in range(3_999, -1, -1):
        second.settle(intents[place : place + 1], decisions[place : place + 1])
    saved = first.arrays()
    assert {k: v.tobytes() for k, v in saved.items()} == {k: v.tobytes() for k, v in second.arrays().items()}
    assert saved["spent"]["day_id"].min() == intents["day_id"].max() - 2
    loaded.load(saved)
    assert loaded.arrays()["spent"].tobytes() == saved["spent"].tobytes()
    assert len(second.slots) < 65_536
