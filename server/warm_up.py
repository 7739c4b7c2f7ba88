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
import tempfile
import time
from pathlib import Path

import numpy as np

from ledger.embedded import EmbeddedLedger
from scoring import registry
from scoring.manifest import ModelError
from scoring.model import Model
from server.compiled import is_empty, prepare_numba
from server.core.record import DECISION
from server.core.warm_up import warm_up as warm_up_core
from server.core.warm_up import warm_up_books, warm_up_scoring
from server.garbage import let_grow
from server.reception import warm_up_front
from server.store.binary_copy import numbers, packed, stream_of
from server.undumpable import refuse_dumps


def warm_up(model: Model | None) -> None:
    """Compile, or load, the kernels of core, scoring and front; blocks."""
    warm_up_front()
    warm_up_core(model)


def warm_up_shipped() -> None:
    """The same with the model that is delivered with the program, before anything of a home is known; blocks."""
    prepare_numba()
    warm_up(_shipped())


async def compile_all() -> None:
    """Compile what a first start would compile, without a home."""
    prepare_numba()
    beside = await compile_beside()
    try:
        with tempfile.TemporaryDirectory(prefix="holdfast-compile-") as folder:
            ledger = await asyncio.to_thread(EmbeddedLedger.open, Path(folder), now_ns=time.time_ns)
            await warm_up_books(ledger)
            await ledger.close()
        model = _shipped()
        await asyncio.to_thread(warm_up_scoring, model)
        if beside is not None:
            await beside.wait()
        await asyncio.to_thread(warm_up, model)
        stream_of([numbers(np.zeros(1, np.int64), ">i8"), packed(np.zeros(1, DECISION))])
    finally:
        if beside is not None:
            await end(beside)


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


def _shipped() -> Model | None:
    try:
        return registry.open(registry.shipped())
    except ModelError:
        return None


def main() -> None:
    """Compile into the folder that the environment names, and end."""
    let_grow()
    refuse_dumps()
    warm_up_shipped()


if __name__ == "__main__":
    main()
