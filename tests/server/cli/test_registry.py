"""`holdfast models`, as typed."""

import json

import pytest
import typer
from typer.testing import CliRunner

from server.cli import registry
from tests.server.fraud.versions import spoil, version


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast models …` on a database of its own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    app = typer.Typer()
    app.add_typer(registry.app, name="models")
    return lambda *words: CliRunner().invoke(app, ["models", *words])


def states(holdfast):
    """Each version's state."""
    return {line["version"]: line["state"] for line in json.loads(holdfast("list", "--json").stdout)}


def done(result):
    """What a command that succeeded said."""
    assert result.exit_code == 0, result.output
    return result.stdout


def test_versions_are_shown_whole_in_a_narrow_terminal(holdfast, tmp_path):
    """What `list` shows can be typed again: nothing is cut off with an ellipsis."""
    done(holdfast("add", str(version(tmp_path / "trained", "2025-06-30-a72ef368")), "--by", "ann"))
    shown = done(holdfast("list"))
    assert "…" not in shown
    assert "2025-06-30-a72ef368" in shown


def test_a_version_is_brought_to_decide_by_two_and_back_by_one(holdfast, tmp_path):
    """From its folder to champion; then one command brings the one before back."""
    for name in ("v1", "v2"):
        done(holdfast("add", str(version(tmp_path / "trained", name)), "--by", "ann"))
        done(holdfast("shadow", name, "--by", "ann"))
        done(holdfast("promote", name, "--by", "ann", "--why", "finds more"))
        refused = holdfast("approve", name, "--by", "Ann")
        assert refused.exit_code == 1 and "needs somebody else to approve it" in refused.stderr
        assert f"{name} is champion" in done(holdfast("approve", name, "--by", "bob"))
    assert states(holdfast) == {"v1": "retired", "v2": "champion"}
    assert "v1 is champion again; v2 is retired" in done(holdfast("rollback", "--by", "cid"))
    assert states(holdfast) == {"v1": "champion", "v2": "retired"}
    changes = json.loads(done(holdfast("history", "v2", "--json")))
    assert [change["action"] for change in changes] == [
        "roll back",
        "promote",
        "propose promote",
        "shadow",
        "add",
    ]
    assert (changes[1]["by"], changes[1]["proposed_by"]) == ("bob", "ann")
    assert "v1" in done(holdfast("list")) and "finds more" in done(holdfast("show", "v2"))


def test_who_acts_is_the_user_of_the_terminal_when_nobody_is_named(holdfast, tmp_path, monkeypatch):
    """So that one person at one terminal stays one person."""
    monkeypatch.setattr("getpass.getuser", lambda: "dora")
    done(holdfast("add", str(version(tmp_path / "trained", "v1"))))
    done(holdfast("shadow", "v1"))
    done(holdfast("promote", "v1"))
    assert "dora proposed this" in holdfast("approve", "v1").stderr
    assert json.loads(done(holdfast("history", "--json")))[0]["by"] == "dora"


def test_a_challenger_gets_a_share_in_percent(holdfast, tmp_path):
    """0 ends it."""
    done(holdfast("add", str(version(tmp_path / "trained", "v1")), "--by", "ann"))
    done(holdfast("shadow", "v1", "--by", "ann"))
    assert "0.01 percent" in holdfast("challenge", "v1", "--share", "0.001").stderr
    done(holdfast("challenge", "v1", "--share", "2.5", "--by", "ann"))
    assert json.loads(done(holdfast("list", "--json")))[0]["proposed"] == "challenge 2.5 % by ann"
    assert "decides for 2.5 % of the cards" in done(holdfast("approve", "v1", "--by", "bob"))
    assert "decides nothing any more" in done(holdfast("challenge", "v1", "--share", "0", "--by", "ann"))
    done(holdfast("promote", "v1", "--by", "ann"))
    done(holdfast("withdraw", "v1", "--by", "ann"))
    done(holdfast("retire", "v1", "--by", "ann"))
    assert states(holdfast) == {"v1": "retired"}


def test_a_version_with_changed_files_is_shown_to_be_and_refused(holdfast, tmp_path):
    """Before anything happens."""
    done(holdfast("add", str(version(tmp_path / "trained", "v1")), "--by", "ann"))
    spoil(tmp_path / "home" / "models" / "v1")
    shown = json.loads(done(holdfast("show", "v1", "--json")))
    assert shown["files_sound"].startswith("no: v1: its files were changed or truncated")
    refused = holdfast("shadow", "v1", "--by", "ann")
    assert refused.exit_code == 1 and "changed or truncated since it was registered" in refused.stderr


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("show", "nobody"), "no version 'nobody' is registered"),
        (("add", "/nowhere"), "manifest.json can't be read"),
        (("rollback",), "no champion to roll back from"),
        (("check",), "there is no champion"),
        (("compare", "nobody"), "no version 'nobody' is registered"),
        (("shadow", "nobody", "--by", ""), "by must name a person"),
    ],
)
def test_what_can_not_be_is_told_in_words(holdfast, words, complaint):
    """And the status is 1."""
    refused = holdfast(*words)
    assert refused.exit_code == 1 and complaint in refused.stderr


def test_a_champion_is_checked_and_a_shadow_compared_when_there_is_nothing_yet(holdfast, tmp_path):
    """No figures, and no error."""
    for name in ("v1", "v2"):
        done(holdfast("add", str(version(tmp_path / "trained", name)), "--by", "ann"))
        done(holdfast("shadow", name, "--by", "ann"))
    done(holdfast("promote", "v1", "--by", "ann"))
    done(holdfast("approve", "v1", "--by", "bob"))
    done(holdfast("floor", "v1", "--recall", "0.6", "--fpr", "0.001", "--frauds", "100", "--by", "ann"))
    checked = json.loads(done(holdfast("check", "--json")))
    assert (checked["champion"], checked["judged"], checked["fallen"]) == ("v1", False, False)
    assert checked["floor"] == "recall 0.6 at a false-positive rate of 0.001, on 100 frauds of 28 days"
    compared = json.loads(done(holdfast("compare", "v2", "--json")))
    assert compared["champion_figures"]["transactions"] == compared["shadow_figures"]["transactions"] == 0
    assert "average precision" in done(holdfast("compare", "v2"))
