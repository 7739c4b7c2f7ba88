"""The short forms of the campaigns: `make` has the long ones."""

import json

import pytest
from typer.testing import CliRunner

from server.cli import app
from server.cli.steady_away import Absence, AwayOptions, absences_of
from server.cli.steady_day import DayOptions, faults_of
from tests import clusters

TIMES = {
    "latest answer, beyond its deadline",
    "first 00 after the ledger's return, at most",
    "oldest zombie",
    "core: killed to first answer, median",
    "answered other than 91 or 96",
}
"""Figures of a quiet machine: not for one that runs other tests."""

DONE = (
    "answered 00",
    "repeats told as such",
    "calls cancelled on their way",
    "cancelled calls that the server had",
    "faults",
)

pytestmark = pytest.mark.campaign
needs_cluster = pytest.mark.skipif(clusters.server() is None, reason=clusters.WHY_NONE)


def campaign(*command):
    """The document of a `bench` command; all that is no time passes."""
    document, status = measured(*command)
    figures = {figure["name"]: figure for figure in document["figures"]}
    print({name: figure["value"] for name, figure in figures.items()})
    assert all(figure["passes"] for name, figure in figures.items() if name not in TIMES), document
    assert document["details"]["tracebacks"] == 0
    assert status == (0 if document["passes"] else 1)
    return document


def measured(*command):
    """The document of a `bench` command, and its exit status. It is there also where a bar is missed."""
    result = CliRunner().invoke(app, ["bench", *command, "--json"])
    assert result.stdout.startswith("{"), (result.exception, result.stderr)
    return json.loads(result.stdout), result.exit_code


@needs_cluster
def test_ledger_that_dies_and_comes_back_leaves_sound_books():
    """Killed under load and started again: every question has its one answer, and no hold stands that is nobody's."""
    document = campaign(
        *("away", "--times", "1", "--shortest", "2", "--longest", "2", "--kinds", "kill", "--cards", "200")
    )
    details = document["details"]
    assert {"00", "91"} <= details["codes"].keys()
    assert details["absences"][0]["first_hold_s"] is not None


@pytest.mark.usefixtures("patient")
def test_killed_core_worker_and_postgresql_lose_nothing():
    """Each killed under load: what was acknowledged stands, and is held once."""
    document = campaign(*("kills", "--times", "1", "--of", "core,worker,postgres", "--cards", "200"))
    assert document["details"]["kills"] == {"core": 1, "worker": 1, "postgres": 1}
    assert document["details"]["asked_more_than_once"] > 0


@pytest.mark.usefixtures("patient")
def test_memory_is_pressed_by_requests_repeats_and_cancelled_calls():
    """Too short to be flat: all that was asked was done, and every figure is there beside its bar."""
    document, status = measured("memory", "--requests", "6400", "--cards", "500")
    figures = {figure["name"]: figure["passes"] for figure in document["figures"]}
    assert [figures[name] for name in DONE] == [True] * len(DONE), document
    assert figures.keys() > set(DONE) and "memory not accounted for" in figures
    assert 6_300 < document["heard"]["sent"] <= 6_400 and len(document["samples"]) > 30
    assert status == (0 if document["passes"] else 1)


def test_absences_are_as_long_as_asked_for_and_the_same_for_a_seed():
    """From the shortest to the longest, each kind in its turn."""
    options = AwayOptions(times=5, shortest_s=1, longest_s=16, kinds=("stop", "kill"), seed=3)
    absences = absences_of(options)
    assert absences == absences_of(options)
    assert sorted(round(absence.lasts_s) for absence in absences) == [1, 2, 4, 8, 16]
    assert [absence.kind for absence in absences] == ["stop", "kill", "stop", "kill", "stop"]
    assert isinstance(absences[0], Absence)


def test_a_day_has_the_faults_that_its_parts_can_have():
    """No fronts, no fault of a front; one replica, none that is lost alone."""
    plain = faults_of(DayOptions(ledger="embedded"))
    full = faults_of(DayOptions(fronts=2, replicas=3))
    assert plain.keys() < full.keys()
    assert {"front killed", "replica killed 10 s", "ledger stopped 3 s"} <= full.keys() - plain.keys()
    assert "replica killed 10 s" not in faults_of(DayOptions(replicas=1))


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("away", "--kinds", "stop,nap"), "nap"),
        (("away", "--shortest", "5", "--longest", "1"), "shortest"),
        (("kills", "--of", "core,cat"), "cat"),
        (("kills", "--of", "front"), "--fronts"),
        (("day", "--ledger", "paper"), "paper"),
        (("day", "--every", "1"), "ten seconds"),
        (("day", "--posture", "hope"), "hope"),
        (("day", "--away-code", "00"), "00"),
    ],
)
def test_campaign_that_can_not_be_is_refused_by_name(command, named):
    """Before anything is started."""
    result = CliRunner().invoke(app, ["bench", *command])
    assert result.exit_code == 1
    assert named in result.output
