"""Callers who abuse HTTP/2: an honest one is answered meanwhile, and nothing of them stays behind."""

import json
import statistics
import time
from pathlib import Path

import pytest

from loadtest.abuse import ABUSES, CONNECTIONS, beside
from tests.end_to_end.callers import calling, purchase

SECONDS = 3.0
LATENCY_MAX_S = 2.0
"""Half of an honest caller's answers come sooner, on a machine that does much else."""

MEMORY_MAX_KB = 400 * 1024
HANDLES_LEFT_MAX = 20
WAIT_S = 30.0
CLOSED_S = 120.0
"""On a machine that does much else; seen: one closed in 30 s."""


def resident_kb(process_id):
    """What a process has in memory now."""
    lines = Path(f"/proc/{process_id}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def handles(process_id):
    """How many files and connections a process has open."""
    return len(list(Path(f"/proc/{process_id}/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="the system doesn't tell of processes")
@pytest.mark.parametrize("kind", ABUSES)
def test_an_honest_caller_is_answered_while_another_abuses_the_connection(server, card, kind):
    """Every request, most of them soon; memory and handles stay bounded, and come back."""
    process_id = server.process.pid
    memory_kb, handles_before = resident_kb(process_id), handles(process_id)
    latencies_s, codes = [], set()
    with calling(server.target) as caller, beside(kind, server.target, SECONDS) as abuser:
        while abuser.poll() is None or not latencies_s:
            began_s = time.monotonic()
            codes.add(caller.authorize(purchase(card, 1)).response_code)
            latencies_s.append(time.monotonic() - began_s)
        did = json.loads(abuser.stdout.read())
    assert abuser.returncode == 0
    assert did["sent_mb"] > 0 or did["closed"] or kind == "half_open", did
    assert codes <= {"00", "59", "61", "62", "65", "1A", "51"}, codes
    assert statistics.median(latencies_s) < LATENCY_MAX_S
    assert resident_kb(process_id) - memory_kb < MEMORY_MAX_KB
    deadline_s = time.monotonic() + WAIT_S
    while handles(process_id) > handles_before + HANDLES_LEFT_MAX:
        assert time.monotonic() < deadline_s, f"{handles(process_id)} handles, {handles_before} before"


def test_a_connection_that_abuses_is_closed_where_the_protocol_says_so(server):
    """Pings before their time, and bytes that mean nothing."""
    for kind in ("pings", "rubbish"):
        closed, deadline_s = 0, time.monotonic() + CLOSED_S
        while closed < CONNECTIONS // 2:
            assert time.monotonic() < deadline_s, f"{kind}: {closed} connections closed"
            with beside(kind, server.target, SECONDS) as abuser:
                closed += json.loads(abuser.communicate(timeout=WAIT_S)[0])["closed"]
