"""What is done beside the reviews, by the clock: checkpoints, the daily summary, retention. One task of the worker."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from compliance.audit.checkpointer import Checkpointer

TICK_S: Final = 1.0
RETRY_S: Final = 30.0

_log: Final[Any] = structlog.get_logger()


@dataclass(slots=True)
class Chore:
    """Something to do every so often, or as soon as `is_urgent` says so. The first time is at the start."""

    name: str
    every_s: float
    work: Callable[[], Awaitable[Any]]
    is_urgent: Callable[[], Awaitable[bool]] | None = None
    due_s: float = field(default=float("-inf"))


def sealing(checkpointer: Checkpointer, *, rows: int, every_s: float) -> Chore:
    """Checkpoints: after that many rows, or that many seconds."""

    async def is_urgent() -> bool:
        return await checkpointer.waiting() >= rows

    return Chore("checkpoint", every_s, checkpointer.seal, is_urgent)


class Upkeep:
    """Does chores, one at a time."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = chores

    async def run(self) -> None:
        """Until it is cancelled; then it seals nothing more."""
        loop = asyncio.get_running_loop()
        while True:
            await self.tick(loop.time())
            await asyncio.sleep(TICK_S)

    async def tick(self, at_s: float) -> list[str]:
        """
        Does what is due at `at_s`, and returns the names of what was done.

        What fails is logged, and due again in 30 s: a database that is away must not end the worker.
        """
        done = []
        for chore in self._chores:
            try:
                if at_s < chore.due_s and not (chore.is_urgent is not None and await chore.is_urgent()):
                    continue
                chore.due_s = at_s + chore.every_s
                await chore.work()
                done.append(chore.name)
            except Exception as error:
                chore.due_s = at_s + min(RETRY_S, chore.every_s)
                _log.warning(
                    "compliance.upkeep_failed", chore=chore.name, error=f"{type(error).__name__}: {error}"
                )
        return done
