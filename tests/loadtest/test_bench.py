"""The bench: how rounds become a result, and a tiny run against a stand-in for Holdfast."""

import json

import pytest

from loadtest.bench import BenchOptions, Client, judge, measure_in_turns
from loadtest.closed_loop import LINK, UNARY, Case
from loadtest.processes import ServerFailed, empty_server_command, running
from loadtest.sides import EMPTY, HOLDFAST, Side

CASE = Case("unary", UNARY, connections=1, in_flight=4)


def measured(**changes):
    """A faultless run of five seconds."""
    run = {
        "rate": 100.0,
        "answered": 500,
        "unanswered": 0,
        "elapsed_s": 5.0,
        "codes": {"00": 500},
        "client_cpu": 0.3,
        "server_cpu": 1.2,
        "other_cpu": 0.0,
        "late_s": 0.0,
    }  # fmt: skip - two rows read best
    return {**run, **changes}


def judged(holdfast=(), empty=()):
    runs = {HOLDFAST: list(holdfast) or [measured()], EMPTY: list(empty) or [measured(rate=200.0)]}
    return judge(CASE, runs, 5.0)


def test_result_is_the_ratio_of_the_medians():
    """One slow round moves neither rate nor ratio."""
    result = judged([measured(rate=rate) for rate in (90.0, 100.0, 1.0)], [measured(rate=200.0)])
    assert (result["holdfast_per_s"], result["empty_per_s"], result["ratio"]) == (90.0, 200.0, 0.45)
    assert (result["valid"], result["reasons"], result["warnings"]) == (True, [], [])


@pytest.mark.parametrize(
    ("side", "changes", "reason"),
    [
        (HOLDFAST, {"codes": {"00": 94, "51": 6}}, "only 94.0% of Holdfast's answers are 00"),
        (HOLDFAST, {"codes": {}}, "only 0.0%"),
        (HOLDFAST, {"unanswered": 3}, "3 messages to holdfast were never answered"),
        (EMPTY, {"client_cpu": 0.96}, "the client was the limit against empty"),
        (HOLDFAST, {"client_cpu": 0.95}, "the client was the limit against holdfast"),
        (EMPTY, {"elapsed_s": 1.0}, "empty answered all there was to send"),
    ],
)
def test_result_is_invalid_with_the_reason(side, changes, reason):
    """Too few approvals, lost answers, a client at its limit or too short a run: each is named."""
    result = judged(
        **{side: [measured(), measured(**changes)] if "codes" not in changes else [measured(**changes)]}
    )
    assert not result["valid"]
    assert reason in result["reasons"][0]


def test_busy_neighbours_are_a_warning():
    """Somebody else's load on the machine makes a result doubtful, not invalid."""
    result = judged(empty=[measured(other_cpu=0.8)])
    assert result["valid"]
    assert "quiet machine" in result["warnings"][0]


def test_cpu_stays_unknown_where_the_system_does_not_tell():
    """Without /proc the server's CPU is null, and nothing else is lost."""
    result = judged([measured(server_cpu=None, other_cpu=None)])
    assert result["server_cpu"][HOLDFAST] is None
    assert result["valid"]


def test_options_refuse_a_bench_of_nothing():
    """No rounds, cards or seconds is a mistake that is said at once."""
    with pytest.raises(ValueError, match="at least one"):
        BenchOptions(rounds=0)


def test_two_servers_are_measured_in_turns(empty_server):
    """Each round measures every case on both sides, the order swapped, and the result is JSON."""
    cases = (CASE, Case("link", LINK, connections=2, in_flight=64, frame_messages=32))
    options = BenchOptions(cards=20, seconds=0.05, rounds=2, cases=cases)
    sides = [
        Side(name, (empty_server.target,), (empty_server.pid,), cycle=True) for name in (HOLDFAST, EMPTY)
    ]
    steps = []
    with Client.running() as client:
        results = measure_in_turns(client, sides, options, steps.append)
    assert [result["case"] for result in json.loads(json.dumps(results))] == ["unary", "link"]
    assert all(result["codes"].keys() == {"00"} for result in results)
    assert [HOLDFAST in step for step in steps] == [True, False, True, False, False, True, False, True]


def test_client_that_loses_its_server_says_so():
    """A refused connection ends the bench with the reason instead of a rate."""
    with Client.running() as client:
        client.ask(prepare={"case": vars(CASE), "seed": 1, "cards": 1, "run": 1, "messages": 1})
        with pytest.raises(RuntimeError, match="lost its server"):
            client.ask(
                measure={"targets": ["127.0.0.1:1"], "seconds": 1.0, "server_pids": [], "cycle": False}
            )


def test_server_that_does_not_start_is_told_with_its_own_words(tmp_path):
    """The error carries the end of what the server wrote."""
    command = [*empty_server_command(0), "--nonsense"]
    with (
        pytest.raises(ServerFailed, match="unrecognized arguments: --nonsense"),
        running(command, "127.0.0.1:1", tmp_path / "log", ready_timeout_s=20.0),
    ):
        pass
