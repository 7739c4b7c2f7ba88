"""kill -9 in the middle of batches: whatever was acknowledged is there."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ledger import holds
from ledger.embedded import EmbeddedLedger
from ledger.holds import Leg
from tests.ledger.books import USD, fund, transfer_ids

WAIT_S = 60
CARDS = 50
BATCH = 16


def place(number: int) -> np.ndarray:
    """Batch `number` of the child: BATCH holds of 1."""
    cards = (np.arange(BATCH) + number) % CARDS
    return holds.place(
        transfer_ids(1 + number * BATCH, BATCH),
        cards.astype(np.uint64),
        USD,
        np.ones(BATCH, np.int64),
        10_000,
        False,
    )


async def child(directory: str) -> None:
    """Hold without end, several batches at once, printing each batch's number once it is answered."""
    ledger = EmbeddedLedger.open(Path(directory), now_ns=time.time_ns)
    if not len(ledger.accounts()):
        await fund(ledger, [1_000_000] * CARDS)
    start = sum(len(page) for page in ledger.history_blocking()) // BATCH

    async def post(number: int) -> None:
        results = await ledger.create_transfers(place(number))
        assert np.isin(holds.outcomes(results), (0, 2)).all()
        os.write(1, f"{number}\n".encode())

    while True:
        await asyncio.gather(*(post(start + i) for i in range(5)))
        start += 5


@pytest.mark.parametrize("batches", [3, 40])
def test_a_killed_ledger_has_every_acknowledged_batch(tmp_path, batches):
    """Killed twice, the second time on top of the first; after each the books balance."""
    acknowledged: set[int] = set()
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, __file__, str(tmp_path / "ledger")],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert process.stdout is not None
        try:
            for _ in range(batches):
                acknowledged.add(int(process.stdout.readline()))
        finally:
            process.send_signal(signal.SIGKILL)
            acknowledged |= {
                int(line) for line in process.stdout.read().splitlines(keepends=True) if line.endswith(b"\n")
            }
            process.stdout.close()
            process.wait(WAIT_S)

        ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=time.time_ns)
        try:
            assert ledger.totals()[USD].balanced
            stored = {(int(t["id_lo"]), int(t["id_hi"])) for page in ledger.history_blocking() for t in page}
            for number in acknowledged:
                ids = holds.leg_id(transfer_ids(1 + number * BATCH, BATCH), Leg.HOLD)
                assert stored.issuperset(map(tuple, ids.tolist()))
        finally:
            ledger.close_blocking()


if __name__ == "__main__":
    asyncio.run(child(sys.argv[1]))
