"""The kernels are compiled once, from the sources as they stand."""

import pytest

from ledger import state


@pytest.fixture(autouse=True, scope="session")
def _warm():
    state.warm_up()
