"""Answers by time: each by its own deadline, whatever is late, and nothing held that nobody was promised."""

import asyncio
import time

import numpy as np
import pytest

from ledger.book import LedgerError, LedgerStopped
from server.core.authorizer import CoreLimits
from server.core.deadline import ANSWERING_S, WITHOUT_LEDGER_S
from server.core.directory import CardState, Posture
from server.core.parcel import Overloaded, Parcel
from server.core.record import DECISION, INTENT
from server.core.turn import Asked, Turn
from tests.server.core.lives import books_of
from tests.server.core.scene import WAIT_S, cards, directory, purchase, reversal
from tests.server.core.test_authorizer import TAKEN_MS, HangingLedger, soon

LONG_MS = 60_000
SOON_MS = 500
MANY = 300


@pytest.fixture
def with_warm_core(with_core):
    """Acts on a core that has compiled what it needs: then time passes as it does in service."""

    def run(act, known=None, **options):
        async def warm(core):
            await core.codes(purchase(11), reversal(purchase(10)))
            return await act(core)

        return with_core(warm, known, **options)

    return run


class HangingJournal:
    """A journal whose disk takes nothing until `go` is set."""

    def __init__(self, journal):
        self._journal, self.go, self.asked = journal, asyncio.Event(), asyncio.Event()

    def __getattr__(self, name):
        return getattr(self._journal, name)

    def append_intents(self, intents):
        return self._late(self._journal.append_intents(intents))

    def append_decisions(self, decisions):
        self.asked.set()
        return self._late(self._journal.append_decisions(decisions))

    def _late(self, written):
        async def wait():
            await self.go.wait()
            return await written

        return asyncio.ensure_future(wait())


async def collected(core, *requests):
    """Submit them as one parcel; a queue of (places, codes) as they are told."""
    told = asyncio.Queue()

    def deliver(places, decisions):
        told.put_nowait((places, [code.decode() for code in decisions["response_code"].tolist()]))

    batch = np.concatenate(requests)
    core.authorizer.submit(Parcel(batch.tobytes(), list(range(len(batch))), deliver, lambda _error: None))
    return told


def test_each_of_a_batch_is_given_up_by_its_own_deadline(with_warm_core):
    """One may wait for sixty seconds and gets its approval; the other hears 91 at once, and what is held late is let go."""

    async def act(core):
        core.books.ledger = hanging = HangingLedger(core.ledger)
        told = await collected(core, soon(purchase(0), TAKEN_MS), soon(purchase(1), LONG_MS))
        first = await asyncio.wait_for(told.get(), WAIT_S)
        assert told.empty()
        assert not core.books.is_there
        hanging.go.set()
        second = await asyncio.wait_for(told.get(), WAIT_S)
        await core.authorizer.drain()
        assert core.books.is_there
        counters = core.authorizer.counters
        return (
            [first, second],
            (counters.given_up, counters.expired, core.books.zombies_voided),
            await books_of(core.ledger, [0, 1]),
        )

    told, counts, (books, _) = with_warm_core(act)
    assert told == [([0], ["91"]), ([1], ["00"])]
    assert counts == (1, 0, 1)
    assert [books[card][1] for card in (0, 1)] == [0, 1_000]


def test_what_is_given_up_is_decided_before_it_is_due_and_told_by_time_only_after_it():
    """What the disk needs for it: both instants of each, by a clock that stands."""
    turn = Turn(
        [
            Parcel(
                np.concatenate([purchase(0), purchase(1)]).tobytes(), [0, 1], lambda *_: None, lambda _: None
            )
        ]
    )
    turn.dues_s = np.array([100.28, 100.4])
    asked = Asked(turn, np.zeros(2, INTENT), np.arange(2), 100.0)
    assert asked.next_s() == pytest.approx(100.28 - WITHOUT_LEDGER_S)
    assert asked.overdue(100.24).tolist() == []
    assert asked.overdue(100.25).tolist() == [0]
    asked.decide(np.array([0]), np.zeros(1, DECISION))
    assert asked.next_s() == pytest.approx(100.28 + ANSWERING_S)
    assert asked.tell_overdue(100.28, b"91") == 0


