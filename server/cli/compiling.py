"""`holdfast compile`: what a first start would compile, beforehand."""

import asyncio
import os
import time

from server.cli.output import say


def compile_kernels() -> None:
    """
    Compile every kernel now, as when an image is built: a start then only loads them. Again: it finds them compiled.

    What is compiled serves on the same kind of processor; on another, it is compiled anew.
    """
    from server.warm_up import compile_all

    began_s = time.monotonic()
    asyncio.run(compile_all())
    folder = os.environ.get("NUMBA_CACHE_DIR", "folders beside the sources")
    say(f"everything is compiled, after {time.monotonic() - began_s:.0f} s, in {folder}", markup=False)
