"""`holdfast sanctions` and `holdfast screen`, as typed."""

import json

import pytest
import typer
from typer.testing import CliRunner

from server.cli import sanctions
from server.cli.screen import screen
from tests.compliance.screening.conftest import ALT, SDN, UN

LISTED = "Faruq Tamimuddin Zarqawian"


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast sanctions …` and `holdfast screen …` on a database of its own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    app = typer.Typer()
    app.add_typer(sanctions.app, name="sanctions")
    app.command("screen")(screen)

    def run(*words, wanted=0):
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == wanted, done.output
        return done

    return run


@pytest.fixture
def official(tmp_path):
    """The lists as files, the Treasury's without a date in their names."""
    written = []
    for name, text in (("sdn.csv", SDN), ("alt.csv", ALT), ("un.xml", UN)):
        written.append(tmp_path / name)
        written[-1].write_text(text)
    return written


def test_lists_are_imported_whole_and_a_broken_file_leaves_the_last_good_ones(holdfast, official):
    """A file's time stands for a date and says so; cut short, foreign or shrunk is refused with the reason."""
    done = json.loads(holdfast("sanctions", "import", *official, "--json").stdout)
    assert {one["list_name"]: (one["entries"], one["note"]) for one in done} == {
        "ofac_sdn": (6, "date unknown: file time"),
        "un": (1, ""),
    }
    sdn = official[0]
    sdn.write_text(SDN[: SDN.index("104,") + 30])
    assert "line 6" in holdfast("sanctions", "import", sdn, wanted=1).output
    sdn.write_text("name,age\nBob,7\n")
    assert "last good lists stay" in holdfast("sanctions", "import", sdn, wanted=1).output
    official[2].write_text(UN[:300])
    assert "un.xml" in holdfast("sanctions", "import", official[2], wanted=1).output
    sdn.write_text(SDN.splitlines()[0])
    assert "--force" in holdfast("sanctions", "import", sdn, wanted=1).output
    assert json.loads(holdfast("screen", LISTED, "--json").stdout)["hits"]
    holdfast("sanctions", "import", sdn, "--force")
    assert json.loads(holdfast("screen", LISTED, "--json").stdout)["hits"] == []


def test_a_file_of_names_is_screened_row_by_row_and_its_bad_rows_are_told(holdfast, official, tmp_path):
    """Every row has its answer; a date that can't be read is a warning, no name is an error and the exit status."""
    assert "no sanctions list is imported" in holdfast("screen", LISTED, wanted=1).output
    holdfast("sanctions", "import", *official)
    names = tmp_path / "names.csv"
    names.write_text(f"name,date_of_birth,country\n{LISTED},1958-05-03,Iran\nJohn Smith,,\n{LISTED},x,\n,,\n")
    rows = json.loads(holdfast("screen", "--file", names, "--json", wanted=1).stdout)
    assert [(row["row"], row["hit"], row["is_match"]) for row in rows] == [
        (1, True, True),
        (2, False, None),
        (3, True, True),
        (4, None, None),
    ]
    assert (rows[0]["list"], rows[0]["list_id"]) == ("ofac_sdn", "100")
    assert "YYYY-MM-DD" in rows[2]["warning"]
    assert "line 5: name is empty" in rows[3]["error"]
    names.write_text("who\nBob\n")
    assert "no column 'name'" in holdfast("screen", "--file", names, wanted=1).output
    assert "--file" in holdfast("screen", wanted=1).output


def test_an_exception_is_added_with_its_end_shown_and_withdrawn(holdfast, official):
    """The hit is still told, as cleared."""
    holdfast("sanctions", "import", *official)
    add = ("sanctions", "exceptions", "add", "ofac_sdn", "100", "--name", LISTED)
    assert "expires" in holdfast(*add, "--reason", "born elsewhere", "--expires", "soon", wanted=1).output
    assert "reason" in holdfast(*add, "--reason", "", wanted=1).output
    made = json.loads(holdfast(*add, "--reason", "born elsewhere", "--json").stdout)
    assert json.loads(holdfast("screen", LISTED, "--json").stdout)["hits"][0]["cleared"]
    (told,) = json.loads(holdfast("sanctions", "exceptions", "list", "--json").stdout)
    assert (told["reason"], told["expires_on"]) == ("born elsewhere", made["expires_on"])
    holdfast("sanctions", "exceptions", "withdraw", made["number"])
    assert not json.loads(holdfast("screen", LISTED, "--json").stdout)["hits"][0]["cleared"]
    holdfast("sanctions", "exceptions", "withdraw", made["number"], wanted=1)
