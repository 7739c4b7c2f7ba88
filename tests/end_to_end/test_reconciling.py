"""Ledger, journal and PostgreSQL of a running server, held against each other."""

import asyncio
import json
import subprocess
import sys

import grpc
import numpy as np

from holdfast.v1 import authorization_pb2 as pb
from ledger import holds
from ledger.chart import AccountCode, account_id
from ledger.reconcile import Drift
from loadtest.floors import SERVICE
from server.assembly import Server
from server.core.record import id_pair
from server.settings import Settings
from tests.end_to_end.callers import clear, increment, purchase, reversal
from tests.end_to_end.serving import fresh_home

USD = 840


async def ask(channel, method, request, answer):
    """One unary call."""
    return answer.FromString(await channel.unary_unary(f"/{SERVICE}/{method}")(request.SerializeToString()))


async def lives(channel):
    """Authorizations of every end: open, raised, reversed, cleared in part, beyond the hold, without one."""
    requests = [purchase(card, 1_000) for card in range(1, 7)]
    answers = [await ask(channel, "Authorize", request, pb.AuthorizeResponse) for request in requests]
    ids = [answer.authorization_id for answer in answers]
    await ask(channel, "Increment", increment(ids[1], 500), pb.AuthorizeResponse)
    await ask(channel, "Reverse", reversal(requests[2]), pb.ReverseResponse)
    await ask(channel, "Clear", clear(ids[3], 400, final=False), pb.ClearResponse)
    await ask(channel, "Clear", clear(ids[4], 10**8), pb.ClearResponse)
    await ask(channel, "Clear", clear(amount_minor=700, pan=requests[5].pan, credit=True), pb.ClearResponse)
    return ids


def test_what_drifts_is_named_and_mended():
    """Nothing drifts by itself; a hold that nobody promised is told as a state, one that is lost as missing."""
    home = fresh_home()

    async def whole():
        server = await Server.open(Settings(home=home, port=0, metrics_port=0, reconcile_s=0))
        try:
            async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
                ids = await lives(channel)
            sound = await server.reconciler.reconcile()
            rogue = np.array([[77 << 8, 77]], np.uint64)
            account = account_id(AccountCode.CARDHOLDER, USD, 1)[0, 0]
            placed = holds.place(rogue, np.array([account]), USD, np.array([50]), 0, False)
            lost = holds.release(np.array([id_pair(ids[0])], np.uint64))
            await server.ledger.create_transfers(np.concatenate([placed, lost]))
            broken = await server.reconciler.reconcile()
            mended = await server.reconciler.mend(broken)
            return sound, ids, broken, mended, await server.reconciler.reconcile()
        finally:
            await server.close()

    sound, ids, broken, mended, after = asyncio.run(whole())
    assert (sound.drifting, sound.postgresql, sound.more) == ([], "", 0)
    assert sound.authorizations >= 7
    told = {(d.authorization_id, d.kind, d.against) for d in broken.drifting}
    rogue = f"{77:016x}{77 << 8:016x}"
    assert told == {
        (rogue, Drift.STATE, "journal"),
        (rogue, Drift.STATE, "postgresql"),
        (ids[0], Drift.MISSING, "journal"),
        (ids[0], Drift.MISSING, "postgresql"),
    }
    assert mended == 1
    assert {(d.authorization_id, d.kind) for d in after.drifting} == {(ids[0], Drift.MISSING)}

    command = [sys.executable, "-m", "server.cli", "ledger", "reconcile", "--home", str(home), "--json"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 1, told.stderr
    document = json.loads(told.stdout)
    assert {(d["authorization_id"], d["kind"]) for d in document["drifting"]} == {(ids[0], "missing")}
    assert document["postgresql"] == ""
