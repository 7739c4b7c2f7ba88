"""
What is stored, posted once more: by the same rules, each event at the time that it already has.

Unlike a batch that comes in, a stored transfer's amount is the one that moved, its chain has held, and its time is
known; so it stands alone here. What has timed out before it is let go of first.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from ledger import expiry, rules
from ledger.columns import TRANSFERS, Books
from ledger.rules import Status
from ledger.transfer import Accounts, Transfers

_CREATED = int(Status.CREATED)


@njit(cache=True, nogil=True)
def retrace_accounts(books: Books, stored: Accounts, statuses: NDArray[np.uint32]) -> None:
    """Open stored accounts, whose balances the caller has set to zero; there must be room."""
    for i in range(len(stored)):
        outcome, _ = rules.create_account(books, stored[i], np.int64(stored[i]["timestamp"]))
        statuses[i] = outcome.value


@njit(cache=True, nogil=True)
def retrace_transfers(books: Books, stored: Transfers, statuses: NDArray[np.uint32]) -> None:
    """Post stored transfers in the order of their timestamps; there must be room."""
    for i in range(len(stored)):
        stamp = np.int64(stored[i]["timestamp"])
        expiry.expire(books, stamp)
        row = books.counts[TRANSFERS]
        outcome, _ = rules.create_transfer(books, stored[i], stamp)
        statuses[i] = outcome.value
        if outcome.value == _CREATED:
            expiry.schedule(books, row, row + 1)
