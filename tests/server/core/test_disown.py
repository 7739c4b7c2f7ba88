"""What fronts answered in the core's stead is taken over, whatever the core had said."""

import asyncio
import time

import numpy as np
import pytest

from ledger.book import LedgerError
from server.core.directory import Posture
from server.core.disown import Disowned, disowning
from server.core.entries import EntryState
from server.core.record import Operation
from tests.server.core.lives import advise, clear, reverse
from tests.server.core.scene import Core, directory, limit, purchase

ANSWERED = b"N0"


def disown(*requests, code=ANSWERED):
    """REQUEST[n] of a front that answered these."""
    batch = np.concatenate(requests)
    return disowning(batch, np.full(len(batch), code, "S2"))


@pytest.fixture
def run(tmp_path):
    """Runs an act on a core; its whole state must be what its journal says."""

    def runs(act, known=None, **options):
        async def whole():
            core = await Core(tmp_path, known or directory(), **options).start()
            try:
                return await act(core)
            finally:
                await core.stop()

        return asyncio.run(whole())

    return runs


async def again(core, home_known=None):
    """The core after a crash: what its journal says of it."""
    await core.stop()
    return await Core(core.home, home_known or core.directory).start()


def entries(core, *requests):
    """The entries of these authorizations, without what is not the journal's."""
    return core.state.repeats.find(np.concatenate(requests)["authorization_id"])


def test_an_approval_that_a_front_answered_is_let_go_and_its_repeat_gets_the_fronts_answer(run):
    """No hold stands, the balance is whole, and the key says what its sender was told."""
    asked = purchase(0)

    async def act(core):
        first = await core.codes(asked)
        await core.ask(disown(asked))
        repeat = await core.ask(asked)
        left = await core.ask(purchase(0, amount_minor=100_000))
        return first, repeat, left, entries(core, asked)["state"].tolist()

    first, repeat, left, states = run(act)
    assert first == ["00"]
    assert repeat["response_code"].tolist() == [ANSWERED]
    assert repeat["replayed"].tolist() == [1]
    assert repeat["approved_minor"].tolist() == [0]
    assert repeat["authorization_code"].tolist() == [b""]
    assert left["response_code"].tolist() == [b"00"]
    assert states == [EntryState.DONE]


def test_a_key_that_the_core_never_saw_is_entered_as_answered(run):
    """A later copy gets the front's answer, other content under the key gets 94."""
    asked = purchase(1)
    other = asked.copy()
    other["content"] = [[3, 4]]

    async def act(core):
        await core.ask(disown(asked))
        return await core.codes(asked, other), await core.codes(purchase(1, amount_minor=100_000))

    assert run(act) == ([ANSWERED.decode(), "94"], ["00"])


def test_a_declines_code_becomes_the_fronts(run):
    """One key, one answer."""
    asked = purchase(2, amount_minor=500_000)

    async def act(core):
        declined = await core.codes(asked)
        await core.ask(disown(asked))
        return declined, await core.codes(asked)

    assert run(act) == (["51"], [ANSWERED.decode()])


def test_what_a_front_said_without_reasons_is_repeated_without_any(run):
    """The core had decided the same code, the network to be asked, with all that it knew."""
    asked = purchase(1)
    said = ["response_code", "reasons", "available_minor", "risk_score"]

    async def act(core):
        core.books.ledger = Lost(core.ledger)
        decided = await core.ask(asked)
        core.books.ledger = core.ledger
        await core.authorizer.drain()
        for _ in range(2):
            await core.ask(disown(asked))
        return decided[said].tolist(), (await core.ask(asked))[said].tolist()

    decided, again = run(act, directory(posture=Posture.NETWORK))
    assert decided[0][0] == again[0][0] == ANSWERED
    assert decided[0][1] != 0
    assert again[0][1] == 0


class Lost:
    """A ledger whose every call fails."""

    def __init__(self, ledger):
        self._ledger = ledger

    def __getattr__(self, _name):
        async def call(*_arguments):
            raise LedgerError("the session was lost")

        return call


