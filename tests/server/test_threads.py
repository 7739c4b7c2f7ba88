"""CPU by thread, under the names that the program gave."""

import threading
from pathlib import Path

import pytest

from server.threads import thread_cpu_s

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="there is no /proc to read")


def test_threads_are_told_by_name_and_named_to_the_system():
    """A thread of ours stands under its name, which the system has from then on; the first one is the loop."""
    stopping = threading.Event()
    thread = threading.Thread(target=stopping.wait, name="a patient waiter")
    thread.start()
    try:
        told = thread_cpu_s()
        assert ("loop",) in told and ("a patient waiter",) in told
        assert all(seconds >= 0 for seconds in told.values())
        comm = Path(f"/proc/self/task/{thread.native_id}/comm").read_text()
        assert comm == "a patient waite\n"
    finally:
        stopping.set()
        thread.join(10)
