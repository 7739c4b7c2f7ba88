"""Runs are quiet: the core's log has no place among thousands of crashes."""

import pytest
import structlog

from tests.simulation.campaign import quietly


@pytest.fixture(autouse=True, scope="package")
def _quiet():
    before = structlog.get_config()
    quietly()
    yield
    structlog.configure(**before)
