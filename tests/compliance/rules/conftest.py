"""Coroutines run to their end, in bounded time."""

import asyncio

import pytest

TEST_TIMEOUT_S = 60


@pytest.fixture
def run():
    """Runs a coroutine to its end, within TEST_TIMEOUT_S."""

    def runner(coroutine):
        return asyncio.run(asyncio.wait_for(coroutine, TEST_TIMEOUT_S))

    return runner
