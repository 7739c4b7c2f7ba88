"""A change of any kernel's source reaches every kernel."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numba
import pytest

from server import compiled


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The user's cache, empty, and an environment in which nobody has named a folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    return tmp_path / "holdfast" / "compiled"


def test_the_digest_changes_with_every_source_of_a_room_with_kernels(tmp_path):
    """What is written, under which name, and nothing of the other rooms."""
    for room in compiled.ROOMS:
        (tmp_path / room).mkdir(parents=True)
        (tmp_path / room / "kernel.py").write_text("ONE = 1\n")
    seen = {compiled.digest(tmp_path)}
    for room in compiled.ROOMS:
        (tmp_path / room / "kernel.py").write_text("ONE = 2\n")
        seen.add(compiled.digest(tmp_path))
    (tmp_path / "ledger" / "kernel.py").rename(tmp_path / "ledger" / "rules.py")
    seen.add(compiled.digest(tmp_path))
    assert len(seen) == len(compiled.ROOMS) + 2
    (tmp_path / "server" / "assembly.py").write_text("")
    assert compiled.digest(tmp_path) in seen


def test_numba_is_told_of_one_folder_in_the_users_cache(cache):
    """It is there, and the same at the next start and in a program that we start."""
    compiled.keep_compiled()
    named = os.environ["NUMBA_CACHE_DIR"]
    assert Path(named).is_dir() and Path(named).parent == cache
    compiled.keep_compiled()
    assert os.environ["NUMBA_CACHE_DIR"] == named


def test_a_folder_that_the_user_has_named_is_left_alone(cache, tmp_path, monkeypatch):
    """Nothing is made in the cache."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "mine"))
    compiled.keep_compiled()
    assert os.environ["NUMBA_CACHE_DIR"] == str(tmp_path / "mine")
    assert not cache.exists()


def test_folders_unused_for_a_week_go_and_younger_ones_stay(cache):
    """By the time of their last start."""
    for name, age_s in (("old", 8 * 86_400), ("young", 6 * 86_400)):
        (cache / name).mkdir(parents=True)
        os.utime(cache / name, (time.time() - age_s,) * 2)
    compiled.keep_compiled()
    assert not (cache / "old").exists() and (cache / "young").is_dir()


def test_a_cache_that_cannot_be_made_leaves_numba_its_own_way(tmp_path, monkeypatch):
    """A file stands where the folder should be."""
    (tmp_path / "holdfast").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("NUMBA_CACHE_DIR", "")
    compiled.keep_compiled()
    assert os.environ["NUMBA_CACHE_DIR"] == ""


def test_these_tests_run_on_that_folder():
    """So that a changed helper reaches them too; what the caller's own environment names stands otherwise."""
    assert os.environ.get("NUMBA_CACHE_DIR", "") == numba.config.CACHE_DIR


def test_a_kernel_is_compiled_once_for_all_numbers_that_its_callers_write_out():
    """Of ours; what belongs to others may need the number itself."""

    def plus(number, more):
        return number + more

    def minus(number, less):
        return number - less

    compiled.prepare_numba()
    plus.__module__ = "ledger.sums"
    own, others = numba.njit(plus), numba.njit(minus)

    @numba.njit
    def total(number):
        return own(own(number, 3), more=4) + others(others(number, 5), 6)

    assert total(7) == 10
    assert len(own.signatures) == 1
    assert len(others.signatures) == 2


def test_a_start_does_not_import_what_only_blas_needs():
    """Numba looks for it where it compiles anything with an array."""
    script = (
        "import sys; from server.compiled import prepare_numba; prepare_numba(); import numba, numpy; "
        "assert numba.njit(lambda a: a.sum())(numpy.ones(3)) == 3; assert 'scipy.linalg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)
