"""Every message about an authorization through the door, unary and on a link."""

import pytest

from holdfast.v1 import authorization_pb2 as pb
from server.store.portfolio import demo_pan
from tests.end_to_end.callers import (
    advise,
    clear,
    fresh_key,
    funded_minor,
    increment,
    purchase,
    reversal,
    same,
)


class OnLink:
    """The same calls as `Caller`, as messages of one link."""

    def __init__(self, link):
        self._link = link
        self._sequence = 0

    def ask(self, request):
        self._sequence += 1
        self._link.send_all({self._sequence: request})
        answer = self._link.answers(1)[self._sequence]
        return getattr(answer, answer.WhichOneof("body"))

    authorize = ask


@pytest.fixture(params=["unary", "link"])
def way(request):
    """Whoever sends the messages."""
    if request.param == "unary":
        return request.getfixturevalue("caller")
    return OnLink(request.getfixturevalue("link"))


def test_an_increment_raises_the_hold_by_so_much_or_to_so_much(way, caller, card):
    """Its answer has the authorization's id and code, and the new total; 51 leaves the hold as it was."""
    first = way.authorize(purchase(card, 1_000))
    more = way.ask(increment(first.authorization_id, 500))
    assert (more.response_code, more.approved_amount_minor) == ("00", 1_500)
    assert (more.authorization_id, more.authorization_code) == (
        first.authorization_id,
        first.authorization_code,
    )
    whole = way.ask(increment(first.authorization_id, 4_000, cumulative=True))
    assert (whole.response_code, whole.approved_amount_minor) == ("00", 4_000)
    assert whole.available_minor == funded_minor(card) - 4_000
    assert way.ask(increment(first.authorization_id, 10**9)).response_code == "51"
    assert way.ask(increment(first.authorization_id, 100, cumulative=True)).response_code == "13"
    assert caller.available_minor(card) == funded_minor(card) - 4_000


def test_a_partial_reversal_leaves_what_remains(way, caller, card):
    """By the original's key, as networks send it; then the rest."""
    request = purchase(card, 1_000)
    way.authorize(request)
    part = way.ask(reversal(request, remaining_minor=300))
    assert (part.response_code, part.released_minor) == ("00", 700)
    assert caller.available_minor(card) == funded_minor(card) - 300
    rest = way.ask(reversal(request))
    assert (rest.response_code, rest.released_minor) == ("00", 300)
    assert caller.available_minor(card) == funded_minor(card)


def test_presentments_come_below_at_and_above_the_hold(way, caller, card):
    """Several of one authorization, the last one beyond it; then one more, when nothing is held."""
    first = way.authorize(purchase(card, 1_000))
    one = way.ask(clear(first.authorization_id, 400, final=False))
    assert (one.posted_minor, one.released_minor, one.overdrawn_minor) == (400, 0, 0)
    two = way.ask(clear(first.authorization_id, 900))
    assert (two.response_code, two.posted_minor, two.released_minor) == ("00", 900, 0)
    three = way.ask(clear(first.authorization_id, 50))
    assert (three.response_code, three.posted_minor) == ("00", 50)
    assert three.authorization_id == first.authorization_id
    assert caller.available_minor(card) == funded_minor(card) - 1_350


def test_what_goes_beyond_the_balance_is_owed(way, caller, card):
    """And a refund repays it first."""
    funded = funded_minor(card)
    first = way.authorize(purchase(card, funded))
    answer = way.ask(clear(first.authorization_id, funded + 700))
    assert (answer.posted_minor, answer.overdrawn_minor) == (funded + 700, 700)
    refund = way.ask(clear(amount_minor=1_000, credit=True, pan=demo_pan(card)))
    assert (refund.response_code, refund.posted_minor) == ("00", 1_000)
    assert caller.available_minor(card) == 300


def test_a_force_post_needs_only_a_card(way, caller, card):
    """Without any authorization; a card that is none of ours is a 14."""
    answer = way.ask(clear(amount_minor=600, pan=demo_pan(card), network_reference="MCC0123456789"))
    assert (answer.response_code, answer.posted_minor) == ("00", 600)
    assert caller.available_minor(card) == funded_minor(card) - 600
    assert way.ask(clear(amount_minor=600, pan="4111111111111111")).response_code == "14"
    assert way.ask(clear("0" * 29 + "100", 600)).response_code == "25"


def test_an_advice_is_held_also_beyond_the_balance(way, caller, card):
    """The network approved in our stead; its authorization can be cleared like any other, and is owed."""
    request = purchase(card, funded_minor(card) + 500)
    advised = way.ask(advise(request))
    assert advised.response_code == "00"
    late = way.authorize(request)
    assert (late.response_code, late.authorization_code, late.stand_in, late.replayed) == (
        "00",
        "NETW01",
        True,
        True,
    )
    assert late.authorization_id == advised.authorization_id
    assert caller.available_minor(card) == 0
    cleared = way.ask(clear(advised.authorization_id, funded_minor(card) + 500))
    assert cleared.overdrawn_minor == 500


def test_an_advised_decline_lets_go_of_our_own_hold(way, caller, card):
    """We had approved, but the network answered first, and said no."""
    request = purchase(card, 1_000)
    way.authorize(request)
    assert way.ask(advise(request, "05")).response_code == "00"
    assert caller.available_minor(card) == funded_minor(card)


def test_every_message_answers_its_repeat_as_the_first_time(way, card):
    """Every field but `replayed`; other content under the same key is 94."""
    first = way.authorize(purchase(card, 1_000))
    for request in (
        increment(first.authorization_id, 100),
        pb.ReverseRequest(key=fresh_key(), authorization_id=first.authorization_id, remaining_minor=900),
        clear(first.authorization_id, 500, final=False),
    ):
        answer, again = way.ask(request), way.ask(request)
        assert not answer.replayed
        assert again.replayed
        assert same(answer, again)
    request.amount_minor = 501
    assert way.ask(request).response_code == "94"


def test_a_life_is_explained_by_all_of_its_transfers(caller, card):
    """Each with its state, oldest first."""
    first = caller.authorize(purchase(card, 1_000))
    caller.ask(increment(first.authorization_id, 500))
    caller.ask(clear(first.authorization_id, 1_200, final=False))
    told = caller.explain(first.authorization_id).transfers
    assert [(transfer.amount_minor, transfer.state) for transfer in told] == [
        (1_000, "posted"),
        (500, "posted"),
        (1_000, "posted"),
        (200, "posted"),
        (300, "pending"),
    ]
