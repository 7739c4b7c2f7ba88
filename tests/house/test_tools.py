"""Lint, format and types are green: what `make lint` says."""

import subprocess
import sys

import pytest

from tests.house.sources import ROOT


@pytest.mark.parametrize(
    "arguments", [("ruff", "check"), ("ruff", "format", "--check"), ("tests.house.run_mypy",)], ids=" ".join
)
def test_a_tool_finds_nothing(arguments):
    """Its own words where it does."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=800, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-6_000:]}\n{done.stderr[-2_000:]}"
