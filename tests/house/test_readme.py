"""What the README says is so: its commands run, its tables are the program's own."""

import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.main import get_command

from loadtest.processes import free_port, holdfast_command, running
from server.cli import app
from server.core.policy import CHECKS
from server.office.settings import OfficeSettings
from server.settings import Settings
from tests.end_to_end.serving import PATIENT, READY_TIMEOUT_S
from tests.house.sources import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
CARDS = 100


def blocks(mark):
    """The fenced blocks whose first line carries this mark."""
    return re.findall(rf"^```{mark}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def section(title):
    """The text under a heading."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def lines_to_run():
    """What a reader is told to type into a terminal, in order."""
    return [
        line.removeprefix("$ ")
        for block in blocks("console run")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]


@pytest.fixture(scope="module")
def demo():
    """The environment of a terminal beside a running demo server."""
    # Not pytest's own folder: as root, PostgreSQL's user must pass through.
    with tempfile.TemporaryDirectory(prefix="holdfast-readme-") as folder:
        yield from _serve(Path(folder))


def _serve(folder):
    port = free_port()
    environment = {**PATIENT, "HOLDFAST_HOME": str(folder / "home"), "HOLDFAST_TARGET": f"127.0.0.1:{port}"}
    target = environment["HOLDFAST_TARGET"]
    command = holdfast_command(port, CARDS)
    with running(command, target, folder / "log", ready_timeout_s=READY_TIMEOUT_S, environment=environment):
        yield {**os.environ, **environment}


def test_the_commands_of_the_first_screen_run(demo):
    """Each as typed, in order, beside a running demo server; what it prints is what the README says of it."""
    printed = {}
    for line in lines_to_run():
        program, *arguments = shlex.split(line)
        assert program == "holdfast", line
        command = [sys.executable, "-m", "server.cli", *arguments]
        done = subprocess.run(
            command, cwd=ROOT, env=demo, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        printed[line] = done.stdout
    assert len(printed) > 5
    assert re.search(r"response_code +00", printed["holdfast authorize 9999990000000014 12.50"])
    account = printed["holdfast accounts show 1"]
    assert "1,001.00 USD" in account and re.search(r"held +12.50 USD", account)
    assert re.search(r"state +frozen", printed["holdfast cards show 9999990000000022"])


def test_every_command_stands_in_the_readme_and_no_other():
    """Groups with each of their commands."""
    commands = get_command(app).commands
    told = section("Command line")
    for name, command in commands.items():
        inner = getattr(command, "commands", {})
        row = re.search(rf"`holdfast {name}\b[^`]*`", told)
        assert row, name
        missing = [sub for sub in inner if not re.search(rf"\b{sub}\b", row.group())]
        assert missing == []
    assert set(re.findall(r"`holdfast ([a-z]+)", told)) == set(commands)


@pytest.mark.parametrize(
    ("title", "settings"), [("Settings", Settings), ("Settings of compliance", OfficeSettings)]
)
def test_a_settings_table_is_the_settings(title, settings):
    """Names, defaults and meanings, in order."""
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", section(title), re.MULTILINE)
    own = [
        (
            name,
            "" if default is None or str(default) == "" else f"`{default}`",
            field.description.replace("|", r"\|"),
        )
        for name, field in settings.model_fields.items()
        for default in [field.get_default(call_default_factory=True)]
    ]
    assert rows == own


def test_every_response_code_is_explained():
    """Those of the policy's table, and those beside it."""
    told = set(re.findall(r"\b[0-9A-Z]{2}\b", section("Response codes")))
    beside = {"00", "10", "85", "94"}
    assert {rule.response_code for rule in CHECKS.values() if rule.response_code} | beside <= told


def test_every_make_target_that_is_named_exists():
    """And every path that is linked."""
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake (run|test|lint|kills|loadtest|install|stubs|lock)\b", README)) <= targets
    assert [link for link in re.findall(r"\]\(([^)#]+)\)", README) if not Path(ROOT / link).exists()] == []
