"""What importing costs and does: little, and nothing."""

import json
import subprocess
import sys

import pytest

from tests.house.sources import ROOT, modules

HEAVY = {"lightgbm", "matplotlib", "pandas", "pyarrow", "sklearn"}
"""What trains and measures, and stays out of the server's process."""

SLOW = HEAVY | {"asyncpg", "grpc", "numba", "numpy", "uvloop"}
"""What `holdfast --help` need not wait for."""

PROBE = """
import importlib, json, sys
seen = []
acts = ("sqlite3.connect", "socket.bind", "socket.connect", "subprocess.Popen", "os.exec", "os.fork")
sys.addaudithook(lambda event, _: seen.append(event) if event in acts else None)
for name in json.loads(sys.argv[1]):
    importlib.import_module(name)
print(json.dumps([sorted({module.split(".")[0] for module in sys.modules}), seen]))
"""


def imported(*names):
    """What stands in memory after importing these in a new process, and what they did besides."""
    command = [sys.executable, "-c", PROBE, json.dumps(names)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    libraries, acts = json.loads(done.stdout)
    return set(libraries), acts


@pytest.mark.parametrize(("name", "kept_out"), [("server.cli", SLOW), ("server.assembly", HEAVY)])
def test_what_a_process_does_not_need_stays_out_of_it(name, kept_out):
    """The command line speaks at once; the server carries no training library."""
    libraries, _ = imported(name)
    assert libraries & kept_out == set()


def test_importing_any_module_opens_and_starts_nothing():
    """No database, no socket, no process: objects are made in the composition root."""
    entrances = ("loadtest.locustfile", "server.cli.__main__")  # Locust patches the process; the other runs
    _, acts = imported(*(name for name in modules() if name not in entrances))
    assert acts == []
