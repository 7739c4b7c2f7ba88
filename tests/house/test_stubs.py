"""The generated code beside the contract is what the contract makes."""

import subprocess
import sys

import pytest

from tests.house.sources import ROOT

CONTRACT = (
    "holdfast/v1/authorization",
    "holdfast/v1/transfers",
    "holdfast/v1/accounts",
    "holdfast/v1/feedback",
    "holdfast/v1/compliance",
)


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    """A folder with a fresh build of the stubs."""
    folder = tmp_path_factory.mktemp("stubs")
    command = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=proto", f"--python_out={folder}"]
    sources = [f"proto/{name}.proto" for name in CONTRACT]
    subprocess.run([*command, f"--pyi_out={folder}", *sources], cwd=ROOT, check=True, timeout=300)
    return folder


@pytest.mark.parametrize("ending", ["_pb2.py", "_pb2.pyi"])
@pytest.mark.parametrize("name", CONTRACT)
def test_a_stub_equals_a_fresh_build(fresh, name, ending):
    """`make stubs` makes it so."""
    assert (ROOT / "proto" / f"{name}{ending}").read_text() == (fresh / f"{name}{ending}").read_text()
