"""The long check of this room, beside the others."""

import os
import subprocess
import sys

import pytest

from tests.house.sources import ROOT


@pytest.fixture(scope="session", autouse=True)
def uncompiled(tmp_path_factory):
    """The kernels' tests with Numba switched off, in a process of their own: it, and the file that it tells in."""
    told = tmp_path_factory.mktemp("uncompiled") / "told.txt"
    with (
        told.open("wb") as out,
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-q", "-m", "kernel", "-p", "no:cacheprovider"],
            env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        yield process, told
        process.kill()
