"""The kernels are plain Python too."""

import os
import subprocess
import sys

from tests.house.sources import ROOT


def test_the_kernel_tests_pass_uncompiled():
    """The same claims hold with Numba switched off, where an index or an overflow can't hide."""
    # Those alone are read: to collect all tests takes longer than to run some.
    marked = [
        str(path) for path in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.kernel" in path.read_text()
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-m", "kernel", "-p", "no:cacheprovider", *marked],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-4_000:]}\n{done.stderr[-2_000:]}"
