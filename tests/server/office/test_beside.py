"""The office as a server's companion: started again when it dies, ended with the server."""

import asyncio

import pytest

from server.office import beside
from server.office.beside import Companion

WAIT_S = 120


@pytest.fixture
def companion(tmp_path, monkeypatch):
    """One that can't live, as its port is none; what it told; its pauses are none."""
    monkeypatch.setattr(beside, "RESTART_S", (0.0, 0.001))
    told = asyncio.Queue()
    return Companion(tmp_path, told.put_nowait, ["--port", "70000"]), told


def test_one_that_can_not_live_is_started_again_with_growing_pauses(companion, capfd):
    """And each end is told, with how it ended."""

    async def body():
        kept, told = companion
        running = asyncio.create_task(kept.run())
        said = [await asyncio.wait_for(told.get(), WAIT_S) for _ in range(2)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return said, kept.starts, kept.process.returncode

    said, starts, status = asyncio.run(body())
    assert said == [
        "compliance has ended (1): it starts again in 0 s",
        "compliance has ended (1): it starts again in 0.001 s",
    ]
    assert starts in {2, 3}
    assert status is not None
    assert "compliance_port" in capfd.readouterr().err


def test_a_system_that_has_no_room_for_it_is_told_and_tried_again(companion, monkeypatch):
    """The server itself goes on."""

    async def refused(*_, **__):
        raise OSError(11, "Resource temporarily unavailable")

    async def body():
        kept, told = companion
        monkeypatch.setattr(asyncio, "create_subprocess_exec", refused)
        running = asyncio.create_task(kept.run())
        said = [await asyncio.wait_for(told.get(), WAIT_S) for _ in range(3)]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return said, kept.starts

    said, starts = asyncio.run(body())
    assert all("Resource temporarily unavailable" in text for text in said)
    assert starts == 0


@pytest.mark.parametrize("stop_s", [beside.STOP_S, 0.0], ids=["asked", "killed"])
def test_one_that_is_cancelled_leaves_no_process(tmp_path, monkeypatch, stop_s):
    """It is asked to end, and killed where it doesn't in time; it waits for PostgreSQL, here."""
    monkeypatch.setattr(beside, "STOP_S", stop_s)

    async def body():
        kept = Companion(tmp_path, lambda _text: None)
        running = asyncio.create_task(kept.run())
        while kept.process is None:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return kept.process.returncode

    assert asyncio.run(asyncio.wait_for(body(), WAIT_S)) is not None