def test_a_given_up_answer_is_kept_and_the_others_of_its_batch_are_too_after_a_kill(with_warm_core):
    """The journal has both, in rows of their own: a core that reads it back repeats them."""
    quick, patient = purchase(0), purchase(1)

    async def first(core):
        core.books.ledger = hanging = HangingLedger(core.ledger)
        told = await collected(core, soon(quick, TAKEN_MS), soon(patient, LONG_MS))
        await asyncio.wait_for(told.get(), WAIT_S)
        hanging.go.set()
        await asyncio.wait_for(told.get(), WAIT_S)
        await core.authorizer.drain()
        core.books.ledger = core.ledger

    async def again(core):
        answers = await core.ask(soon(quick, LONG_MS), soon(patient, LONG_MS))
        return answers[["response_code", "replayed"]].tolist()

    with_warm_core(first)
    assert with_warm_core(again) == [(b"91", 1), (b"00", 1)]


def test_what_no_turn_has_taken_in_time_is_a_91_to_repeats_too(with_warm_core):
    """It is entered as answered, though nothing was done for it; a repeat that came before that waits for it."""
    late = purchase(1)

    async def act(core):
        core.books.ledger = hanging = HangingLedger(core.ledger)
        stuck = asyncio.ensure_future(core.codes(soon(purchase(0), LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        codes = await core.codes(soon(late))
        expired, given_up = core.authorizer.counters.expired, core.authorizer.counters.given_up
        hanging.go.set()
        codes += await stuck
        again = await core.ask(soon(late, LONG_MS))
        await core.authorizer.drain()
        books, _ = await books_of(core.ledger, [1])
        return codes, (expired, given_up), again[["response_code", "replayed"]].tolist(), books[1][1]

    assert with_warm_core(act, turns_max=1) == (["91", "00"], (1, 0), [(b"91", 1)], 0)


def test_what_can_not_be_decided_in_time_asks_the_network_where_that_is_set(with_warm_core):
    """Whether no turn took it, or the disk has not; messages about authorizations are 91 all the same. Repeats get it too."""
    late, unwritten, about = purchase(1), purchase(2), reversal(purchase(3))

    async def act(core):
        core.authorizer._away_code = b"N0"
        core.books.ledger = hanging = HangingLedger(core.ledger)
        stuck = asyncio.ensure_future(core.codes(soon(purchase(0), LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        codes = await core.codes(soon(late), soon(about))
        hanging.go.set()
        await stuck
        core.books.ledger = core.ledger
        core.authorizer.journal = journal = HangingJournal(core.journal)
        codes += await core.codes(soon(unwritten, SOON_MS))
        journal.go.set()
        await core.authorizer.drain()
        again = await core.ask(soon(late, LONG_MS), soon(unwritten, LONG_MS))
        books, _ = await books_of(core.ledger, [1, 2])
        return codes, again[["response_code", "replayed"]].tolist(), [books[card][1] for card in (1, 2)]

    told = (["N0", "91", "N0"], [(b"N0", 1), (b"N0", 1)], [0, 0])
    assert with_warm_core(act, turns_max=1) == told


@pytest.mark.parametrize("turns_max", [1, 2])
def test_a_late_copy_of_what_is_being_decided_is_a_91_to_all_that_asked(with_warm_core, turns_max):
    """Whether no turn took it or it waited for the first: one key, one answer, and nothing stays held."""
    asked = purchase(1)

    async def act(core):
        core.books.ledger = hanging = HangingLedger(core.ledger)
        first = asyncio.ensure_future(core.codes(soon(asked, LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        codes = await core.codes(soon(asked)) + await first
        hanging.go.set()
        await core.authorizer.drain()
        again = await core.codes(soon(asked, LONG_MS))
        books, _ = await books_of(core.ledger, [1])
        return codes + again, books[1][1]

    assert with_warm_core(act, turns_max=turns_max) == (["91", "91", "91"], 0)


def test_a_91_that_was_told_before_it_was_decided_is_repeated_as_it_was_told(with_warm_core):
    """The loop was held beyond the deadline: given up and told in one go, without the reasons that are found then."""
    asked = purchase(1)
    said = ["response_code", "reasons", "risk_score", "approved_minor", "available_minor"]

    async def act(core):
        core.books.ledger = hanging = HangingLedger(core.ledger)
        first = asyncio.ensure_future(core.ask(soon(asked)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        until_s = asyncio.get_running_loop().time() + 0.1
        while asyncio.get_running_loop().time() < until_s:
            pass
        told = await first
        hanging.go.set()
        await core.authorizer.drain()
        return told[said].tolist(), (await core.ask(soon(asked, LONG_MS)))[said].tolist()

    told, again = with_warm_core(act)
    assert told == again == [(b"91", 0, 0.0, 0, 0)]


def test_a_late_request_of_other_content_leaves_the_first_alone(with_warm_core):
    """It has another key's content: its 91 is nobody else's."""
    asked = purchase(1)
    other = asked.copy()
    other["content"] = [[3, 4]]

    async def act(core):
        core.books.ledger = hanging = HangingLedger(core.ledger)
        first = asyncio.ensure_future(core.codes(soon(asked, LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        codes = await core.codes(soon(other))
        hanging.go.set()
        return codes + await first

    assert with_warm_core(act, turns_max=1) == ["91", "00"]


def test_a_repeat_that_no_turn_takes_in_time_gets_the_first_answer(with_warm_core):
    """It is at hand, approval or decline; under other content there is none, and what was told is on record."""
    held, declined = purchase(1), purchase(2, amount_minor=500_000)
    other = held.copy()
    other["content"] = [[3, 4]]

    async def act(core):
        await core.codes(held, declined)
        core.books.ledger = hanging = HangingLedger(core.ledger)
        stuck = asyncio.ensure_future(core.codes(soon(purchase(0), LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        late = await core.ask(soon(held), soon(declined), soon(other))
        hanging.go.set()
        await stuck
        await core.authorizer.drain()
        books, _ = await books_of(core.ledger, [1])
        return late[["response_code", "replayed"]].tolist(), core.authorizer.counters.expired, books[1][1]

    told = [(b"00", 1), (b"51", 1), (b"91", 0)]
    assert with_warm_core(act, turns_max=1) == (told, 1, 1_000)


def test_a_decline_is_told_though_the_disk_hangs_and_an_approval_is_not(with_warm_core):
    """Both by their deadline: the decline as it is, the approval as 91, which stands: what it held is let go."""
    made = cards()
    made["state"][1] = CardState.LOST
    requests = purchase(0), purchase(1), reversal(purchase(2))

    async def act(core):
        core.authorizer.journal = hanging = HangingJournal(core.journal)
        codes = await core.codes(*[soon(one, SOON_MS) for one in requests])
        told = core.authorizer.counters.told_by_time
        hanging.go.set()
        await core.authorizer.drain()
        again = await core.codes(*[soon(one, LONG_MS) for one in requests[:2]])
        books, _ = await books_of(core.ledger, [0])
        return codes, told, again, books[0][1]

    assert with_warm_core(act, directory(made)) == (["91", "41", "91"], 3, ["91", "41"], 0)


def test_others_pass_a_call_that_is_late_and_are_answered_at_once(with_warm_core):
    """Whoever has time waits on; those that come meanwhile don't, and the ledger is asked again when it has answered."""

    async def act(core):
        core.books.late_s = 0.05
        core.books.ledger = hanging = HangingLedger(core.ledger)
        patient = asyncio.ensure_future(core.codes(soon(purchase(0), LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        codes = await core.codes(soon(purchase(1), LONG_MS))
        assert (core.books.overdue, patient.done()) == (1, False)
        hanging.go.set()
        codes += await patient
        return [*codes, *await core.codes(soon(purchase(1), LONG_MS))], core.books.overdue

    assert with_warm_core(act, turns_max=1) == (["91", "00", "00"], 0)


def test_who_comes_while_the_ledger_hangs_is_answered_as_the_programme_says(with_warm_core):
    """One after the other into the same absence: none of them expires behind the one that waits for the ledger."""

    async def act(core):
        core.books.late_s = SOON_MS / 2_000
        core.books.ledger = hanging = HangingLedger(core.ledger)
        asked = [asyncio.ensure_future(core.codes(soon(purchase(0), SOON_MS)))]
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        asked += [asyncio.ensure_future(core.codes(soon(purchase(card), SOON_MS))) for card in (1, 2, 3)]
        codes = [code for each in asked for code in await each]
        hanging.go.set()
        await core.authorizer.drain()
        return codes, core.authorizer.counters.expired

    assert with_warm_core(act, directory(posture=Posture.NETWORK), turns_max=1) == (["N0"] * 4, 0)


def test_a_session_that_was_interrupted_leaves_nothing_held_for_whoever_heard_91(with_warm_core):
    """What it was asked arrives after the fence, and holds nothing; or before, and is voided."""

    class Interrupted(HangingLedger):
        """Carries a batch of transfers out, or sends it late, and tells neither."""

        def __init__(self, ledger):
            super().__init__(ledger)
            self.batches = []

        def __getattr__(self, name):
            async def call(batch):
                self.batches.append(batch.copy())
                if len(self.batches) == 1:
                    await self._ledger.create_transfers(batch)
                raise LedgerError("another session has taken its place")

            return call if name == "create_transfers" else getattr(self._ledger, name)

    async def act(core):
        core.books.ledger = interrupted = Interrupted(core.ledger)
        codes = await core.codes(soon(purchase(0), LONG_MS)) + await core.codes(soon(purchase(1), LONG_MS))
        unknown = core.books.unknown
        core.books.ledger = core.ledger
        await core.authorizer.drain()
        # The second's batch had been sent by a session that is gone: it comes now.
        await core.ledger.create_transfers(interrupted.batches[1])
        counts = unknown, core.books.unknown, core.books.unknown_resolved, core.books.zombies_voided
        return codes, counts, await books_of(core.ledger, [0, 1])

    codes, counts, (books, _) = with_warm_core(act)
    assert codes == ["91", "91"]
    assert counts == (2, 0, 2, 1)
    assert [books[card][1] for card in (0, 1)] == [0, 0]


def test_a_ledger_that_failed_where_nothing_was_to_be_held_is_asked_again(with_warm_core):
    """What stood in waits until it is there, and nobody else may come to ask."""
    made = cards()
    made["state"][0] = CardState.LOST

    class Failing(HangingLedger):
        """Loses the first question."""

        def __getattr__(self, name):
            async def call(*arguments):
                if not self.go.is_set():
                    self.go.set()
                    raise LedgerError("the session was lost")
                return await getattr(self._ledger, name)(*arguments)

            return call

    async def act(core):
        core.books.ledger = Failing(core.ledger)
        codes = await core.codes(soon(purchase(0), LONG_MS))
        await core.authorizer.drain()
        return codes, core.books.is_there

    assert with_warm_core(act, directory(made)) == (["41"], True)


def test_a_ledger_that_stops_before_it_tells_what_it_holds_stops_the_core_and_the_next_voids_it(
    with_warm_core,
):
    """Whoever heard 91 is not left with a hold until somebody else happens to ask."""

    class Stopping(HangingLedger):
        """Carries a batch of transfers out and does not tell, and then has stopped."""

        def __getattr__(self, name):
            async def call(batch):
                if self.go.is_set():
                    raise LedgerStopped("the engine has stopped")
                self.go.set()
                await self._ledger.create_transfers(batch)
                raise LedgerError("the session was lost")

            return call if name == "create_transfers" else getattr(self._ledger, name)

    async def act(core):
        core.books.ledger = Stopping(core.ledger)
        codes = await core.codes(soon(purchase(0), LONG_MS))
        await core.authorizer.drain()
        books, _ = await books_of(core.ledger, [0])
        return codes, isinstance(core.authorizer.stopped, LedgerStopped), books[0][1]

    async def again(core):
        books, _ = await books_of(core.ledger, [0])
        return books[0][1]

    assert with_warm_core(act) == (["91"], True, 1_000)
    assert with_warm_core(again) == 0


def test_a_ledger_that_stops_when_all_who_asked_are_answered_without_it_stops_the_core(with_warm_core):
    """It may hold what they were not promised: nobody has to ask again before a restart looks."""

    class Stopping(HangingLedger):
        """Carries out what it was asked while nobody waits any more, and has stopped."""

        def __getattr__(self, name):
            async def call(batch):
                if name == "create_transfers":
                    await self._ledger.create_transfers(batch)
                await self.go.wait()
                raise LedgerStopped("the engine has stopped")

            return call

    async def act(core):
        core.books.ledger = stopping = Stopping(core.ledger)
        codes = await core.codes(soon(purchase(0), TAKEN_MS))
        stopping.go.set()
        await core.authorizer.drain()
        return codes, isinstance(core.authorizer.stopped, LedgerStopped)

    assert with_warm_core(act) == (["91"], True)


def test_a_ledger_that_has_stopped_is_away_though_an_older_call_is_answered_yet(with_warm_core):
    """The core does not go on as if it were there."""

    class Stopped(HangingLedger):
        """Answers nothing more."""

        def __getattr__(self, _name):
            async def call(_batch):
                raise LedgerStopped("the engine has stopped")

            return call

    async def act(core):
        ledger = core.books.ledger
        core.books.ledger = hanging = HangingLedger(ledger)
        first = asyncio.ensure_future(core.codes(soon(purchase(0), LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        core.authorizer.journal = disk = HangingJournal(core.journal)
        core.books.ledger = Stopped(ledger)
        second = asyncio.ensure_future(core.codes(soon(purchase(1), LONG_MS)))
        await asyncio.wait_for(disk.asked.wait(), WAIT_S)
        disk.asked.clear()
        hanging.go.set()
        await asyncio.wait_for(disk.asked.wait(), WAIT_S)
        disk.go.set()
        codes = await first + await second
        await core.authorizer.drain()
        return codes, isinstance(core.authorizer.stopped, LedgerStopped)

    assert with_warm_core(act) == (["00", "91"], True)


def test_more_than_turns_decide_in_the_time_given_is_refused_and_counted(with_warm_core):
    """What waits already is known, and how long turns take; an idle core takes whatever comes."""

    async def act(core):
        core.authorizer._limits = CoreLimits(turns_max=1, queue_s_max=0.05)
        for _ in range(200):
            core.authorizer._waiting.pace.took(1, 0.01)
            core.authorizer._waiting.pace.took(100, 1.0)
        core.books.ledger = hanging = HangingLedger(core.ledger)
        sent = [asyncio.ensure_future(core.codes(soon(purchase(0), LONG_MS)))]
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        many = [soon(purchase(1, amount_minor=1), LONG_MS) for _ in range(MANY)]
        sent += [core.send(*many)]
        with pytest.raises(Overloaded):
            core.send(soon(purchase(7), LONG_MS))
        hanging.go.set()
        await asyncio.gather(*sent)
        return core.authorizer.counters.refused, core.authorizer.counters.requests

    assert with_warm_core(act) == (1, MANY + 3)


def test_time_is_counted_on_the_loop_whatever_the_clock_does_meanwhile(with_warm_core):
    """Stepped an hour ahead while a request waits, it takes nothing from anybody."""

    async def act(core):
        core.books.ledger = hanging = HangingLedger(core.ledger)
        asked = asyncio.ensure_future(core.codes(soon(purchase(0), LONG_MS)))
        await asyncio.wait_for(hanging.asked.acquire(), WAIT_S)
        core.authorizer._clock_ns = lambda: time.time_ns() + 3_600 * 10**9
        hanging.go.set()
        return await asked

    assert with_warm_core(act) == ["00"]


def test_turns_that_follow_each_other_take_what_came_meanwhile_together(with_warm_core, monkeypatch):
    """Ten requests, one after the other, soon after a turn: one turn for all; the first after a pause goes at once."""

    async def act(core):
        for name in ("TURN_S", "TURN_S_MAX", "TURN_EACH_S"):
            monkeypatch.setattr(f"server.core.pace.{name}", 5.0)
        first = await core.codes(soon(purchase(0), LONG_MS))
        turns = core.authorizer.counters.turns
        asked = []
        for card in range(10):
            asked.append(asyncio.ensure_future(core.codes(soon(purchase(card), LONG_MS))))
            await asyncio.sleep(0)
        codes = [code for answer in asked for code in await answer]
        return first + codes, core.authorizer.counters.turns - turns

    assert with_warm_core(act) == (["00"] * 11, 1)


def test_a_turn_that_waits_begins_at_once_when_many_have_come(with_warm_core, monkeypatch):
    """However long the pause after the one before it."""

    async def act(core):
        for name in ("TURN_S", "TURN_S_MAX", "TURN_EACH_S"):
            monkeypatch.setattr(f"server.core.pace.{name}", LONG_MS / 1_000)
        codes = await core.codes(soon(purchase(0), LONG_MS))
        one = asyncio.ensure_future(core.codes(soon(purchase(1), LONG_MS)))
        await asyncio.sleep(0)
        monkeypatch.setattr("server.core.authorizer._ALWAYS", 2)
        other = await asyncio.wait_for(core.codes(soon(purchase(2), LONG_MS)), WAIT_S)
        return codes + await one + other

    assert with_warm_core(act) == ["00"] * 3
