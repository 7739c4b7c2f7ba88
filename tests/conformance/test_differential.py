"""Seeded random operations, all of them, to the embedded engine and to a real TigerBeetle."""

import asyncio

import pytest

from tests import clusters
from tests.conformance import differential

OPERATIONS = 15_000
REALM_OPERATIONS = 2_500


@pytest.mark.parametrize("seed", [4])
def test_random_operations_are_answered_alike_by_both_engines(seed, tmp_path):
    """Every status and timestamp, every row of every query, every balance and the whole history, byte for byte."""
    if clusters.server() is None:
        pytest.skip(clusters.WHY_NONE)
    cluster = clusters.Cluster(tmp_path)
    try:
        tally = asyncio.run(
            differential.run(tmp_path / "ours", cluster, seed, OPERATIONS, realm_operations=REALM_OPERATIONS)
        )
    finally:
        cluster.close()
    assert tally.operations >= OPERATIONS
    assert tally.queries > 20
    assert len(tally.statuses) > 50
