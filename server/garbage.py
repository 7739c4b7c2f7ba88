"""
The garbage collector, told what a server is: what its start made stays, and cycles are few.

By default Python looks through its young objects every 700 that are new, and through all of them now and then: on the
answer path that is work for nothing, and a pause for whoever waits.
"""

import gc
from typing import Final

_YOUNG_MAX: Final = 50_000
"""New objects between two looks: some thousand requests' worth."""

_OLDER: Final = (20, 50)
"""Looks at the young between two at the middle-aged, and of those between two at all."""


def settle() -> None:
    """Everything is made: it is looked through no more."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_MAX, *_OLDER)
