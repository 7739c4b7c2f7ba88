"""
What Numba keeps between starts, and when to forget it.

Numba keeps a compiled function by the file it stands in, not by those whose functions and constants it
uses: after a change of `windows` alone, features would go on by the old windows.
"""

from pathlib import Path
from typing import Any

import numba


def forget_stale(kernel: Any) -> None:
    """
    Forgets every compiled function of this folder that is older than any of its sources.

    `kernel` is one of the functions, not called yet in this process: it knows where they are kept.
    """
    if numba.config.DISABLE_JIT:
        return
    sources = list(Path(__file__).parent.glob("*.py"))
    newest_ns = max(source.stat().st_mtime_ns for source in sources)
    for source in sources:
        for kept in Path(kernel.stats.cache_path).glob(f"{source.stem}.*.nbi"):
            if kept.stat().st_mtime_ns < newest_ns:
                kept.unlink(missing_ok=True)
