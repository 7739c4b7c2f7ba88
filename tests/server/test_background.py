"""What gives way to others, in the system's own words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.background import Processors, expendable, hasten

GAVE_WAY = """
import sys, threading
from server.background import give_way
give_way()
threading.Thread(target=sys.stdin.read).start()
print("there", flush=True)
"""
"""Two threads, until its standard input ends."""

TOLD = Path("/proc/self/oom_score_adj")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone is told whom to end first")
def test_an_expendable_process_goes_first_until_that_is_taken_back():
    """Where memory runs out; afterwards as before."""
    before = TOLD.read_text()
    take_back = expendable()
    try:
        assert TOLD.read_text() == "1000\n"
    finally:
        take_back()
    assert TOLD.read_text() == before


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone has SCHED_IDLE")
def test_a_process_that_gave_way_is_as_others_once_it_is_to_end():
    """On a busy machine it would never come to its end."""
    process = subprocess.Popen(
        [sys.executable, "-c", GAVE_WAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout.readline() == "there\n"
        threads = [int(thread.name) for thread in Path(f"/proc/{process.pid}/task").iterdir()]
        assert len(threads) >= 2
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_IDLE}
        # What they use is told apart from what others do: `Processors` go by that.
        assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {19}
        try:
            os.sched_setscheduler(threads[0], os.SCHED_OTHER, os.sched_param(0))
        except PermissionError:
            pytest.skip("the system does not let us")
        hasten(process.pid)
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}
        assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {0}
    hasten(process.pid)


@pytest.mark.parametrize(
    ("before", "after", "are_busy"),
    [
        ((10, 5, 20, 100, 3, 0, 0, 0), (45, 5, 50, 120, 3, 1, 1, 1), True),  # 68 of 88
        (
            (10, 5, 20, 100, 3, 0, 0, 0),
            (45, 85, 50, 120, 3, 1, 1, 1),
            False,
        ),  # 68 of 168, 80 by who gives way
        (
            (10, 5, 20, 100, 3, 0, 0, 0),
            (45, 5, 50, 120, 83, 1, 1, 1),
            False,
        ),  # 68 of 168, 80 waiting for disks
        ((10, 5, 20, 100, 3, 0, 0, 0), (10, 5, 20, 100, 3, 0, 0, 0), False),  # no time has passed
    ],
)
def test_processors_are_busy_by_what_took_them_since_the_last_look(tmp_path, before, after, are_busy):
    """As proc(5) tells it: user, nice, system, idle, iowait, irq, softirq, steal."""
    told = tmp_path / "stat"
    told.write_text(f"cpu  {' '.join(map(str, before))} 7 7\ncpu0 1 2 3\n")
    processors = Processors(told)
    told.write_text(f"cpu  {' '.join(map(str, after))} 9 9\ncpu0 1 2 3\n")
    assert processors.are_busy() is are_busy
    assert processors.are_busy() is False


def test_processors_are_never_busy_where_nobody_tells(tmp_path):
    """Another system."""
    assert Processors(tmp_path / "stat").are_busy() is False
