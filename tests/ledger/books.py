"""A small ledger of cards for tests: a clock that is moved, opened accounts, funded cards."""

from dataclasses import dataclass

import numpy as np

from ledger import chart
from ledger.transfer import CreateTransferStatus

USD = 840
NS_PER_S = 10**9


@dataclass
class FakeClock:
    """The time is what it was set to."""

    now_ns: int = 1_700_000_000 * NS_PER_S

    def __call__(self) -> int:
        return self.now_ns

    def move_s(self, seconds: int) -> None:
        self.now_ns += seconds * NS_PER_S


def transfer_ids(start: int, count: int) -> np.ndarray:
    """Ids (n, 2) with a zero low byte, as authorizations have them."""
    lo = np.arange(start, start + count, dtype=np.uint64) << np.uint64(8)
    return np.stack((lo, np.full(count, 1, np.uint64)), axis=1)


def funding(amounts_minor) -> np.ndarray:
    """The deposits of cards 0, 1, 2, ..."""
    amounts = np.asarray(amounts_minor, np.int64)
    ids = np.stack(
        (np.arange(1, len(amounts) + 1, dtype=np.uint64), np.full(len(amounts), 2**40, np.uint64)), 1
    )
    return chart.funding_transfers(ids, np.arange(len(amounts)), USD, amounts)


async def fund(ledger, amounts_minor) -> None:
    """Open the house's accounts and cards 0, 1, 2, ..., and fund each."""
    await ledger.create_accounts(chart.opening(USD))
    await ledger.create_accounts(chart.cardholder_accounts(np.arange(len(amounts_minor)), USD))
    results = await ledger.create_transfers(funding(amounts_minor))
    assert (results["status"] == CreateTransferStatus.CREATED).all()
