"""How `holdfast serve` ends."""

import asyncio
import os
import signal
from types import SimpleNamespace

import pytest

from server.cli import serve


@pytest.fixture
def opened():
    """A server that is up, as `serve` sees it; how often it was closed."""

    async def close():
        server.closed += 1

    server = SimpleNamespace(closed=0, close=close, settings=None)
    return server


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("comply", [False, True])
def test_a_signal_ends_a_server_that_still_greets(monkeypatch, capsys, opened, number, comply):
    """The demo asks the server itself, which may take its time: whoever stops it waits for none of that."""

    async def greet(*_server, **_options):
        os.kill(os.getpid(), number)
        await asyncio.Event().wait()

    async def give():
        opened.failed = asyncio.get_running_loop().create_future()
        return opened

    monkeypatch.setattr(serve, "_greet", greet)
    asyncio.run(asyncio.wait_for(serve._serve(give(), demo=True, comply=comply), 30))
    assert opened.closed == 1
    assert capsys.readouterr().err.split() == ["draining", "stopped"]


def test_what_fails_while_a_server_greets_is_told_and_it_is_closed(monkeypatch, opened):
    """A full disk under what the demo writes."""

    async def greet(*_server, **_options):
        raise OSError("no space left")

    async def give():
        opened.failed = asyncio.get_running_loop().create_future()
        return opened

    monkeypatch.setattr(serve, "_greet", greet)
    with pytest.raises(OSError, match="no space left"):
        asyncio.run(asyncio.wait_for(serve._serve(give(), demo=True, comply=False), 30))
    assert opened.closed == 1
