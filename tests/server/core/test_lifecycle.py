"""The life of a hold after its authorization, against the same lives in plain Python."""

import asyncio

import numpy as np
import pytest

from ledger import holds
from ledger.chart import AccountCode
from scoring.limit import Subject
from scoring.velocity import Velocity
from server.core.attempts import attempts_of
from server.core.directory import CardFlag
from server.core.entries import EntryState
from server.core.expiry import Expiry
from server.core.parcel import Parcel
from server.core.policy import Check, bit
from server.core.record import DECISION, INTENT, CheckResult, Operation, TransactionType
from server.core.turn import Turn
from tests.server.core.lives import HOLD_S, Lives, advise, books_of, clear, expire, increment, reverse
from tests.server.core.scene import NOON_S, Core, cards, directory, limit, purchase

DAY_S = 86_400
OPENING = 100_000
CARDS = 4


def said(decision):
    """(code, approved, released, overdrawn) of a DECISION."""
    names = ("approved_minor", "released_minor", "overdrawn_minor")
    return (decision["response_code"].decode(), *(int(decision[name]) for name in names))


async def assert_books(core, model):
    """The ledger has what the model has, and money is neither made nor lost."""
    books, house = await books_of(core.ledger, list(range(CARDS)))
    for card in range(CARDS):
        account = model.account(card)
        expected = (account.posted, account.held, account.coming, account.owed, account.owed_pending)
        assert books[card] == expected, card
        assert account.available >= 0
    assert house[AccountCode.CONTROL] == 0
    assert house[AccountCode.SETTLEMENT] == model.settled
    # posted = funded + owed - settled: what was overdrawn is owed, and nothing else is missing.
    owed = sum(account.owed for account in model.accounts.values())
    posted = sum(account.posted for account in model.accounts.values())
    assert posted == OPENING * CARDS + owed - model.settled


