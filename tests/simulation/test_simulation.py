"""The core with everything around it going wrong, under one seed: every answer and every account stays right."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.campaign import STEPS_SHORT, run_seed
from tests.simulation.fates import Fault

RUNS = 1_000
SHARES = 8
ELSEWHERE = 7
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("share", range(SHARES))
def test_core_keeps_every_promise_whatever_goes_wrong(share, tmp_path):
    """A thousand seeds, in shares for several processes; a seed that fails is named."""
    for seed in range(share, RUNS, SHARES):
        try:
            run_seed(seed, tmp_path, STEPS_SHORT)
        except Exception as error:
            again = f"python -m tests.simulation.campaign --short --seed {seed}"
            raise AssertionError(f"seed {seed} (again: {again}): {error!r}") from error


def test_run_is_the_same_again_under_the_same_seed(tmp_path):
    """Every answer at the same virtual time, and the ledger's history, byte by byte, whatever kind of fault came."""
    came = set()
    for seed in range(30):
        first, again = (
            run_seed(seed, tmp_path_of(tmp_path, seed, turn), STEPS_SHORT) for turn in ("first", "again")
        )
        assert first.digest() == again.digest(), f"seed {seed}"
        came |= {kind for kind, count in first.fates.counts.items() if count}
    assert came >= {Fault.CRASH, Fault.SNAPSHOT, Fault.OLD_SNAPSHOT, Fault.LEDGER_STOPS, Fault.JOURNAL_SLOW}


def tmp_path_of(folder, seed, turn):
    """A folder of the run's own: it leaves its snapshot there."""
    own = folder / f"{seed}-{turn}"
    own.mkdir()
    return own


def test_run_is_the_same_in_another_process(tmp_path):
    """As a seed that failed is run again: elsewhere, with other hashes of strings."""
    again = subprocess.run(
        [sys.executable, "-m", "tests.simulation.campaign", "--short", "--seed", str(ELSEWHERE)],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert f"digest {run_seed(ELSEWHERE, tmp_path, STEPS_SHORT).digest()}\n" in again.stdout


def test_every_kind_of_fault_comes_in_a_few_runs(tmp_path):
    """None of them is only a name."""
    came = set()
    for seed in range(200):
        world = run_seed(seed, tmp_path, STEPS_SHORT)
        came |= {kind for kind, count in world.fates.counts.items() if count}
        if came == set(Fault):
            return
    raise AssertionError(f"never came: {sorted(kind.name for kind in set(Fault) - came)}")
