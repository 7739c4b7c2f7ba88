"""A change of the rules reaches the kernels that were compiled before it."""

import importlib.util
import os
import sys
from pathlib import Path

import numba
import pytest

from ledger import compiled

INNER = "from numba import njit\n@njit(cache=True)\ndef inner(x):\n    return x + {}\n"
OUTER = "from numba import njit\nfrom stale_inner import inner\n@njit(cache=True)\ndef outer(x):\n    return inner(x)\n"


def load(folder, monkeypatch):
    """The two modules as a new process would have them; the outer function."""
    for name in ("stale_inner", "stale_outer"):
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
    return module.outer


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_a_kernel_is_compiled_anew_after_a_file_that_it_calls_has_changed(tmp_path, monkeypatch):
    """Numba by itself would go on with the old one; what is fresh is kept."""
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "stale_outer.py").write_text(OUTER)
    (tmp_path / "stale_inner.py").write_text(INNER.format(1))
    outer = load(tmp_path, monkeypatch)
    assert outer(1) == 2
    kept = Path(outer.stats.cache_path)

    (tmp_path / "stale_inner.py").write_text(INNER.format(100))
    later_ns = max(p.stat().st_mtime_ns for p in kept.iterdir()) + 1_000_000_000
    os.utime(tmp_path / "stale_inner.py", ns=(later_ns, later_ns))
    outer = load(tmp_path, monkeypatch)
    compiled.forget_stale(outer)
    assert outer(1) == 101

    for index in kept.glob("*.nbi"):
        os.utime(index, ns=(later_ns + 1, later_ns + 1))
    outer = load(tmp_path, monkeypatch)
    compiled.forget_stale(outer)
    assert outer(1) == 101
    assert sum(outer.stats.cache_hits.values()) == 1
