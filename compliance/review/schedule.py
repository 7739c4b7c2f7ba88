"""When a failed review is tried again."""

from datetime import timedelta
from typing import Final

PAUSES: Final = (
    timedelta(seconds=1),
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
)
"""After the first failed try, the second, and so on."""

TRIES_MAX: Final = len(PAUSES) + 1


def pause_after(tries: int) -> timedelta | None:
    """How long to wait after so many tries (from 1); None where that was the last one: it is parked."""
    return PAUSES[tries - 1] if tries <= len(PAUSES) else None
