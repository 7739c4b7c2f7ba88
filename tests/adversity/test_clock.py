"""The machine's clock steps under a running server: answers go on within the window, money stays where it is."""

import shutil
import struct
import subprocess
import time
from pathlib import Path

import pytest

from tests.adversity.aftermath import assert_repeated, assert_sound
from tests.end_to_end.callers import Refused, calling, fresh_key, purchase
from tests.end_to_end.serving import NOWHERE, TRUSTED_FROM, fresh_home, serving

SOURCE = Path(__file__).with_name("stepped_clock.c")
CARD = TRUSTED_FROM + 30
AHEAD_S, BEHIND_S = 300, 3_600
"""A message may be sent so long after the server's clock, and so long before."""


@pytest.fixture
def stepped(tmp_path):
    """A server whose clock can be stepped, a caller, and the step: seconds from the true time."""
    library, offset = tmp_path / "stepped_clock.so", tmp_path / "offset"
    if shutil.which("cc") is None:
        pytest.skip("no C compiler to make a clock that steps")
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SOURCE)], check=True)
    offset.write_bytes(bytes(8))
    environment = {
        "HOLDFAST_DATABASE_URL": NOWHERE,
        "LD_PRELOAD": str(library),
        "STEPPED_CLOCK": str(offset),
    }

    def step(seconds):
        with offset.open("r+b", buffering=0) as file:  # in place: it is mapped
            file.write(struct.pack("<q", seconds))

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
        assert_repeated(caller, answers)
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
    assert_sound(server.home, [answer for _, answer in answers])
