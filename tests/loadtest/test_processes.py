"""Folders that are thrown away with what a killed server left in them."""

import subprocess
import sys
from pathlib import Path

import pytest

from loadtest.processes import scratch
from server.store.postgres import EmbeddedPostgres


@pytest.mark.parametrize("name", [".", "home"])
def test_a_postgresql_that_nobody_ended_goes_with_its_folder(name):
    """Of a home that is the folder itself as of one in it."""
    with scratch("test") as folder:
        home = folder / name
        home.mkdir(exist_ok=True)
        left = EmbeddedPostgres(home)
        left.start()
        process = Path(f"/proc/{left.process_id()}")
        assert process.exists()
    assert not folder.exists()
    assert not process.exists() or not (process / "cmdline").read_bytes()


def test_another_process_that_the_lock_file_names_is_let_be():
    """Its process id was given to somebody else since, or the home is a copy of one in use."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()", "postgres"], stdin=subprocess.PIPE
    ) as other:
        with scratch("test") as folder:
            (folder / "postgres/data").mkdir(parents=True)
            (folder / "postgres/data/postmaster.pid").write_text(f"{other.pid}\n")
        assert other.poll() is None


def test_a_folder_that_is_not_removed_whole_is_told(monkeypatch, tmp_path):
    """Something was written into it meanwhile, by a process that nobody knows of."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)
    with pytest.warns(UserWarning, match="not all of it is removed"), scratch("test"):
        pass
