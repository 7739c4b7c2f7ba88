"""The spine from outside: what each stage finds is answered, and nothing else."""

import asyncio
import time

import numpy as np
import pytest

from ledger.book import LedgerBusy
from server.core.directory import CardFlag
from server.core.policy import Check, names
from server.core.record import CheckResult, EntryMode, TransactionType
from tests.server.core.lives import books_of, clear
from tests.server.core.scene import WAIT_S, FixedScore, cards, directory, limit, purchase, reversal


def reasons(answers):
    """The names of what was found, one list for each answer."""
    return [names(int(found)) for found in answers["reasons"]]


def test_a_purchase_is_held_and_answered_with_a_code_and_what_is_left(with_core):
    """00, six characters, the balance after it."""

    async def act(core):
        return await core.ask(purchase(), purchase(1), purchase(0, amount_minor=99_001))

    answers = with_core(act)
    assert answers["response_code"].tolist() == [b"00", b"00", b"51"]
    assert answers["approved_minor"].tolist() == [1_000, 1_000, 0]
    assert answers["available_minor"].tolist() == [99_000, 99_000, 99_000]
    assert [len(code) for code in answers["authorization_code"].tolist()] == [6, 6, 0]
    assert reasons(answers) == [["unscored"], ["unscored"], ["funds", "unscored"]]


@pytest.mark.parametrize(
    ("score", "fields", "code", "found"),
    [
        (0.85, {"entry_mode": EntryMode.CHIP}, "00", "score_flagged"),
        (0.86, {}, "59", "score_decline"),
        (0.65, {}, "00", None),
        (0.7, {"entry_mode": EntryMode.ECOMMERCE}, "1A", "step_up"),
        (
            0.7,
            {"entry_mode": EntryMode.ECOMMERCE, "cardholder_authentication": CheckResult.MATCH},
            "00",
            "score_flagged",
        ),
        (0.7, {"entry_mode": EntryMode.ECOMMERCE, "recurring": 1}, "00", "score_flagged"),
        (np.nan, {}, "00", "unscored"),
    ],
)
def test_a_score_counts_strictly_above_a_threshold(with_core, score, fields, code, found):
    """0.85 declines, 0.65 asks for more where the channel can, or flags."""

    async def act(core):
        return await core.ask(purchase(**fields))

    answers = with_core(act, model=FixedScore(score))
    assert answers["response_code"].tolist() == [code.encode()]
    assert reasons(answers) == [[found] if found else []]


@pytest.mark.parametrize(
    ("score", "programme", "found"),
    [
        (0.7, {"step_up_else_decline": True}, "step_up_impossible"),
        (np.nan, {"unscored_decline": True}, "unscored_decline"),
    ],
)
def test_a_programme_may_decline_what_could_not_be_made_sure(with_core, score, programme, found):
    """No step-up in a shop, or no score."""

    async def act(core):
        return await core.ask(purchase())

    answers = with_core(act, directory(**programme), model=FixedScore(score))
    assert answers["response_code"].tolist() == [b"59"]
    assert reasons(answers) == [[found]]


def test_limits_pins_and_single_use_answer_their_own_codes(with_core):
    """61, 65, 55, 75 and 65."""
    made = cards()
    made["flags"][3] = CardFlag.SINGLE_USE
    known = directory(made, limits=(limit("amount", "transaction", 5_000, 9), limit("count", "1m", 2)))

    async def act(core):
        wrong = {"pin_verification": CheckResult.MISMATCH}
        return [
            *await core.codes(purchase(0, amount_minor=5_001), *[purchase(0) for _ in range(3)]),
            *await core.codes(*[purchase(1, **wrong) for _ in range(4)]),
            *await core.codes(purchase(3), purchase(3)),
        ]

    assert with_core(act, known) == ["61", "00", "00", "65", "55", "55", "55", "75", "00", "65"]


def test_single_use_is_judged_by_what_became_of_the_request_before_in_the_same_batch(with_core):
    """One that a limit refuses takes no use: the next is approved, and only the third comes too late."""
    made = cards()
    made["flags"][3] = CardFlag.SINGLE_USE
    known = directory(made, limits=(limit("amount", "transaction", 5_000, 9),))

    async def act(core):
        return await core.codes(purchase(3, amount_minor=5_001), purchase(3), purchase(0), purchase(3))

    assert with_core(act, known) == ["61", "00", "00", "65"]


