"""What a restart must not forget, after a drain (by the snapshot) and after a kill (by the journal)."""

import signal

import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.processes import free_port
from tests.end_to_end.callers import calling, funded_minor, purchase, reversal, same
from tests.end_to_end.serving import NOWHERE, TRUSTED_FROM, Holdfast, fresh_home

AWAY = {"HOLDFAST_DATABASE_URL": NOWHERE}
CARD = TRUSTED_FROM + 3


class Story:
    """One card's messages before a restart, and what was answered to each."""

    def __init__(self, caller):
        self.approved = purchase(CARD, 5_000)
        self.reversed = purchase(CARD, 700)
        self.declined = purchase(CARD, 10**9)
        self.partial = purchase(CARD + 1, 10**9, partial_approval_allowed=True)
        self.never_arrived = purchase(CARD, 900)
        self.reversal = reversal(self.reversed)
        self.early_reversal = reversal(self.never_arrived)
        self.requests = [self.approved, self.reversed, self.declined, self.partial]
        self.requests += [purchase(CARD + 2, pin_verification=pb.CHECK_RESULT_MISMATCH) for _ in range(3)]
        self.answers = [caller.authorize(request) for request in self.requests]
        self.reversals = [self.reversal, self.early_reversal]
        self.reversal_answers = [caller.reverse(message) for message in self.reversals]
        self.explanation = caller.explain(self.answers[0].authorization_id)
        codes = [answer.response_code for answer in self.answers]
        assert codes == ["00", "00", "51", "10", "55", "55", "55"]


@pytest.fixture(scope="module", params=["a drain", "a kill", "a drain and a kill"])
def after(request):
    """The story, and a caller of the server after the restart."""
    home = fresh_home()
    server = Holdfast(home, environment=AWAY, port=free_port())
    endings = {"a drain": [signal.SIGTERM], "a kill": [signal.SIGKILL]}.get(
        request.param, [signal.SIGTERM, signal.SIGKILL]
    )
    try:
        with calling(server.ready().target) as caller:
            story = Story(caller)
        for number in endings:
            server.send(number)
            server.ended()
            server = Holdfast(home, environment=AWAY, port=server.port)
            server.ready()
        with calling(server.target) as caller:
            yield story, caller
        assert server.stop() == 0, server.output
    finally:
        if server.process.poll() is None:
            server.kill()


def test_repeats_get_their_first_answers_after(after):
    """Approvals, declines and partial approvals come again as they were, and so do reversals."""
    story, caller = after
    for message, first in zip(story.requests, story.answers, strict=True):
        again = caller.authorize(message)
        assert again.replayed
        assert same(first, again)
    for message, first in zip(story.reversals, story.reversal_answers, strict=True):
        again = caller.reverse(message)
        assert again.replayed
        assert same(first, again)


def test_reused_key_still_answers_94_after(after):
    """What a key stood for is remembered."""
    story, caller = after
    other = pb.AuthorizeRequest()
    other.CopyFrom(story.approved)
    other.amount_minor += 1
    assert caller.authorize(other).response_code == "94"


def test_original_of_an_early_reversal_is_not_held_after(after):
    """A reversal that came first is remembered until its original comes."""
    story, caller = after
    late = caller.authorize(story.never_arrived)
    assert (late.response_code, late.reasons[0]) == ("05", "reversed_before_arrival")


def test_wrong_pins_are_remembered_after(after):
    """A restart gives nobody three more tries."""
    _, caller = after
    answer = caller.authorize(purchase(CARD + 2, pin_verification=pb.CHECK_RESULT_MATCH))
    assert answer.response_code == "75"


def test_explanation_is_the_same_after(after):
    """Everything that an explanation says comes from what is kept."""
    story, caller = after
    assert caller.explain(story.answers[0].authorization_id) == story.explanation


def test_hold_from_before_is_released_after(after):
    """Balances are what they were, and a reversal finds its original."""
    story, caller = after
    assert caller.available_minor(CARD) == funded_minor(CARD) - 5_000
    assert caller.reverse(reversal(story.approved)).released_minor == 5_000
    assert caller.reverse(reversal(story.reversed)).released_minor == 0
    assert caller.available_minor(CARD) == funded_minor(CARD)
