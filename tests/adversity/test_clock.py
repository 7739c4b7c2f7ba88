"""The machine's clock steps under a running server: answers go on within the window, money stays where it is."""

import time
from pathlib import Path

import pytest

from tests.end_to_end.audit import Books
from tests.end_to_end.callers import Refused, calling, fresh_key, purchase, same
from tests.end_to_end.serving import NOWHERE, TRUSTED_FROM, fresh_home, serving

LIBRARIES = [
    Path(f"/usr/lib/{machine}-linux-gnu/faketime/libfaketimeMT.so.1") for machine in ("x86_64", "aarch64")
]
LIBRARY = next((path for path in LIBRARIES if path.exists()), None)
CARD = TRUSTED_FROM + 30
AHEAD_S, BEHIND_S = 300, 3_600
"""A message may be sent so long after the server's clock, and so long before."""

pytestmark = pytest.mark.skipif(
    LIBRARY is None, reason="no libfaketime (Debian's libfaketime) to step a clock with"
)


@pytest.fixture
def stepped(tmp_path):
    """A server whose clock can be stepped, a caller, and the step: seconds from the true time."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    environment = {
        "HOLDFAST_DATABASE_URL": NOWHERE,
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(offset),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",  # a clock that is set doesn't move what measures spans
    }

    def step(seconds):
        fresh = offset.with_suffix(".new")
        fresh.write_text(f"{seconds:+d}")
        fresh.replace(offset)

    with serving(fresh_home(), environment=environment) as server, calling(server.target) as caller:
        yield server, caller, step


def sent_now():
    """A purchase, sent by the true time."""
    request = purchase(CARD, 100)
    request.key.CopyFrom(fresh_key(sent_s=int(time.time())))
    return request


def test_clock_that_steps_back_and_forth_changes_no_answer_and_no_hold(stepped):
    """Within the window nothing is noticed; beyond it messages are refused by name until it is set right again."""
    server, caller, step = stepped
    first = sent_now()
    answers = [(first, caller.authorize(first))]
    for seconds in (120, -120, 1_800, 0):
        step(seconds)
        request = sent_now()
        answers.append((request, caller.authorize(request)))
        for known, answer in answers:
            again = caller.authorize(known)
            assert again.replayed and same(answer, again)
    step(BEHIND_S + 600)
    with pytest.raises(Refused) as refused:
        caller.authorize(sent_now())
    assert "key.transmission_time" in refused.value.fields
    step(-AHEAD_S - 600)
    with pytest.raises(Refused) as refused:
        caller.authorize(sent_now())
    assert "key.transmission_time" in refused.value.fields
    step(0)
    request = sent_now()
    answers.append((request, caller.authorize(request)))
    assert {answer.response_code for _, answer in answers} == {"00"}
    assert len({answer.authorization_id for _, answer in answers}) == len(answers)
    assert server.stop() == 0
    assert "Traceback" not in server.output
    books = Books(server.home)
    books.assert_balanced()
    books.assert_agrees(answer for _, answer in answers)
