"""Ledger, journal and PostgreSQL of a home, held against each other: by command when it is stopped, by its server else."""

import asyncio
import json
import re
import subprocess
import sys
import time
import urllib.request

import numpy as np

from ledger import holds
from ledger.chart import AccountCode, account_id
from ledger.embedded import EmbeddedLedger
from loadtest.processes import free_port
from server.core.record import id_pair
from tests.end_to_end.callers import calling, clear, increment, purchase, reversal
from tests.end_to_end.serving import end_postgres, fresh_home, serving

USD = 840
ROGUE = f"{77:016x}{77 << 8:016x}"
COMMAND_S = 120


def lives(caller):
    """Authorizations of every end: open, raised, reversed, cleared in part, beyond the hold, without one."""
    requests = [purchase(card, 1_000) for card in range(1, 7)]
    ids = [caller.authorize(request).authorization_id for request in requests]
    caller.ask(increment(ids[1], 500))
    caller.ask(reversal(requests[2]))
    caller.ask(clear(ids[3], 400, final=False))
    caller.ask(clear(ids[4], 10**8))
    caller.ask(clear(amount_minor=700, pan=requests[5].pan, credit=True))
    return ids


def reconciled(home, *options):
    """The command's exit status and what it says: its drifts as (authorization, kind), and its document."""
    command = [
        sys.executable,
        "-m",
        "server.cli",
        "ledger",
        "reconcile",
        "--home",
        str(home),
        "--json",
        *options,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=COMMAND_S, check=False)
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    drifts = {(d["authorization_id"], d["kind"]) for d in document["drifting"]}
    return done.returncode, drifts, document


def spoil(home, lost_id):
    """Behind everybody's back: a hold that nobody asked for, and another one gone."""
    ledger = EmbeddedLedger.open(home / "ledger", now_ns=time.time_ns, fold_transfers=0)
    try:
        rogue = np.array([[77 << 8, 77]], np.uint64)
        account = account_id(AccountCode.CARDHOLDER, USD, 1)[0, 0]
        placed = holds.place(rogue, np.array([account]), USD, np.array([50]), 0, False)
        lost = holds.release(np.array([id_pair(lost_id)], np.uint64))
        asyncio.run(ledger.create_transfers(np.concatenate([placed, lost])))
    finally:
        ledger.close_blocking()


def test_what_drifts_is_named_and_mended():
    """Nothing drifts by itself; a hold that nobody promised is told as a state, one that is lost as missing."""
    home = fresh_home()
    try:
        with serving(home) as server:
            with calling(server.target) as caller:
                ids = lives(caller)
            assert server.stop() == 0
        status, drifts, document = reconciled(home)
        assert (status, drifts) == (0, set())
        assert document["authorizations"] >= 7

        spoil(home, ids[0])
        missing, state = {(ids[0], "missing")}, {(ROGUE, "state")}
        assert reconciled(home)[:2] == (1, missing | state)
        assert reconciled(home, "--repair")[2]["voided"] == 1
        assert reconciled(home)[:2] == (1, missing)

        port = free_port()
        with serving(home, metrics_port=port, environment={"HOLDFAST_RECONCILE_S": "1"}) as server:
            server.hear("the ledger drifts")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as page:
                told = dict(
                    re.findall(r"^holdfast_ledger_drift_(\w+) (\S+)$", page.read().decode(), re.MULTILINE)
                )
        assert {kind for kind, count in told.items() if float(count)} == {"missing"}
    finally:
        end_postgres(home)
