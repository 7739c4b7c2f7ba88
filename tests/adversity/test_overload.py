"""More than the server takes: the rest is refused at once and untouched, what was accepted is answered."""

import grpc
import pytest

from tests.end_to_end.callers import LinkCaller, Refused, calling, connected, funded_minor, purchase
from tests.end_to_end.serving import NOWHERE, TRUSTED_FROM, fresh_home, serving

EXHAUSTED = 8
SMALL = {
    "HOLDFAST_DATABASE_URL": NOWHERE,
    "HOLDFAST_WAITING_MAX": "256",
    "HOLDFAST_BATCH_MAX": "32",
    "HOLDFAST_LINK_IN_FLIGHT_MAX": "256",
    "HOLDFAST_TURNS_MAX": "1",
}
LINKS = 8
FRAMES = 6
FRAME_MESSAGES = 200
CARD = TRUSTED_FROM + 5


@pytest.fixture(scope="module")
def flooded():
    """A server with short queues, and what eight links heard that sent too much at once, by sequence."""
    with serving(fresh_home(), environment=SMALL) as server:
        requests, answers = {}, {}
        with connected(server.target) as channel:
            links = [LinkCaller(channel) for _ in range(LINKS)]
            for number, link in enumerate(links):
                for frame in range(FRAMES):
                    first = (number * FRAMES + frame) * FRAME_MESSAGES
                    messages = {first + k: purchase(CARD, 1) for k in range(FRAME_MESSAGES)}
                    requests.update(messages)
                    link.send_all(messages)
                link.end()
            for link in links:
                answers.update(link.rest())
        with calling(server.target) as caller:
            yield caller, requests, answers
        assert server.stop() == 0, server.output


def test_every_message_of_a_flood_is_answered_or_refused_by_name(flooded):
    """Each message gets an approval or RESOURCE_EXHAUSTED; some get each."""
    _, requests, answers = flooded
    assert answers.keys() == requests.keys()
    faults = {a.fault.status_code for a in answers.values() if a.WhichOneof("body") == "fault"}
    codes = {a.authorize.response_code for a in answers.values() if a.WhichOneof("body") == "authorize"}
    assert faults == {EXHAUSTED}
    assert codes == {"00"}


def test_refused_message_was_not_touched(flooded):
    """Nothing is held for what was refused, and it is decided anew when it comes again."""
    caller, requests, answers = flooded
    approved = [k for k, a in answers.items() if a.WhichOneof("body") == "authorize"]
    assert caller.available_minor(CARD) == funded_minor(CARD) - len(approved)
    refused = next(k for k, a in answers.items() if a.WhichOneof("body") == "fault")
    again = caller.authorize(requests[refused])
    assert (again.response_code, again.replayed) == ("00", False)


def test_message_beyond_the_size_limit_is_refused_by_grpc(flooded):
    """A message that is too large is not read; the server goes on."""
    caller, _, _ = flooded
    with pytest.raises(Refused) as refused:
        caller.raw("Authorize", bytes(2 << 20))
    assert refused.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert caller.authorize(purchase(CARD, 1)).response_code == "00"
