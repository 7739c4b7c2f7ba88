"""The measuring client against the empty server, as processes and in small."""

import json
import os
import subprocess
import sys
from dataclasses import asdict

import pytest

from holdfast.v1 import authorization_pb2 as pb
from loadtest.closed_loop import (
    LINK,
    UNARY,
    Case,
    count_answers,
    link_chunks,
    measure,
    read_codes,
    unary_chunks,
)
from loadtest.floors import ANSWER, EmptyAnswers
from loadtest.http2 import LinkBroken
from loadtest.traffic import Traffic

REQUESTS = Traffic(1, 50).serialized(200, 1_790_000_000)


def small(case):
    each = len(REQUESTS) // case.connections
    parts = [REQUESTS[each * number : each * (number + 1)] for number in range(case.connections)]
    return [
        unary_chunks(part) if case.method == UNARY else link_chunks(part, case.frame_messages)
        for part in parts
    ]


@pytest.mark.parametrize("sizes", [[], [0], [1, 127, 128, 300, 20_000]])
def test_answers_are_counted_without_reading_them(sizes):
    """The count equals what protobuf reads, for answers of all lengths."""
    frame = pb.LinkResponse(answers=[pb.LinkAnswer(echo=pb.Echo(text="x" * size)) for size in sizes])
    assert count_answers(frame.SerializeToString()) == len(sizes)


def test_counting_refuses_what_is_no_frame_of_answers():
    """Bytes of another message are an error, not a number."""
    with pytest.raises(LinkBroken):
        count_answers(pb.LinkAnswer(sequence=5).SerializeToString())


def test_empty_server_renumbers_its_constant_answers():
    """Each answer carries its message's sequence and the whole constant; a second frame disturbs nothing."""
    answers = EmptyAnswers()
    for sequences in ([5, 7], [8, 2**63], [9]):
        frame = pb.LinkRequest(messages=[pb.LinkMessage(sequence=sequence) for sequence in sequences])
        response = pb.LinkResponse.FromString(answers.link(frame.SerializeToString()))
        assert [answer.sequence for answer in response.answers] == sequences
        assert all(answer.authorize == ANSWER for answer in response.answers)


def test_codes_count_faults_as_such():
    """A refused message has no response code; it is counted by name."""
    frame = pb.LinkResponse(
        answers=[pb.LinkAnswer(authorize=ANSWER), pb.LinkAnswer(fault=pb.Fault(status_code=3))]
    )
    assert read_codes(LINK, [frame.SerializeToString()]) == {"00": 1, "fault": 1}


@pytest.mark.parametrize(
    "case",
    [
        Case("unary", UNARY, connections=2, in_flight=8),
        Case("one", LINK, connections=1, in_flight=16),
        Case("many", LINK, connections=4, in_flight=64, frame_messages=32),
        Case("frames above the window", LINK, connections=1, in_flight=2_000, frame_messages=200),
    ],
    ids=lambda case: case.name,
)
def test_every_message_is_answered_once(case, empty_server):
    """All that was sent before the supply ended comes back, each with the constant's code."""
    result = measure(
        [empty_server.target], case, small(case), 5.0, server_pids=[empty_server.pid], cycle=False
    )
    assert (result.answered, result.unanswered) == (200, 0)
    assert result.codes == {"00": 200}
    assert result.rate > 0


def test_call_that_fails_is_counted_as_refused(empty_server):
    """A call that ends with an error instead of an answer can't pass for one."""
    case = Case("bad", UNARY, connections=1, in_flight=2)
    supply = [unary_chunks([REQUESTS[0], b"no request", REQUESTS[1]])]
    result = measure([empty_server.target], case, supply, 5.0, server_pids=[empty_server.pid], cycle=False)
    assert result.codes == {"00": 2, "refused": 1}


def test_cycling_sends_the_supply_again_until_time_is_up(empty_server):
    """Two hundred messages keep a link to a server without memory busy for the whole run."""
    case = Case("cycle", LINK, connections=1, in_flight=64, frame_messages=32)
    result = measure(
        [empty_server.target], case, small(case), 2.0, server_pids=[empty_server.pid], cycle=True
    )
    assert result.answered > 400
    assert 1.5 < result.elapsed_s < 30.0


def test_client_process_prepares_then_measures(empty_server):
    """The process takes a supply and then a target, and tells rate, codes and both CPUs as JSON."""
    case = asdict(Case("unary", UNARY, connections=1, in_flight=4))
    jobs = [
        {"prepare": {"case": case, "seed": 1, "cards": 10, "run": 3, "messages": 40}},
        {
            "measure": {
                "targets": [empty_server.target],
                "seconds": 5.0,
                "server_pids": [os.getpid()],
                "cycle": False,
            }
        },
        {"measure": {"targets": ["127.0.0.1:1"], "seconds": 1.0, "server_pids": [], "cycle": False}},
    ]
    done = subprocess.run(
        [sys.executable, "-m", "loadtest.closed_loop"],
        input="".join(json.dumps(job) + "\n" for job in jobs),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )  # fmt: skip - one call, one row of options
    prepared, measured, refused = map(json.loads, done.stdout.splitlines())
    assert prepared == {"prepared": 40}
    assert measured["codes"] == {"00": 40}
    assert measured["client_cpu"] >= 0
    assert "error" in refused
