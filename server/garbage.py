"""
The garbage collector, told what a server is: what its start made stays, and is looked through no more.

gRPC leaves a cycle behind with each call, so looks must stay short and often: at 50,000 young objects one held the loop
for 30 ms, every three seconds at a thousand calls a second. Nothing of ours that holds arrays may be one: a look comes by
the number of objects, and a turn's few hold megabytes.
"""

import gc
from typing import Final

_YOUNG_MAX: Final = 1_000
"""New objects between two looks: less than a millisecond's work."""

_OLDER: Final = (20, 50)
"""Looks at the young between two at the middle-aged, and of those between two at all."""


_MAKING: Final = (50_000, 20, 50)
"""Thresholds while everything is made: most of it stays."""


def let_grow() -> None:
    """Everything is about to be made: it is looked through seldom."""
    gc.set_threshold(*_MAKING)


def settle() -> None:
    """Everything is made: it is looked through no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_MAX, *_OLDER)
