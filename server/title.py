"""What `ps` and `top` call a process of ours, for people: by its command line all are Python."""

import ctypes
import sys
from typing import Final

TITLES: Final = {
    "core": "holdfast-core",
    "preparing": "holdfast-to-be",
    "spare": "holdfast-spare",
    "front": "holdfast-front",
}
"""At most 15 bytes, or Linux cuts them."""

_SET_NAME: Final = 15  # PR_SET_NAME in prctl(2)


def entitle(what: str) -> None:
    """Name the calling thread, which must be the process's first, by what this process is; on Linux alone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_SET_NAME, TITLES[what].encode(), 0, 0, 0)
