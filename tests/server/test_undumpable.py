"""Processes that see card numbers leave no picture of their memory."""

import subprocess
import sys

import pytest

ASKS = """
import ctypes, resource
from server.undumpable import refuse_dumps

def told():
    return resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)

before = told()
refuse_dumps()
refuse_dumps()
print(before[1], *told())
"""
"""3 is PR_GET_DUMPABLE."""

COMMAND = """
import ctypes, resource, sys
from server import cli

sys.argv = ["holdfast", "--help"]
try:
    cli.main()
finally:
    print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="what may look is Linux's to say")
def test_a_process_has_no_core_file_and_is_not_dumpable_once_it_refuses():
    """Both limits are zero, and Linux says that nobody but root may look; saying it again changes nothing."""
    asked = subprocess.run(
        [sys.executable, "-c", ASKS], capture_output=True, text=True, timeout=60, check=True
    )
    assert asked.stdout.split(maxsplit=1) == ["1", "(0, 0) 0\n"]


@pytest.mark.skipif(sys.platform != "linux", reason="what may look is Linux's to say")
def test_every_command_refuses_before_it_reads_what_it_was_given():
    """Each runs behind `main`: a card number stands among the arguments of some."""
    asked = subprocess.run(
        [sys.executable, "-c", COMMAND], capture_output=True, text=True, timeout=60, check=True
    )
    assert asked.stdout.endswith("(0, 0) 0\n")
