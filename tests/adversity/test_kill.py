"""kill -9 in the middle of traffic, again and again: nothing that was acknowledged is lost, nothing is held unasked."""

import os
import random

import pytest

from loadtest.processes import free_port
from tests.end_to_end.audit import Books
from tests.end_to_end.callers import Persistent, calling, purchase, reversal, same
from tests.end_to_end.serving import CARDS, TRUSTED_FROM, Holdfast, end_postgres, fresh_home

KILLS = int(os.environ.get("HOLDFAST_KILLS", "2"))
MESSAGES_PER_KILL = 1_500
pytestmark = pytest.mark.campaign


def traffic(count, seed):
    """
    Messages by sequence: purchases, some for more than there is, some in part, and reversals of earlier ones.

    Returns them and, by a reversal's sequence, its original's.
    """
    draw = random.Random(seed)
    messages, originals = {}, {}
    for sequence in range(1, count + 1):
        if sequence > 50 and draw.random() < 0.15:
            original = draw.randrange(1, sequence)
            if original not in originals and original not in originals.values():
                messages[sequence] = reversal(messages[original])
                originals[sequence] = original
                continue
        messages[sequence] = purchase(
            draw.randrange(TRUSTED_FROM, TRUSTED_FROM + 60),
            draw.choice([100, 2_000, 30_000]),
            partial_approval_allowed=draw.random() < 0.3,
        )
    return messages, originals


@pytest.fixture(scope="module")
def survived():
    """What clients heard of a server that was killed KILLS times, and the books that it left."""
    messages, originals = traffic(MESSAGES_PER_KILL * (KILLS + 1), seed=2)
    home = fresh_home()
    servers = [Holdfast(home, port=free_port()).ready()]
    kill_at = [MESSAGES_PER_KILL * (k + 1) for k in range(KILLS)]
    client = Persistent(servers[0].target, messages)

    def progress(answered):
        if kill_at and answered >= kill_at[0]:
            kill_at.pop(0)
            servers[-1].kill()
            servers.append(Holdfast(home, port=servers[-1].port).ready())

    try:
        client.run(progress)
        with calling(servers[-1].target) as caller:
            sample = [k for k in client.answers if k not in originals][:: max(1, len(messages) // 200)]
            client.again = {k: caller.authorize(messages[k]) for k in sample}
        client.status = servers[-1].stop()
    finally:
        if servers[-1].process.poll() is None:
            servers[-1].kill()
        end_postgres(home)
    client.outputs = [server.output for server in servers]
    client.messages, client.originals = messages, originals
    client.books = Books(home)
    return client


def test_server_came_back_after_every_kill(survived):
    """It was killed while answers were due, each start took over, and the last one ended clean."""
    assert survived.breaks == KILLS
    assert survived.status == 0
    assert len(survived.answers) == len(survived.messages)
    assert not any("Traceback" in output for output in survived.outputs)


def test_books_balance_after_kills(survived):
    """Debits equal credits, nobody is overdrawn, every approval has exactly its hold, and no hold is anybody else's."""
    survived.books.assert_balanced()


def test_no_acknowledged_answer_is_lost_by_a_kill(survived):
    """What clients heard, before a kill or after, is what the journal says and the ledger holds."""
    reversed_sequences = set(survived.originals.values())
    survived.books.assert_agrees(
        answer
        for sequence, answer in survived.answers.items()
        if sequence not in survived.originals and sequence not in reversed_sequences
    )


def test_reversals_around_kills_release_once(survived):
    """A reversal that came after its original gave back what that had been approved for, and nothing of it is held."""
    for sequence, original in survived.originals.items():
        first = survived.answers[original]
        assert survived.answers[sequence].response_code == "00"
        assert survived.answers[sequence].released_minor == first.approved_amount_minor
        assert first.authorization_id not in survived.books.holds


def test_repeats_after_a_kill_get_their_first_answers(survived):
    """The last answers before each kill came again the same after it, and so do earlier ones."""
    assert survived.rechecked > 0
    assert not survived.mismatched
    for sequence, again in survived.again.items():
        assert again.replayed
        assert same(survived.answers[sequence], again)


def test_balances_after_kills_are_what_the_answers_say(survived):
    """For each card: its funds, less what was approved to it and not reversed, is what its account has."""
    reversed_sequences = set(survived.originals.values())
    spent = dict.fromkeys(range(CARDS), 0)
    for sequence, answer in survived.answers.items():
        if sequence in survived.originals or sequence in reversed_sequences:
            continue
        spent[survived.books.cards[answer.authorization_id]] += answer.approved_amount_minor
    pending = dict.fromkeys(range(TRUSTED_FROM, TRUSTED_FROM + 60), 0)
    for identifier, (amount,) in survived.books.holds.items():
        card = survived.books.cards[identifier]
        if card in pending:
            pending[card] += amount
    assert pending == {card: spent[card] for card in pending}