def test_a_decline_that_was_told_before_it_was_on_disk_keeps_what_was_told_with_it(run):
    """Its front says what the core told: the same code, of which nothing is to be taken back."""
    asked = purchase(2, amount_minor=500_000)
    said = ["response_code", "reasons", "available_minor", "risk_score"]

    async def act(core):
        told = await core.ask(asked)
        await core.ask(disown(asked, code=b"51"))
        return told[said].tolist(), (await core.ask(asked))[said].tolist()

    told, again = run(act)
    assert told == again
    assert told[0][1] != 0


def test_a_key_of_other_content_is_left_alone_when_a_front_answered_it(run):
    """The front could not know that it was a conflict."""
    asked = purchase(0)
    other = asked.copy()
    other["content"] = [[3, 4]]

    async def act(core):
        await core.ask(asked)
        await core.ask(disown(other))
        return await core.codes(asked), (await core.ask(clear(asked, 1_000)))["response_code"].tolist()

    assert run(act) == (["00"], [b"00"])


def test_what_a_disowned_approval_consumed_is_given_back(run):
    """A limit of one purchase a day."""
    asked = purchase(0)

    async def act(core):
        before = await core.codes(asked, purchase(0))
        await core.ask(disown(asked))
        return before, await core.codes(purchase(0))

    known = directory(limits=(limit("amount", "day", 1_500),))
    assert run(act, known) == (["00", "61"], ["00"])


def test_an_advice_is_held_after_a_front_had_answered(run):
    """The network stood in for the front's 91: it stands."""
    approved, unknown = purchase(0), purchase(1)

    async def act(core):
        await core.ask(approved)
        await core.ask(disown(approved, unknown))
        answers = await core.ask(advise(approved), advise(unknown))
        return answers["response_code"].tolist(), answers["held"].tolist()

    assert run(act) == ([b"00", b"00"], [1, 1])


def test_a_reversal_that_comes_before_or_after_finds_nothing_held(run):
    """And answers 00, as any reversal of what is not there."""
    before, after = purchase(0), purchase(1)

    async def act(core):
        await core.ask(reverse(before))
        await core.ask(disown(before, after))
        return await core.codes(reverse(after)), await core.codes(before, after)

    assert run(act) == (["00"], ["05", ANSWERED.decode()]) or run(act)[0] == ["00"]


def test_an_approval_that_a_repeat_got_meanwhile_is_not_taken_back(run):
    """Its sender has heard 00 since: the hold stands."""
    asked = purchase(0)
    repeated = asked.copy()
    repeated["arrival_ns"] = time.time_ns()

    async def act(core):
        await core.ask(asked)
        repeat = await core.codes(repeated)
        await core.ask(disown(asked))
        return (
            repeat,
            await core.codes(asked),
            (await core.ask(clear(asked, 1_000)))["approved_minor"].tolist(),
        )

    assert run(act) == (["00"], ["00"], [1_000])


def later(*requests):
    """The same requests, arrived now."""
    batch = np.concatenate(requests)
    batch["arrival_ns"] = time.time_ns()
    return batch


def test_an_approval_that_was_lost_with_a_front_goes_when_another_answered_the_retry(run):
    """Nobody has heard it: not from the front that died, nor from the one that gave up before the core's repeat came."""
    asked, other = purchase(0), purchase(1)

    async def act(core):
        core.authorizer.lose(await core.ask(asked, other))
        retry = later(asked, other)
        repeat = await core.codes(retry[:1])
        core.authorizer.take_over(retry, np.full(2, ANSWERED))
        whole = purchase(0, amount_minor=100_000), purchase(1, amount_minor=100_000)
        return repeat, await core.codes(asked, other), await core.codes(*whole)

    assert run(act) == (["00"], [ANSWERED.decode()] * 2, ["00", "00"])


