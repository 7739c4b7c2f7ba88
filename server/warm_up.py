"""
Everything is compiled before the first customer's request.

Numba keeps what it compiled (see `compiled`), so this takes a second, but for the first start after the sources have
changed. Then a second process compiles the front's kernels and the core's while this one compiles the ledger's, and then
those of limits and score, which the other comes to last: so both cores work to the end. What either has compiled is found
in the common folder. `python -m server.warm_up` is the second process.
"""

import asyncio
import contextlib
import sys

from scoring import registry
from scoring.manifest import ModelError
from scoring.model import Model
from server.compiled import compile_by_type, is_empty
from server.core.warm_up import warm_up as warm_up_core
from server.garbage import let_grow
from server.reception import warm_up_front
from server.undumpable import refuse_dumps


def warm_up(model: Model | None) -> None:
    """Compile, or load, the kernels of core, scoring and front; blocks."""
    warm_up_front()
    warm_up_core(model)


async def compile_beside() -> asyncio.subprocess.Process | None:
    """Start the second process where nothing is compiled yet."""
    if not is_empty():
        return None
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "server.warm_up")


async def end(process: asyncio.subprocess.Process) -> None:
    """Nobody waits for it any more."""
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()


def main() -> None:
    """Compile into the folder that the environment names, and end."""
    refuse_dumps()
    let_grow()
    compile_by_type()
    try:
        model = registry.open(registry.shipped())
    except ModelError:
        model = None
    warm_up(model)


if __name__ == "__main__":
    main()
