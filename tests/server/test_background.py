"""What gives way to others, in the system's own words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from server.background import expendable, hasten

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
        try:
            os.sched_setscheduler(threads[0], os.SCHED_OTHER, os.sched_param(0))
        except PermissionError:
            pytest.skip("the system does not let us")
        hasten(process.pid)
        assert {os.sched_getscheduler(thread) for thread in threads} == {os.SCHED_OTHER}
    hasten(process.pid)
