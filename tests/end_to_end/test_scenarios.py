"""The tables of `tests/scenarios`, row by row through the door."""

import pytest

from holdfast.v1 import authorization_pb2 as pb
from tests.end_to_end import scenarios
from tests.end_to_end.scenarios import Player, told


class Unary:
    """Messages as calls."""

    def __init__(self, caller):
        self._caller = caller

    def ask(self, request):
        if isinstance(request, pb.AuthorizeRequest):
            return self._caller.authorize(request)
        return self._caller.ask(request)


class OnLink:
    """Messages of one link, one after the other."""

    def __init__(self, link):
        self._link = link
        self._sequence = 0

    def ask(self, request):
        self._sequence += 1
        self._link.send_all({self._sequence: request})
        answer = self._link.answers(1)[self._sequence]
        return getattr(answer, answer.WhichOneof("body"))


@pytest.fixture(params=["unary", "link"])
def way(request):
    """Whoever sends the messages."""
    if request.param == "unary":
        return Unary(request.getfixturevalue("caller"))
    return OnLink(request.getfixturevalue("link"))


@pytest.mark.parametrize("scenario", scenarios.read_all(), ids=str)
def test_every_message_of_a_scenario_is_answered_as_its_table_says(way, caller, trusted_card, scenario):
    """Row by row: the code, what moved, what is owed, and what is available after it."""
    player = Player(way, trusted_card)
    player.begin()
    for number, row in enumerate(scenario.rows, start=1):
        answer = player.play(row)
        seen = [
            (row.code, answer.response_code),
            (row.moved_minor, told(answer)),
            (row.owed_minor, getattr(answer, "overdrawn_minor", None)),
            (row.available_minor, caller.available_minor(trusted_card)),
        ]
        claimed = [claim for claim, _ in seen if claim not in {None, ""}]
        assert claimed == [fact for claim, fact in seen if claim not in {None, ""}], (number, row, answer)
