"""
mypy, which looks for garbage less often: 50 s of processor time in place of 100, for 1.6 GB in place of 1.

It makes millions of objects that stay, and would look through all of them every few moments.
"""

import gc

from mypy.__main__ import console_entry

YOUNG_MAX = 10_000_000
"""New objects between two looks."""

if __name__ == "__main__":
    gc.set_threshold(YOUNG_MAX, 20, 5)
    gc.set_threshold = lambda *_: None  # mypy has its own idea of it
    console_entry()
