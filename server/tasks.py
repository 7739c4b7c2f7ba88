"""What runs for as long as its process does: started by name, its failures told, ended together."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar

CANCEL_AGAIN_S: Final = 1.0

T = TypeVar("T")


class Tasks:
    """The long-running parts of one process."""

    def __init__(
        self, failed: Callable[[str, BaseException], None], *, cancel_again_s: float = CANCEL_AGAIN_S
    ) -> None:
        """`failed(name, error)` hears of a part that ended by an error; a cancellation is none."""
        self._failed = failed
        self._cancel_again_s = cancel_again_s
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Start a part."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)

        def ended(done: asyncio.Task[None]) -> None:
            self._tasks.discard(done)
            if not done.cancelled() and (error := done.exception()) is not None:
                self._failed(name, error)

        task.add_done_callback(ended)

    async def end(self) -> None:
        """Cancel every part, and wait until all have ended."""
        tasks = set(self._tasks)
        while tasks:
            # A cancellation can be lost in a library's wait: it is said again until everything has ended.
            for task in tasks:
                task.cancel()
            _, tasks = await asyncio.wait(tasks, timeout=self._cancel_again_s)


async def to_its_end(work: Awaitable[T]) -> T:
    """Await work that goes on in threads: cancelled or not, it is finished first, so that it can be taken down."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
