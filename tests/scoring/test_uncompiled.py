"""The kernels are plain Python too."""

import os
import subprocess
import sys
from pathlib import Path


def test_the_kernel_tests_pass_uncompiled():
    """The same claims hold with Numba switched off, where an index or an overflow can't hide."""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-m",
            "kernel",
            "-p",
            "no:cacheprovider",
            str(Path(__file__).parent),
        ],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4_000:]
