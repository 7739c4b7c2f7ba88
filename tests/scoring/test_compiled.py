"""A change of any source reaches the kernels that were compiled before it."""

import os
from types import SimpleNamespace

import numba
import pytest

from scoring import compiled


@pytest.mark.skipif(numba.config.DISABLE_JIT, reason="uncompiled, nothing is kept")
def test_what_is_older_than_a_source_is_forgotten_and_the_rest_kept(tmp_path, monkeypatch):
    """Of two kept functions, the one compiled before the newest source goes; files of others stay."""
    monkeypatch.setattr(compiled, "__file__", str(tmp_path / "compiled.py"))
    for name, time_s in (
        ("windows.py", 100),
        ("velocity.py", 50),
        ("velocity.reserve.nbi", 90),
        ("windows.total.nbi", 110),
        ("other.kernel.nbi", 10),
    ):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time_s, time_s))
    compiled.forget_stale(SimpleNamespace(stats=SimpleNamespace(cache_path=str(tmp_path))))
    assert sorted(path.name for path in tmp_path.glob("*.nbi")) == ["other.kernel.nbi", "windows.total.nbi"]
