"""The kernels are compiled once, from the sources as they stand."""

import asyncio

import pytest
from numba import config

from tests.server.core.scene import Core, directory


@pytest.fixture
def with_core(tmp_path):
    """Runs `act(core)` on a core of its own in the test's folder; `known` is its directory."""

    def run(act, known=None, *, save=False, **options):
        async def whole():
            core = await Core(tmp_path, known or directory(), **options).start()
            try:
                return await act(core)
            finally:
                await core.stop(save=save)

        return asyncio.run(whole())

    assert not config.DISABLE_JIT, "a whole core runs compiled"
    return run