class Random:
    """Messages of random lives, each with what it must answer."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.model = Lives(OPENING)
        self.asked = []

    def amount(self):
        return int(self.rng.choice([1, 700, 1_000, 5_000, 40_000, 120_000]))

    def step(self):
        """Messages that arrive together, and their expected answers in order."""
        if not self.asked or self.rng.random() < 0.25:
            return [self._authorize()]
        original, card = self.asked[self.rng.integers(max(0, len(self.asked) - 12), len(self.asked))]
        if self.rng.random() < 0.15:
            return [self._advise(original, card)]
        return [self._about(original, card) for _ in range(self.rng.integers(1, 4))]

    def _authorize(self):
        card, amount = int(self.rng.integers(CARDS)), self.amount()
        partial, credit = bool(self.rng.random() < 0.3), bool(self.rng.random() < 0.15)
        kind = TransactionType.REFUND if credit else TransactionType.PURCHASE
        request = purchase(card, amount_minor=amount, partial_approval_allowed=partial, transaction_type=kind)
        self.asked.append((request, card))
        if self.rng.random() < 0.1 and not credit:
            # The network answered in our stead: we only hear of it.
            code = str(self.rng.choice(["00", "05"]))
            return advise(request, code.encode()), self.model.advise(_key(request), card, amount, code)
        expected = self.model.authorize(_key(request), card, amount, partial=partial, credit=credit)
        return request, expected

    def _advise(self, original, card):
        key, code = _key(original), str(self.rng.choice(["00", "51"]))
        if original["transaction_type"][0] == TransactionType.REFUND:
            return reverse(original), self.model.reverse(key)
        asked = int(original["amount_minor"][0])
        return advise(original, code.encode()), self.model.advise(key, card, asked, code)

    def _about(self, original, card):
        key, amount, choice = _key(original), self.amount(), self.rng.integers(7)
        if choice == 0:
            return increment(original, amount), self.model.increment(key, amount)
        if choice == 1:
            whole = increment(original, amount, cumulative=1)
            return whole, self.model.increment(key, amount, cumulative=True)
        if choice == 2:
            return reverse(original), self.model.reverse(key)
        if choice == 3:
            return reverse(original, amount), self.model.reverse(key, amount)
        final, credit = bool(self.rng.random() < 0.6), bool(self.rng.random() < 0.2)
        presented = clear(original, amount, final=final, credit=credit, card_key=card + 1, card_reference=1)
        return presented, self.model.clear(key, amount, card, final=final, credit=credit)


def _key(request):
    return tuple(request["authorization_id"][0].tolist())


@pytest.mark.parametrize("seed", range(6))
def test_every_message_answers_and_books_as_plain_lives_do(with_core, seed):
    """Random lives, messages about one hold at once among them; the books are compared after every step."""
    random = Random(seed)

    async def act(core):
        for _ in range(120):
            step = random.step()
            answers = await core.ask(*(request for request, _ in step))
            assert [said(answer) for answer in answers] == [expected for _, expected in step]
            await assert_books(core, random.model)
        entries = core.state.repeats.kept()
        states = {tuple(entry["id"].tolist()): entry["state"] for entry in entries}
        for key, hold in random.model.holds.items():
            assert EntryState(states[key]).name == hold.state

    with_core(act, opening_minor=OPENING)


@pytest.mark.parametrize("save", [False, True])
def test_a_restart_goes_on_with_every_life(tmp_path, save):
    """From the journal alone, or from a snapshot: the state is the same byte for byte, and so are the answers."""
    random = Random(99)

    async def live(steps, core):
        for _ in range(steps):
            step = random.step()
            answers = await core.ask(*(request for request, _ in step))
            assert [said(answer) for answer in answers] == [expected for _, expected in step]

    async def whole():
        core = await Core(tmp_path, directory(), opening_minor=OPENING).start()
        await live(100, core)
        before = _state_of(core)
        await core.stop(save=save)
        core = await Core(tmp_path, directory(), opening_minor=OPENING).start()
        assert _state_of(core) == before
        await live(60, core)
        await assert_books(core, random.model)
        await core.stop()

    asyncio.run(whole())


def _state_of(core):
    """All that changes, as bytes."""
    table = core.state.repeats
    entries = np.sort(table.kept(), order="id")
    limits = core.state.limits.arrays()
    return entries.tobytes(), {name: array.tobytes() for name, array in limits.items()}


def test_a_move_that_a_crash_left_undecided_is_carried_out_once(tmp_path):
    """Whether the ledger had done it or not: a repeat gets what came of it."""
    originals = [purchase(card, amount_minor=1_000) for card in range(3)]
    messages = [clear(originals[0], 700), reverse(originals[1], 400), increment(originals[2], 500)]

    async def killed(done):
        core = await Core(tmp_path / str(done), directory(), opening_minor=OPENING).start()
        assert await core.codes(*originals) == ["00"] * 3
        admitted = core.state.repeats.admit(np.concatenate(messages))
        turn = Turn([Parcel(np.concatenate(messages).tobytes(), [0, 1, 2], print, print)])
        turn.open(admitted, core.state.sequence + 1, 1)
        finds = admitted.originals[turn.origin]
        core.lifecycle.prepare(turn.intents, finds, core.directory.find(turn.requests))
        await core.journal.append_intents(turn.intents)
        if done:
            await core.lifecycle.carry_out(turn.intents, finds)
        await core.stop()
        core = await Core(tmp_path / str(done), directory(), opening_minor=OPENING).start()
        assert core.decided_at_start == 3
        answers = await core.ask(*messages)
        books, house = await books_of(core.ledger, [0, 1, 2])
        await core.stop()
        return (
            answers[["response_code", "approved_minor", "released_minor", "replayed"]].tolist(),
            books,
            house,
        )

    for done in (False, True):
        answers, books, house = asyncio.run(killed(done))
        assert answers == [(b"00", 700, 300, 1), (b"00", 600, 0, 1), (b"00", 1_500, 0, 1)]
        assert [books[card][:2] for card in range(3)] == [(99_300, 0), (100_000, 400), (100_000, 1_500)]
        assert house[AccountCode.CONTROL] == 0


def test_a_hold_expires_at_its_hour_and_gives_back_what_it_consumed(with_core):
    """What was cleared stays consumed; a later clearing is posted all the same."""
    known = directory(limits=(limit("amount", "month", 1_500),))
    first = purchase(0, amount_minor=1_000)

    async def act(core):
        now_s = NOON_S
        expiry = Expiry(core.authorizer, lambda: now_s, lambda: 1)
        codes = await core.codes(first)
        codes += await core.codes(purchase(0, amount_minor=1_000))
        assert expiry.look() == 0
        now_s = NOON_S + HOLD_S
        assert expiry.look() == 1
        await core.authorizer.drain()
        assert expiry.look() == 0
        codes += await core.codes(purchase(0, amount_minor=1_000))
        late = await core.ask(clear(first, 300))
        return codes, late, await books_of(core.ledger, [0])

    codes, late, (books, _) = with_core(act, known, opening_minor=OPENING)
    assert codes == ["00", "61", "00"]
    assert said(late[0]) == ("00", 300, 0, 0)
    assert books[0][:2] == (99_700, 1_000)


def test_an_expiry_that_the_ledger_refuses_is_tried_ever_more_seldom(with_core):
    """And keeps no other hold from expiring."""
    refused, other = purchase(0), purchase(1)

    async def act(core):
        codes = await core.codes(refused)
        expiry = Expiry(core.authorizer, lambda: NOON_S + 10**7, lambda: 1)
        due = core.state.repeats.find(refused["authorization_id"])
        answer = np.zeros(1, DECISION)
        answer["reasons"] = bit(Check.LEDGER_REFUSED)
        looks = []
        for _ in range(2):
            expiry._parcel(due).deliver([0], answer)
            looks.append(expiry.look())
        codes += await core.codes(other)
        looks.append(expiry.look())
        await core.authorizer.drain()
        expiry._refused[tuple(due["id"][0].tolist())] = (0.0, 4.0)
        looks.append(expiry.look())
        await core.authorizer.drain()
        return codes, looks, expiry._refused

    codes, looks, left = with_core(act)
    assert (codes, looks, left) == (["00", "00"], [0, 0, 1, 1], {})


def test_messages_that_find_nothing_say_so(with_core):
    """25 where nothing is known; a clearing with a card is posted to it, 14 where the card is none of ours."""
    unknown = purchase()

    async def act(core):
        return await core.codes(
            increment(unknown, 100),
            clear(unknown, 100),
            clear(unknown, 100, card_key=1, card_reference=1),
            clear(unknown, 100, card_key=77, card_reference=1),
            reverse(unknown),
        )

    assert with_core(act) == ["25", "25", "00", "14", "00"]


def test_an_expiry_and_a_clearing_at_once_come_to_one_outcome(with_core):
    """Whichever is first: the money is captured once, and nothing is held."""
    original = purchase(0, amount_minor=1_000)

    async def act(core):
        await core.codes(original)
        await asyncio.gather(
            core.ask(clear(original, 1_000)), _expire(core, original), core.ask(clear(original, 1_000))
        )
        await core.authorizer.drain()
        return await books_of(core.ledger, [0])

    books, house = with_core(act, opening_minor=OPENING)
    assert books[0] == (98_000, 0, 0, 0, 0)
    assert house[AccountCode.SETTLEMENT] == 2_000


async def _expire(core, original):
    core.authorizer.submit(Parcel(expire(original).tobytes(), [0], lambda _p, _d: None, lambda _e: None))


def test_an_increment_of_a_card_that_was_frozen_since_is_declined(with_core):
    """The card is judged again; the hold stands."""
    original = purchase(0, amount_minor=1_000)

    async def act(core):
        codes = await core.codes(original)
        core.directory.cards["state"][0] = 2
        codes += await core.codes(increment(original, 100), purchase(0))
        return codes, await books_of(core.ledger, [0])

    codes, (books, _) = with_core(act, opening_minor=OPENING)
    assert codes == ["00", "78", "78"]
    assert books[0][1] == 1_000


def test_a_repeat_of_any_message_gets_its_first_answer(with_core):
    """And books nothing."""
    original = purchase(0, amount_minor=1_000)
    messages = [
        increment(original, 500),
        reverse(original, 1_200),
        clear(original, 900, final=0),
        clear(original, 100),
    ]

    async def act(core):
        await core.ask(original)
        first = [await core.ask(request) for request in messages]
        before = await books_of(core.ledger, [0])
        again = [await core.ask(request) for request in messages]
        conflict = messages[3].copy()
        conflict["content"] += np.uint64(1)
        codes = await core.codes(conflict)
        return first, again, before, await books_of(core.ledger, [0]), codes

    first, again, before, after, codes = with_core(act, opening_minor=OPENING)
    for answer, repeated in zip(first, again, strict=True):
        assert repeated["replayed"].tolist() == [1]
        repeated["replayed"] = 0
        assert answer.tobytes() == repeated.tobytes()
    assert before == after
    assert before[0][0] == (99_000, 0, 0, 0, 0)
    assert codes == ["94"]


def test_a_late_original_gets_the_networks_answer_when_its_advice_came_first(with_core):
    """It is a repeat of what the network said in our stead."""
    original = purchase(0, amount_minor=1_000)

    async def act(core):
        advised = await core.ask(advise(original))
        return advised, await core.ask(original), await books_of(core.ledger, [0])

    advised, answered, (books, _) = with_core(act, opening_minor=OPENING)
    assert said(advised[0]) == ("00", 1_000, 0, 0)
    assert answered[["response_code", "stand_in", "replayed", "operation"]].tolist() == [
        (b"00", 1, 1, Operation.AUTHORIZE)
    ]
    assert books[0][1] == 1_000


def test_an_inquiry_answers_and_holds_nothing(with_core):
    """00 with what is available for a balance, 85 for a status."""

    async def act(core):
        balance = purchase(0, amount_minor=0, transaction_type=TransactionType.BALANCE_INQUIRY)
        status = purchase(0, amount_minor=0, transaction_type=TransactionType.ACCOUNT_STATUS)
        return await core.ask(balance, status), await books_of(core.ledger, [0])

    answers, (books, _) = with_core(act, opening_minor=OPENING)
    assert answers["response_code"].tolist() == [b"00", b"85"]
    assert answers["available_minor"].tolist() == [OPENING, OPENING]
    assert books[0] == (OPENING, 0, 0, 0, 0)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (reverse, ("00", 0, 0, 0)),
        (lambda original: reverse(original, 400), ("00", 0, 0, 0)),
        (lambda original: clear(original, 300, final=0), ("00", 300, 0, 0)),
        (lambda original: increment(original, 300), ("00", 1_300, 0, 0)),
    ],
)
def test_a_hold_that_the_ledger_has_lost_is_no_more_than_is_there(with_core, message, expected):
    """Its own timeout came, or somebody voided it: nothing is released twice, and a clearing is posted all the same."""
    original = purchase(0, amount_minor=1_000)

    async def act(core):
        await core.codes(original)
        await core.ledger.create_transfers(holds.release(original["authorization_id"]))
        answer = await core.ask(message(original))
        entry = core.state.repeats.find(original["authorization_id"])[0]
        return said(answer[0]), EntryState(entry["state"]), await books_of(core.ledger, [0])

    answer, state, (books, house) = with_core(act, opening_minor=OPENING)
    assert answer == expected
    assert house[AccountCode.CONTROL] == 0
    if answer[1] != 1_300:
        assert state in (EntryState.REVERSED, EntryState.CLEARED)
        assert books[0][1] == 0


def test_what_an_advice_consumed_is_given_back_also_in_two_steps(with_core):
    """What is held again after a partial reversal stands for what the advice had reserved."""
    original = purchase(0, amount_minor=1_000)

    async def act(core):
        codes = await core.codes(advise(original))
        codes += await core.codes(reverse(original, 400)) + await core.codes(reverse(original))
        return codes + await core.codes(purchase(0, amount_minor=1_200))

    assert (
        with_core(act, directory(limits=(limit("amount", "day", 1_200),)), opening_minor=OPENING)
        == ["00"] * 4
    )


@pytest.mark.parametrize("increments", [2, 9])
@pytest.mark.parametrize("days", [0, 1])
def test_what_increments_consumed_is_given_back_where_they_reserved_it_after_a_partial_reversal(
    with_core, days, increments
):
    """Each reservation stands in its own windows, day and count, also when its part was replaced by what remained."""
    original = purchase(0, amount_minor=1_000, merchant=3, device=4)
    end_s = NOON_S + days * DAY_S

    async def act(core):
        untouched = [array.tobytes() for array in _left(core)]
        codes = await core.codes(original)
        for _ in range(increments):
            codes += await core.codes(increment(original, 500, transmission_s=end_s))
        codes += await core.codes(reverse(original, 1_200, transmission_s=end_s))
        after = core.state.limits.velocity.arrays()["card_sums"][0, 0].copy()
        codes += await core.codes(reverse(original, transmission_s=end_s))
        return codes, after, untouched == [array.tobytes() for array in _left(core)]

    limits = (limit("count", "7d", 60), limit("amount", "24h", 100_000, 2, subject=Subject.MERCHANT))
    codes, after, is_untouched = with_core(act, directory(limits=limits), opening_minor=OPENING)
    assert codes == ["00"] * (increments + 3)
    assert sorted(after.tolist()) == ([0, 1_200] if days == 0 else [200, 1_000])
    assert is_untouched


def _left(core):
    """What the limits of card 0 would still count: its days, its months, and what its windows hold of approvals."""
    some = purchase(0, amount_minor=1, merchant=3, device=4, transmission_s=NOON_S + 2 * DAY_S)
    intents = np.zeros(1, INTENT)
    intents["request"] = some
    core.controls.check(intents, core.directory.find(some))
    attempts = attempts_of(intents, core.directory.cards, core.controls.programmes)
    judged = Velocity()
    judged.load({name: array.copy() for name, array in core.state.limits.velocity.arrays().items()})
    told = judged.admit(
        attempts,
        day_ids=intents["day_id"],
        month_ids=intents["month_id"],
        counted=np.ones(1, np.bool_),
        entering=np.zeros(1, np.bool_),
        limit_sets=intents["limit_set"],
        limits=core.controls.limits,
    )
    return np.sort(told.consulted["used"][0]), core.state.limits.velocity.arrays()["card_sums"][0]


def test_an_advice_that_the_network_declined_gives_back_what_we_had_approved(with_core):
    """It consumes nothing itself."""
    original = purchase(0, amount_minor=1_000)

    async def act(core):
        codes = await core.codes(original) + await core.codes(advise(original, b"05"))
        return codes + await core.codes(purchase(0, amount_minor=1_200))

    known = directory(limits=(limit("amount", "day", 1_200), limit("count", "1h", 1, 2)))
    assert with_core(act, known, opening_minor=OPENING) == ["00"] * 3


@pytest.mark.parametrize("message", [reverse, expire, lambda original: clear(original, 1, final=1)])
def test_limits_are_given_back_though_the_ledger_had_let_go_of_the_hold(with_core, message):
    """Its own timeout came first; what the card may spend is ours to count."""
    original = purchase(0, amount_minor=1_000)

    async def act(core):
        await core.codes(original)
        await core.ledger.create_transfers(holds.release(original["authorization_id"]))
        await core.ask(message(original)) if message is not expire else await _expire(core, original)
        await core.authorizer.drain()
        return await core.codes(purchase(0, amount_minor=1_199))

    assert with_core(act, directory(limits=(limit("amount", "day", 1_200),)), opening_minor=OPENING) == ["00"]


def test_an_advice_is_booked_whatever_pin_or_single_use_say(tmp_path):
    """The network has approved; its tries are not counted to the card, also where the journal is read again."""
    made = cards()
    made["flags"][0], made["flags"][1] = CardFlag.SINGLE_USE, CardFlag.PIN_BLOCKED

    async def whole():
        core = await Core(tmp_path, directory(made), opening_minor=OPENING).start()
        codes = await core.codes(purchase(0))
        codes += await core.codes(
            advise(purchase(0)), advise(purchase(1, pin_verification=CheckResult.MATCH))
        )
        for given in (b"00", b"55", b"55"):
            codes += await core.codes(advise(purchase(2, pin_verification=CheckResult.MISMATCH), given))
        before = _state_of(core)
        await core.stop()
        core = await Core(tmp_path, directory(made), opening_minor=OPENING).start()
        assert _state_of(core) == before
        codes += await core.codes(purchase(2, pin_verification=CheckResult.MATCH))
        books, _ = await books_of(core.ledger, [0, 1, 2])
        await core.stop()
        return codes, [books[card][1] for card in range(3)]

    assert asyncio.run(whole()) == (["00"] * 7, [2_000, 1_000, 2_000])


def test_an_advice_holds_nothing_when_the_reversal_and_the_late_original_came_before(with_core):
    """As where the original never comes: it is over."""
    original = purchase(0)

    async def act(core):
        await core.ask(reverse(original))
        await core.ask(original)
        return await core.codes(advise(original)), await books_of(core.ledger, [0])

    codes, (books, _) = with_core(act, opening_minor=OPENING)
    assert codes == ["00"]
    assert books[0][1] == 0


@pytest.mark.parametrize("message", [clear, reverse, increment])
def test_an_advice_without_an_authorization_code_is_a_hold_as_any(with_core, message):
    """The network need not give one: there is none to answer, of whatever follows."""
    original = purchase(0)

    async def act(core):
        codes = await core.codes(advise(original, given_authorization_code=b""))
        answer = await core.ask(message(original, 500))
        await _expire(core, original)
        await core.authorizer.drain()
        return codes, answer["response_code"].tolist(), answer["authorization_code"].tolist()

    assert with_core(act, opening_minor=OPENING) == (["00"], [b"00"], [b""])


def test_an_advice_that_can_not_be_booked_says_why(with_core):
    """14 for a card that is none of ours, 13 for an amount of nothing; and what was answered before stays so."""
    inquiry = purchase(0, amount_minor=0, transaction_type=TransactionType.BALANCE_INQUIRY)

    async def act(core):
        first = await core.ask(inquiry)
        codes = await core.codes(
            advise(purchase(76)),
            advise(purchase(0, amount_minor=0)),
            advise(inquiry),
            advise(purchase(0), b"05"),
        )
        again = await core.ask(inquiry)
        again["replayed"] = 0
        return codes, first.tobytes() == again.tobytes()

    assert with_core(act, opening_minor=OPENING) == (["14", "13", "00", "00"], True)