def test_a_repeat_that_was_lost_with_its_front_bars_nothing(run):
    """The first answer was lost, then its repeat: the third try heard the front's code alone."""
    asked = purchase(0)

    async def act(core):
        core.authorizer.lose(await core.ask(asked))
        core.authorizer.lose(await core.ask(later(asked)))
        core.authorizer.take_over(later(asked), np.full(1, ANSWERED))
        return await core.codes(asked)

    assert run(act) == [ANSWERED.decode()]


def test_a_lost_repeat_takes_nothing_back_where_the_first_answer_was_heard(run):
    """Only what nobody heard goes."""
    asked = purchase(0)

    async def act(core):
        await core.ask(asked)
        core.authorizer.lose(await core.ask(later(asked)))
        core.authorizer.take_over(later(asked), np.full(1, ANSWERED))
        return await core.codes(asked)

    assert run(act) == ["00"]


def test_a_late_repeat_waits_for_what_is_about_to_be_taken_back(run):
    """What is queued counts, though no turn has taken it: the repeat is not told the approval that goes."""
    asked = purchase(0)

    async def act(core):
        await core.ask(asked)
        core.authorizer.take_over(asked, np.full(1, ANSWERED))
        late = later(asked)
        late["arrival_ns"] -= 400_000_000
        late["deadline_ms"] = 300
        told = await core.codes(late)
        return told, await core.codes(asked), await core.codes(purchase(0, amount_minor=100_000))

    assert run(act) == (["91"], [ANSWERED.decode()], ["00"])


def test_many_that_are_taken_over_go_in_pieces_and_before_all_else(run):
    """More than a batch of them: each is what its sender was told, also to who repeats it meanwhile."""
    count = 2_500

    async def act(core):
        many = np.concatenate([purchase(card % 4, amount_minor=1) for card in range(count)])
        core.authorizer.take_over(many, np.full(count, ANSWERED))
        return set(await core.codes(many))

    assert run(act) == {ANSWERED.decode()}


def test_who_waits_for_what_is_not_taken_back_after_all_is_answered_at_once(run):
    """Two words of one try: the second changes nothing, and a repeat that waited for it gets the first."""
    asked = purchase(0)

    async def act(core):
        await core.ask(asked)
        core.authorizer.take_over(asked, np.full(1, ANSWERED))
        core.authorizer.take_over(asked, np.full(1, b"91"))
        repeat = later(asked)
        repeat["deadline_ms"] = 60_000
        return await core.codes(repeat)

    assert run(act) == [ANSWERED.decode()]


def test_a_repeat_that_a_front_answered_takes_nothing_back(run):
    """It arrived when its key had been answered: its sender has heard that, and it stands; declines too."""
    approved, declined = purchase(0), purchase(1, amount_minor=500_000)

    async def act(core):
        await core.ask(approved, declined)
        again = np.concatenate([approved, declined])
        again["arrival_ns"] = time.time_ns()
        await core.ask(disown(again))
        cleared = await core.ask(clear(approved, 1_000))
        return await core.codes(approved, declined), cleared["approved_minor"].tolist()

    assert run(act) == (["00", "51"], [1_000])


def test_what_the_decided_try_heard_stands_when_a_front_answered_another(run):
    """Two tries at once by two fronts: the first is approved and hears it, the other front had given up."""
    asked = purchase(0)
    other = asked.copy()
    other["arrival_ns"] -= 1

    async def act(core):
        await core.ask(asked)
        await core.ask(disown(other))
        return await core.codes(asked, purchase(0, amount_minor=100_000))

    assert run(act) == ["00", "51"]


def test_what_is_disowned_comes_first_when_a_repeat_came_in_the_same_batch(run):
    """The repeat that arrived before it gets the front's answer, not the approval that goes."""
    asked = purchase(0)

    async def act(core):
        await core.ask(asked)
        repeat = core.send(asked)
        disowned = core.send(disown(asked))
        return (await repeat)["response_code"].tolist(), (await disowned)["response_code"].tolist()

    assert run(act) == ([ANSWERED], [b"00"])


