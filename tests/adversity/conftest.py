"""What the tests of adversity share."""

import shutil
import tempfile
from pathlib import Path

import pytest

from server.store.postgres import EmbeddedPostgres
from tests.end_to_end.serving import PATIENT, fresh_home, homes_thrown_away


@pytest.fixture(scope="module", autouse=True)
def homes():
    """Those of a module's servers go with it."""
    with homes_thrown_away():
        yield


@pytest.fixture
def patient(monkeypatch):
    """The servers that a command starts by itself are as patient as ours."""
    for name, value in PATIENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def own_postgres():
    """A PostgreSQL of the test's own, with the demo portfolio of a home that has nothing else, and that home."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    home = fresh_home()
    (home / "postgres").rename(folder / "postgres")
    postgres = EmbeddedPostgres(folder)
    try:
        yield postgres, home
    finally:
        postgres.start()
        postgres.close()
        shutil.rmtree(folder)