def test_an_account_status_is_answered_without_a_hold(with_core):
    """85, and the balance stays."""

    async def act(core):
        return await core.ask(purchase(transaction_type=TransactionType.ACCOUNT_STATUS, amount_minor=0))

    answers = with_core(act)
    assert answers["response_code"].tolist() == [b"85"]
    assert (answers["held"].tolist(), answers["available_minor"].tolist()) == ([0], [100_000])


def test_less_is_approved_where_the_sender_allows_it(with_core):
    """10 with what there is, then 51."""

    async def act(core):
        part = {"partial_approval_allowed": 1, "amount_minor": 150_000}
        first = await core.ask(purchase(**part))
        second = await core.ask(purchase(**part))
        return np.concatenate([first, second])

    answers = with_core(act)
    assert answers["response_code"].tolist() == [b"10", b"51"]
    assert answers["approved_minor"].tolist() == [100_000, 0]
    assert answers["held"].tolist() == [1, 0]


def test_a_reversal_gives_back_what_was_held_once(with_core):
    """Also what it consumed of a limit; a second one finds nothing, an unknown one forbids its original."""
    known = directory(limits=(limit("amount", "day", 1_500),))

    async def act(core):
        first, late = purchase(), purchase(1)
        codes = await core.codes(first)
        codes += await core.codes(purchase())
        answers = await core.ask(reversal(first), reversal(first), reversal(late))
        return codes + await core.codes(purchase(), late), answers

    codes, answers = with_core(act, known)
    assert codes == ["00", "61", "00", "05"]
    assert answers["response_code"].tolist() == [b"00"] * 3
    assert answers["approved_minor"].tolist() == [1_000, 0, 0]


def test_a_repeat_gets_the_first_answer_also_while_it_is_in_flight(with_core):
    """Every field but `replayed`; the same key for something else is 94."""

    async def act(core):
        request = purchase()
        other = request.copy()
        other["content"] += np.uint64(1)
        sent = [core.send(request), core.send(request), core.send(request, other, request)]
        return [*await asyncio.gather(*sent), await core.ask(request)]

    first, *others = with_core(act)
    flat = np.concatenate(others)
    assert flat["response_code"].tolist() == [b"00", b"00", b"94", b"00", b"00"]
    same = flat[flat["response_code"] == b"00"]
    assert same["replayed"].tolist() == [1] * 4
    same["replayed"] = 0
    assert all(answer.tobytes() == first[0].tobytes() for answer in same)


TAKEN_MS = 1_000
"""Soon too, but long enough that a turn takes it on a crowded machine."""


def soon(request, deadline_ms=100):
    """The same request, just arrived, with a deadline."""
    asked = request.copy()
    asked["arrival_ns"], asked["deadline_ms"] = time.time_ns(), deadline_ms
    return asked


class AwayLedger:
    """A ledger that can't be asked."""

    async def create_transfers(self, _batch):
        raise LedgerBusy("too much waits")

    lookup_accounts = create_transfers


def test_a_ledger_that_can_not_be_asked_is_a_91_and_consumes_nothing(with_core):
    """A reversal is carried out as soon as the ledger can be asked; until then its sender hears 91."""
    known = directory(limits=(limit("amount", "day", 2_500),))

    async def act(core):
        held = purchase()
        codes = await core.codes(held)
        reversing = reversal(held)
        ledger, core.books.ledger, core.chains.ledger = core.books.ledger, AwayLedger(), AwayLedger()
        codes += await core.codes(purchase(), purchase(1), soon(reversing, TAKEN_MS))
        core.books.ledger = core.chains.ledger = ledger
        again = await core.ask(reversing)
        return [*codes, *await core.codes(purchase(), reversal(held))], again

    codes, again = with_core(act, known)
    assert codes == ["00", "91", "91", "91", "00", "00"]
    assert again[["response_code", "approved_minor", "replayed"]].tolist() == [(b"00", 1_000, 1)]


