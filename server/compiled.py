"""
What Numba compiles, and keeps between starts: one folder of compiled kernels for each state of their sources.

Numba keeps a compiled function by the file it stands in, not by those whose functions and constants it uses: after a
change of `ledger.rules` alone, `ledger.kernel` would go on posting by the old rules. So the folder is named by a
digest of every file of the rooms with kernels, and of Numba's version. It lies in the user's cache
(`$XDG_CACHE_HOME`, or `~/.cache`); a folder that no start has used for a week goes. Programs that we start inherit it.
"""

import functools
import hashlib
import os
import shutil
import time
from importlib import metadata
from pathlib import Path
from typing import Any, Final

ROOMS: Final = ("ledger", "scoring", "server/core", "server/front", "server/store")
UNUSED_KEPT_S: Final = 7 * 86_400
_VARIABLE: Final = "NUMBA_CACHE_DIR"


def keep_compiled() -> None:
    """
    Names the folder to Numba, which must not have been imported yet; a folder that the user has named is left alone.

    Where the user's cache can't be written, Numba's own way stays: folders beside the sources.
    """
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "holdfast" / "compiled"
        if Path(os.environ.get(_VARIABLE) or cache / "ours").parent != cache:
            return
        folder = cache / digest(Path(__file__).parents[1])
        folder.mkdir(parents=True, exist_ok=True)
        os.utime(folder)
        _forget_unused(cache)
    except (OSError, RuntimeError):  # a cache that can't be written; a user without a home
        return
    os.environ[_VARIABLE] = str(folder)


@functools.cache
def prepare_numba() -> None:
    """Have Numba work as our kernels want it; before any of them is compiled or loaded."""
    _leave_blas_out()
    _compile_by_type()


def _leave_blas_out() -> None:
    """No kernel of ours uses BLAS; to look for it, Numba imports scipy.linalg: a quarter of a second of every start."""
    from numba.np import linalg

    def without() -> None:
        raise ImportError("our kernels do without BLAS")

    linalg.ensure_blas = without


def _compile_by_type() -> None:
    """
    A kernel of ours is compiled once for all numbers that its callers write out.

    Numba would do so for each integer and truth value of theirs, of which LLVM knows as much once it has inlined the kernel.
    """
    from numba.core import types
    from numba.core.dispatcher import Dispatcher
    from numba.core.types.misc import unliteral

    kernels: Any = Dispatcher
    by_value = kernels.get_call_template
    literal = (types.IntegerLiteral, types.BooleanLiteral)
    rooms = tuple(room.replace("/", ".") + "." for room in ROOMS)

    def plain(kind: Any) -> Any:
        return unliteral(kind) if isinstance(kind, literal) else kind

    def by_type(kernel: Any, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if kernel.py_func.__module__.startswith(rooms):
            arguments = tuple(map(plain, arguments))
            named = {name: plain(kind) for name, kind in named.items()}
        return by_value(kernel, arguments, named)

    kernels.get_call_template = by_type


def is_empty() -> bool:
    """Whether nothing has been compiled yet from these sources, in a folder of ours."""
    folder = os.environ.get(_VARIABLE)
    return folder is not None and not any(Path(folder).rglob("*.nbi"))


def digest(root: Path) -> str:
    """16 hex digits of Numba's version and the sources of the rooms with kernels, under the folder `root`."""
    found = hashlib.sha256(metadata.version("numba").encode())
    for room in ROOMS:
        for source in sorted((root / room).glob("*.py")):
            found.update(b"\0%b\0" % source.name.encode())
            found.update(source.read_bytes())
    return found.hexdigest()[:16]


def _forget_unused(cache: Path) -> None:
    for folder in cache.iterdir():
        if time.time() - folder.stat().st_mtime > UNUSED_KEPT_S:
            shutil.rmtree(folder, ignore_errors=True)
