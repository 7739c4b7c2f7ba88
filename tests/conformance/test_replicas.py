"""A cluster of three replicas that loses one."""

import asyncio

import numpy as np
import pytest

from ledger.tigerbeetle import TigerBeetleLedger
from ledger.transfer import CreateTransferStatus, ids_of
from tests import clusters
from tests.ledger.test_tigerbeetle import accounts, transfers

REALM, LANES, BATCHES, SIZE = 3, 4, 25, 500
ANSWER_S = 120.0


def test_nothing_is_lost_when_a_replica_is_killed_under_load(tmp_path):
    """SIGKILL in the middle of it, whichever leads: every call is answered, every answer is in the books."""
    if clusters.server() is None:
        pytest.skip(clusters.WHY_NONE)
    cluster = clusters.Cluster(tmp_path, replica_count=3)

    async def script():
        async with asyncio.timeout(ANSWER_S):
            ledger = await TigerBeetleLedger.open(cluster.addresses, cluster.cluster_id, deadline_s=60)
            await ledger.create_accounts(accounts(REALM))
            half_way = asyncio.Event()
            answered = 0

            async def lane(number):
                nonlocal answered
                for at in range(BATCHES):
                    batch = transfers(REALM, 1 + (number * BATCHES + at) * SIZE, SIZE)
                    results = await ledger.create_transfers(batch)
                    assert (results["status"] == CreateTransferStatus.CREATED).all()
                    answered += SIZE
                    if answered >= LANES * BATCHES * SIZE // 2:
                        half_way.set()

            async def accident():
                await half_way.wait()
                # The first leads a new cluster: the hardest loss.
                await asyncio.to_thread(cluster.kill, 0)

            await asyncio.gather(accident(), *(lane(number) for number in range(LANES)))
            found = await ledger.lookup_accounts(ids_of(accounts(REALM)))
            everything = [page async for page in ledger.history()]
            await ledger.close()
            return answered, found, np.concatenate(everything)

    try:
        answered, found, everything = asyncio.run(script())
    finally:
        cluster.close()
    assert answered == LANES * BATCHES * SIZE
    assert found["debits_posted_lo"].tolist() == [answered, 0]
    assert sorted(everything["id_lo"].tolist()) == list(range(1, answered + 1))
