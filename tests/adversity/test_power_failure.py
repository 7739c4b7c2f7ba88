"""
A power failure at any instant: what was not synced is lost, torn or there in any order, and nothing that was said is.

A core answers under a layer that writes down every write and sync of its journal, its ledger and its snapshots. From
any prefix of that, the files are built anew as a failing disk may leave them, and a core starts on them.
"""

import asyncio
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from ledger.chart import HOUSE, AccountCode, account_id
from tests.adversity.power_failure import Disk, entries
from tests.server.core.scene import USD, Core, directory

FAILURES = int(os.environ.get("HOLDFAST_POWER_FAILURES", "10"))
"""In the tests; `HOLDFAST_POWER_FAILURES=1000` takes an hour off a disk's life."""

SEED = 7
TIMEOUT_S = 300
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """What a core wrote, synced and said, in order; and the folder it did so in."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("the layer needs a C compiler and Linux (Debian package gcc)")
    folder = tmp_path_factory.mktemp("layer")
    layer, log, home = folder / "layer.so", folder / "log", folder / "home"
    source = Path(__file__).with_name("file_layer.c")
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", layer, source, "-ldl", "-lpthread"], check=True
    )
    home.mkdir()
    environment = os.environ | {
        "LD_PRELOAD": str(layer),
        "HOLDFAST_LAYER": str(log),
        "HOLDFAST_LAYER_ROOT": str(home),
    }
    subprocess.run(
        [sys.executable, "-m", "tests.adversity.writing", home, str(SEED)],
        env=environment,
        cwd=ROOT,
        check=True,
        timeout=TIMEOUT_S,
        stdout=subprocess.DEVNULL,
    )
    found = entries(log)
    log.unlink()
    return found, home


def said_by(entry):
    """The answers of one write to standard output."""
    return [json.loads(line) for line in entry.data.decode().splitlines()] if entry.kind == "A" else []


async def check(folder, said):
    """A core starts on these files; it knows every answer that was said, and the ledger has what it says."""
    core = await Core(folder, directory(), opening_minor=10_000_000).start()
    try:
        known = core.state.repeats
        ids = [tuple(answer["id"]) for answer in said]
        for answer, entry in zip(said, known.find(as_ids(ids)), strict=True):
            assert int(entry["answer"]["sequence"]) == answer["sequence"], f"{answer} is lost"
            assert entry["answer"]["response_code"].decode() == answer["code"]
            assert int(entry["answer"]["approved_minor"]) == answer["approved_minor"]
        settlement = await core.ledger.lookup_accounts(account_id(AccountCode.SETTLEMENT, USD, HOUSE))
        should = int(known.standings()["pending_minor"].sum())
        assert int(settlement["credits_pending_lo"][0]) == should, "holds that nobody has, or that are lost"
        for total in (await asyncio.to_thread(core.ledger.totals)).values():
            assert total.balanced
    finally:
        await core.stop()


def as_ids(pairs):
    """u8[n, 2]."""
    return np.array(pairs, np.uint64).reshape(-1, 2)


def test_nothing_that_was_said_is_lost_when_the_power_fails_at_any_instant(written, tmp_path):
    """Every answer before the failure stands after it, every hold is somebody's, and the books balance."""
    log, home = written
    chance = random.Random(SEED)
    first = next(place for place, entry in enumerate(log) if entry.kind == "A")
    instants = sorted(chance.sample(range(first, len(log) + 1), FAILURES))
    disk, said, taken = Disk(home), [], 0
    for number, instant in enumerate(instants):
        for entry in log[taken:instant]:
            disk.take(entry)
            said += said_by(entry)
        taken = instant
        folder = tmp_path / str(number)
        disk.leave(folder, random.Random(number))
        try:
            asyncio.run(check(folder, said))
        except BaseException as error:
            error.add_note(f"the power failed after {instant} of {len(log)} entries of the log")
            raise
        shutil.rmtree(folder)


def test_layer_sees_what_would_be_lost_without_a_sync(written, tmp_path):
    """Taken as if nothing had ever been synced, answers are lost: the test above can tell."""
    log, home = written
    disk, said = Disk(home), []
    for entry in log:
        if entry.kind not in "BS":
            disk.take(entry)
        said += said_by(entry)
    lost = 0
    for number in range(4):
        folder = tmp_path / str(number)
        disk.leave(folder, random.Random(number))
        try:
            asyncio.run(check(folder, said))
        except Exception:
            lost += 1
    assert lost
