"""Folders that are thrown away with what a killed server left in them."""

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