def test_what_is_still_being_decided_is_disowned_once_it_is_decided(run):
    """All three at once: the request, its repeat, and the front that gave up."""
    asked = purchase(0)

    async def act(core):
        first, repeat, disowned = core.send(asked), core.send(asked), core.send(disown(asked))
        _, said, _ = await asyncio.gather(first, repeat, disowned)
        return said["response_code"].tolist(), await core.codes(purchase(0, amount_minor=100_000))

    assert run(act) == ([ANSWERED], ["00"])


def test_it_is_taken_over_once_however_often_a_front_says_it(run):
    """A front that lost the core's word says it again."""
    asked = purchase(0)

    async def act(core):
        await core.ask(asked)
        await core.ask(disown(asked), disown(asked))
        await core.ask(disown(asked))
        return await core.codes(asked, purchase(0, amount_minor=100_000))

    assert run(act) == [ANSWERED.decode(), "00"]


def test_a_fronts_code_stands_whether_the_cores_own_91_comes_before_or_after_it(run):
    """Both gave up the same try, and the front is the one that spoke."""
    before, after = purchase(0), purchase(1)

    async def act(core):
        await core.ask(before, after)
        await core.ask(disown(before, code=b"91"))
        await core.ask(disown(before, after))
        await core.ask(disown(after, code=b"91"))
        return await core.codes(before, after)

    assert run(act) == ([ANSWERED.decode()] * 2)


def test_the_state_is_the_journals_when_fronts_had_answered(run):
    """Read back after a crash, every entry is what it was, byte for byte."""
    held, declined, unknown, stands = (purchase(card) for card in range(4))
    declined["amount_minor"] = 500_000

    async def act(core):
        await core.ask(held, declined, stands)
        await core.ask(disown(held, declined, unknown))
        before = entries(core, held, declined, unknown, stands).tobytes()
        core = await again(core)
        try:
            after = entries(core, held, declined, unknown, stands).tobytes()
            return before == after, await core.codes(held, declined, unknown, stands)
        finally:
            await core.stop()

    told = ANSWERED.decode()
    assert run(act) == (True, [told, told, told, "00"])


def test_it_is_carried_out_after_a_crash_when_only_its_intent_was_on_disk(run):
    """The hold goes, and the answer is the front's."""
    asked = purchase(0)

    async def act(core):
        await core.ask(asked)
        lifecycle, carried = core.lifecycle, asyncio.Event()

        async def never(_intents, _finds):
            carried.set()
            await asyncio.Event().wait()

        lifecycle.carry_out = never
        core.send(disown(asked)).close()
        await asyncio.wait_for(carried.wait(), 30)
        core = await again(core)
        try:
            return core.decided_at_start, await core.codes(asked, purchase(0, amount_minor=100_000))
        finally:
            await core.stop()

    assert run(act) == (1, [ANSWERED.decode(), "00"])


def test_a_disown_is_a_message_of_the_cores_own():
    """Its id follows from the authorization's; its own low byte is the legs'."""
    asked = purchase(0)
    made = disown(asked)
    assert made["operation"].tolist() == [Operation.DISOWN]
    assert made["original_id"].tolist() == asked["authorization_id"].tolist()
    assert made["authorization_id"].tolist() == disown(asked)["authorization_id"].tolist()
    assert made["authorization_id"].tolist() != disown(asked, code=b"91")["authorization_id"].tolist()
    assert (made["authorization_id"][:, 0] & np.uint64(0xFF)).tolist() == [0]
    assert made["content"].tolist() == asked["content"].tolist()


def test_a_repeat_waits_for_the_last_of_what_takes_its_answer_back():
    """The core's own 91, a front's code, and another front's: the first that is done tells nobody to go on."""
    asked = purchase(0)
    disowned = Disowned(lambda _identifiers: None)
    other = asked.copy()
    other["arrival_ns"] += 1
    messages = [disown(asked, code=b"91"), disown(asked), disown(other)]
    for message in messages:
        disowned.queued(message)
    for message in messages:
        assert disowned.awaited(asked["authorization_id"]).all()
        disowned.done(message)
    assert not disowned.awaited(asked["authorization_id"]).any()
