"""What processes use: families are found, their CPU and writes added up, prices follow."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest import stages
from loadtest.price import Rates, price
from loadtest.sides import Side
from loadtest.stages import Glance, profile, read_metrics
from loadtest.usage import (
    Spent,
    ThreadUsage,
    Usage,
    command_line,
    family,
    resident_bytes,
    threads,
    usage,
)

proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc to read")

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "print('up', flush=True); input()", sys.argv[1]], stdin=subprocess.PIPE)
sum(range(3_000_000))
open(sys.argv[2], "wb").write(bytes(100_000))
print("up", flush=True)
input()
child.communicate(b"\\n")
"""


@proc
def test_a_family_is_descendants_and_those_who_carry_the_mark(tmp_path):
    """Never the process that asks, though its command line may hold the mark as well."""
    mark = str(tmp_path)
    command = [sys.executable, "-c", PARENT, mark, str(tmp_path / "written")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert [parent.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        found = family([parent.pid])
        assert len(found) == 2 and parent.pid in found
        assert family([], mark) == found
        assert os.getpid() not in family([os.getppid()], sys.executable)
        told = usage(found)
        assert told.cpu_s > 0 and told.written_bytes >= 100_000
        assert all(used.cpu_s >= 0 for used in threads(found).values())
        assert {name for _, name in threads(found)} == {"loop"}
        parent.stdin.write("\n")
        parent.stdin.flush()
        parent.wait(30)


@proc
def test_what_was_spent_is_kept_when_its_process_has_ended(tmp_path):
    """Of a new process all, of one that was there before what came since; the end takes nothing away."""
    spent, since = Spent(), Spent()
    command = [sys.executable, "-c", PARENT, str(tmp_path), str(tmp_path / "written")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert [parent.stdout.readline() for _ in range(2)] == ["up\n", "up\n"]
        pids = family([parent.pid])
        spent.look(pids)
        since.look(pids, new=False)
        assert resident_bytes(parent.pid) > 1_000_000 and command_line(parent.pid) == command
        parent.stdin.write("\n")
        parent.stdin.flush()
        parent.wait(30)
    spent.look(pids)
    since.look(pids)
    assert spent.cpu_s > 0 and spent.written_bytes >= 100_000
    assert (since.cpu_s, since.written_bytes) == (0, 0)
    assert (resident_bytes(parent.pid), command_line(parent.pid)) == (0, [])


def test_usage_that_is_unknown_stays_unknown():
    """No /proc, or another user's process: None, not nothing."""
    assert usage([]) == Usage(None, None)
    assert Usage(2.0, 30) - Usage(0.5, 10) == Usage(1.5, 20)
    assert Usage(2.0, None) - Usage(0.5, 10) == Usage(1.5, None)


def step(**changes):
    return {"answered": 1_000, "server_cpu_s": 0.5, "written_bytes": 4_000_000, "elapsed_s": 2.0, **changes}


def test_price_is_cpu_and_a_year_of_storage_at_the_rates():
    """By hand: half a millisecond at 3.60 dollars an hour, 4,000 bytes at 1 dollar a GB and month."""
    told = price(Rates(usd_per_core_hour=3.6, usd_per_gb_month=1.0), step(), cores=2)
    kept = 4_000 / 1e9 * 12
    assert (told["cpu_us"], told["written_bytes"]) == (500.0, 4_000.0)
    assert told["usd"] == pytest.approx(0.0005 * 0.001 + kept)
    assert told["usd_whole_machine"] == pytest.approx(0.004 * 0.001 + kept)


@pytest.mark.parametrize("changes", [{"answered": 0}, {"server_cpu_s": None}, {"written_bytes": None}])
def test_price_is_none_where_something_is_not_told(changes):
    """Nothing answered, or a system without /proc."""
    assert price(Rates(), step(**changes), cores=2) is None


def test_rates_below_nothing_are_refused():
    """Nobody pays us for computing."""
    with pytest.raises(ValueError, match="below 0"):
        Rates(usd_per_core_hour=-1)


PAGE = """# HELP holdfast_turns_total Batches
holdfast_turns_total {turns}
holdfast_stage_seconds_sum{{stage="score"}} {score}
holdfast_stage_seconds_sum{{stage="hold"}} 1.5
"""


def test_profile_divides_what_grew_by_the_requests():
    """Stages from the metrics, threads from the system; what takes next to nothing stands together."""
    loop, journal, idle = ("server", "loop"), ("server", "journal"), ("server", "idle")
    before = Glance(
        read_metrics(PAGE.format(turns=10, score=0.5)),
        {loop: ThreadUsage(1.0, 100), idle: ThreadUsage(0.0, 0)},
    )
    after = Glance(
        read_metrics(PAGE.format(turns=60, score=0.7)),
        {loop: ThreadUsage(1.3, 300), journal: ThreadUsage(0.1, 400), idle: ThreadUsage(0.0, 5)},
    )
    found = profile(before, after, 1_000)
    assert found["batch_mean"] == 20
    assert {line["stage"]: round(line["us_per_request"]) for line in found["stages"]} == {
        "score": 200,
        "hold": 0,
    }
    assert [(line["thread"], round(line["cpu_us_per_request"])) for line in found["threads"]] == [
        ("loop", 300),
        ("journal", 100),
        ("others", 0),
    ]
    assert found["threads"][1]["switches_per_request"] == 0.4


def test_the_imbalance_of_fronts_is_the_busiest_beside_their_mean():
    """One second and three: the mean is two. Without fronts there is none."""
    before = Glance({}, {}, {1: ("front", 5.0), 2: ("front", 5.0), 3: ("server", 5.0)})
    after = Glance({}, {}, {1: ("front", 6.0), 2: ("front", 8.0), 3: ("server", 9.0), 4: ("front", 9.0)})
    assert profile(before, after, 1)["front_imbalance"] == 1.5
    assert profile(Glance({}, {}), Glance({}, {}), 1)["front_imbalance"] is None


def test_a_server_without_metrics_still_tells_its_threads(empty_server):
    """The empty server has no stages; its loop has a name."""
    side = Side("empty", (empty_server.target,), (empty_server.pid,))
    found = profile(Glance.at(side), Glance.at(side), 1)
    assert (found["stages"], found["batch_mean"]) == ([], None)


def test_a_server_that_has_put_something_off_is_waited_for(monkeypatch):
    """By its own count of what is not shipped; one without metrics is waited for no time."""
    depths = [3.0, 1.0, 0.0]
    monkeypatch.setattr(stages, "scrape", lambda _url: {("holdfast_journal_depth", ""): depths.pop(0)})
    monkeypatch.setattr(stages, "_LOOK_S", 0)
    assert stages.catch_up(Side("it", (), (), metrics="an URL")) >= 0
    assert depths == []
    depths += [1.0, 1.0]
    monkeypatch.setattr(stages, "_CAUGHT_UP_S", -1)
    with pytest.raises(RuntimeError, match="it has not brought all rows to PostgreSQL"):
        stages.catch_up(Side("it", (), (), metrics="an URL"))


def test_a_server_with_work_of_its_own_is_waited_for_until_it_rests(monkeypatch):
    """By what its processes use; it is named where it never rests."""
    used = [0.0, 5.0, 5.0, 9.0, 9.0, 9.0]
    monkeypatch.setattr(stages, "usage", lambda _pids: Usage(used.pop(0), 0))
    monkeypatch.setattr(stages, "family", lambda _pids, _mark: [])
    monkeypatch.setattr(stages, "_REST_S", 1e-3)
    assert stages.come_to_rest(Side("it", (), ())) > 0
    assert used == []
    used += [0.0, 1.0]
    monkeypatch.setattr(stages, "_AT_REST_S", -1)
    with pytest.raises(RuntimeError, match="it has not come to rest"):
        stages.come_to_rest(Side("it", (), ()))
