"""What a process says to its supervisor, which may not listen."""

import os
import select
from contextlib import contextmanager

import pytest

from server import overseen


@contextmanager
def listening(monkeypatch):
    """The supervisor's end of what we say."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as pipe, os.fdopen(writing, "w") as ours, monkeypatch.context() as patched:
        patched.setattr("sys.stdout", ours)
        yield pipe


@pytest.mark.parametrize("size", [10, 4_000, 5_000, 20_000])
def test_what_is_told_again_soon_is_dropped_whole_where_nobody_listens(monkeypatch, size):
    """However long it is: no part of a line is written, and nobody waits."""
    with listening(monkeypatch) as said:
        for _ in range(70_000 // size + 2):
            overseen.mention(text="x" * size)
        os.set_blocking(said.fileno(), False)
        lines = said.read().split(b"\n")
        assert lines.pop() == b""
        assert lines
        assert {len(line) for line in lines} == {size + len(b'{"text": ""}')}
        overseen.mention(text="again")
        assert select.select((said,), (), (), 0)[0]


def test_what_is_told_to_nobody_any_more_is_no_error(monkeypatch):
    """The supervisor has gone, and so do we."""
    with listening(monkeypatch) as said:
        said.close()
        overseen.mention(text="x")
