"""What gives way to others, in the system's own words."""

import sys
from pathlib import Path

import pytest

from server.background import expendable

TOLD = Path("/proc/self/oom_score_adj")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone is told whom to end first")
def test_an_expendable_process_goes_first_until_that_is_taken_back():
    """Where memory runs out; afterwards as before."""
    before = TOLD.read_text()
    take_back = expendable()
    try:
        assert TOLD.read_text() == "1000\n"
    finally:
        take_back()
    assert TOLD.read_text() == before
