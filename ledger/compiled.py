"""
What Numba keeps between starts, and when to forget it.

Numba keeps a compiled function by the file it stands in, not by those whose functions it calls: after an
update that changes `rules` alone, `kernel` would go on posting by the old ones.
"""

from pathlib import Path
from typing import Any

import numba


def forget_stale(kernel: Any) -> None:
    """
    Forget every compiled function of this folder where any of its sources is newer than what is kept.

    `kernel` is one of the functions, not called yet: it knows where they are kept.
    """
    if numba.config.DISABLE_JIT:
        return
    sources = list(Path(__file__).parent.glob("*.py"))
    newest = max(source.stat().st_mtime_ns for source in sources)
    for source in sources:
        kept = list(Path(kernel.stats.cache_path).glob(f"{source.stem}.*.nbi"))
        for index in kept:
            if index.stat().st_mtime_ns < newest:
                index.unlink(missing_ok=True)