class HangingLedger:
    """A ledger that answers when `go` is set."""

    def __init__(self, ledger):
        self._ledger, self.go, self.asked = ledger, asyncio.Event(), asyncio.Semaphore(0)

    def __getattr__(self, name):
        async def call(*arguments):
            if name == "create_transfers":
                self.asked.release()
            await self.go.wait()
            return await getattr(self._ledger, name)(*arguments)

        return call


def test_every_request_is_answered_in_time_while_as_many_turns_as_may_be_wait_for_the_ledger(with_core):
    """A turn that has missed its deadline keeps no other from beginning."""

    async def act(core):
        core.books.late_s = 0.5
        ledger = core.books.ledger
        core.books.ledger = hanging = HangingLedger(ledger)
        stuck = []
        for card in range(2):
            stuck.append(asyncio.ensure_future(core.codes(soon(purchase(card), TAKEN_MS))))
            await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        codes = [*await asyncio.gather(*stuck), await core.codes(purchase(2)), await core.codes(purchase(3))]
        assert not core.authorizer.is_idle
        hanging.go.set()
        await core.authorizer.drain()
        core.books.ledger = ledger
        return [*codes, await core.codes(purchase(0))], await books_of(core.ledger, [0, 1, 2, 3])

    codes, (books, _) = with_core(act)
    assert codes == [["91"]] * 4 + [["00"]]
    assert [books[card][1] for card in range(4)] == [1_000, 0, 0, 0]


def test_what_waits_for_another_message_is_answered_in_time_and_not_kept(with_core):
    """A repeat of a reversal under way and a clearing behind it: 91 both, and neither was touched."""
    held = purchase()
    reversing, clearing = reversal(held), clear(held, 300)

    async def act(core):
        codes = await core.codes(held)
        core.chains.ledger = hanging = HangingLedger(core.ledger)
        codes += await core.codes(soon(reversing, TAKEN_MS))
        late = await asyncio.gather(*(core.codes(soon(asked, TAKEN_MS)) for asked in (reversing, clearing)))
        codes += [code for (code,) in late]
        hanging.go.set()
        await core.authorizer.drain()
        return codes, await core.ask(reversing), await core.ask(clearing), await books_of(core.ledger, [0])

    codes, reversed_, cleared, (books, _) = with_core(act)
    assert codes == ["00", "91", "91", "91"]
    assert reversed_[["response_code", "approved_minor", "replayed"]].tolist() == [(b"00", 1_000, 1)]
    assert cleared[["response_code", "approved_minor", "replayed"]].tolist() == [(b"00", 300, 0)]
    assert books[0][:2] == (99_700, 0)


@pytest.mark.parametrize("lost", ["lookup_accounts", "lookup_transfers"])
def test_a_hold_whose_answer_was_lost_is_let_go_while_the_server_runs(with_core, lost):
    """91 was said: as soon as the ledger can be asked, nothing is held for it."""

    class Forgetful(HangingLedger):
        def __getattr__(self, name):
            return AwayLedger().create_transfers if name == lost else getattr(self._ledger, name)

    async def act(core):
        ledger = core.books.ledger
        core.books.ledger = Forgetful(ledger)
        codes = await core.codes(purchase(0, partial_approval_allowed=1))
        before, _ = await books_of(ledger, [0])
        core.books.ledger = ledger
        await core.authorizer.drain()
        after, _ = await books_of(ledger, [0])
        return codes, before[0][1], after[0][1]

    codes, before, after = with_core(act)
    assert codes == ["91"]
    assert before in (0, 1_000)
    assert after == 0


def test_an_account_that_the_ledger_does_not_know_is_our_own_mistake(with_core):
    """96: refused for another reason than funds."""

    async def act(core):
        core.directory.cards["account_number"][0] = 4_000_000
        core.state.grow(len(core.directory.cards), 4_000_001)
        return await core.ask(purchase())

    answers = with_core(act)
    assert answers["response_code"].tolist() == [b"96"]
    assert reasons(answers) == [["ledger_refused", "unscored"]]
    assert int(answers["reasons"][0]) >> Check.LEDGER_REFUSED & 1
