"""Countries are listed by source and date; a source is replaced whole."""

import json
from datetime import date

import pytest
from typer.testing import CliRunner

from compliance.audit.log import Entry, append
from compliance.rules.countries import (
    CountryFileError,
    CountryStatus,
    CountryTable,
    Listed,
    load_countries,
    read_file,
    replace_countries,
)
from server.cli import app
from server.store.database import Database

KNOWN = frozenset({"IR", "KP", "DE", "MM"})
HEADER = "country,status,source,as_of,note\n"


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast …` on a database of its own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    return lambda *words: CliRunner().invoke(app, list(words))


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("XX,high_risk,FATF,2025-10-24,\n", "line 2, country"),
        ("IR,risky,FATF,2025-10-24,\n", "line 2, status: one of high_risk, sanctioned"),
        ("IR,high_risk,,2025-10-24,\n", "line 2, source"),
        ("IR,high_risk,FATF,24.10.2025,\n", "line 2, as_of"),
        ("IR,high_risk,FATF,2025-10-24,,more\n", "line 2: more fields"),
        ("IR,high_risk,FATF,2025-10-24,\n" * 2, "line 3: IR is high_risk by FATF twice"),
        ("", "no rows"),
    ],
)
def test_a_file_of_countries_is_refused_with_line_and_column_when_a_row_is_wrong(lines, told):
    """All or nothing."""
    with pytest.raises(CountryFileError, match=told):
        read_file(HEADER + lines, KNOWN)


def test_a_file_of_countries_is_refused_when_a_column_is_missing():
    """The header is told."""
    with pytest.raises(CountryFileError, match="no column source, as_of"):
        read_file("country,status\nIR,high_risk\n", KNOWN)


def test_a_file_of_countries_is_read_with_a_mark_spaces_and_small_letters():
    """As spreadsheets write them."""
    rows = read_file("\ufeffcountry,status,source,as_of\n ir , High_Risk ,FATF,2025-10-24\n", KNOWN)
    assert rows == [Listed("IR", CountryStatus.HIGH_RISK, "FATF", date(2025, 10, 24))]


def test_a_sanctioned_country_is_high_risk_too():
    """And names its programme."""
    row = Listed("KP", CountryStatus.SANCTIONED, "OFAC", date(2025, 1, 1))
    table = CountryTable.of([row])
    assert table.is_high_risk("KP")
    assert table.listed("KP") is row
    assert not table.is_high_risk("")
    assert table.listed("DE") is None


def test_a_new_installation_knows_the_lists_of_its_release(run, database_url):
    """FATF's two and OFAC's comprehensive programmes, dated."""

    async def body():
        async with Database(database_url) as database:
            return await load_countries(database)

    table = run(body())
    assert set(table.sanctioned) == {"CU", "IR", "KP"}
    assert {"IR", "KP", "MM", "VN"} <= set(table.high_risk)
    assert table.listed("MM").as_of == date(2025, 10, 24)


def test_an_import_replaces_its_source_alone_and_keeps_what_was(run, database_url):
    """Who removed a row, and when, stays on record."""

    async def body():
        async with Database(database_url) as database:
            rows = [
                Listed("IR", CountryStatus.HIGH_RISK, "FATF: call for action", date(2026, 2, 20)),
                Listed("DE", CountryStatus.HIGH_RISK, "FATF: call for action", date(2026, 2, 20)),
            ]
            async with database.acquire() as connection, connection.transaction():
                (change,) = await replace_countries(connection, rows, "ann")
                await append(connection, [Entry("ann", "officer", "countries.import", "countries:FATF")])
            async with database.acquire() as connection:
                gone = await connection.fetch(
                    "SELECT country, removed_by FROM countries WHERE removed_at IS NOT NULL ORDER BY country"
                )
            return change, [tuple(row) for row in gone], await load_countries(database)

    change, gone, table = run(body())
    assert (change.added, change.removed, change.rows) == (("DE",), ("KP", "MM"), 2)
    assert gone == [("IR", "ann"), ("KP", "ann"), ("MM", "ann")]
    assert table.is_high_risk("DE")
    assert not table.is_high_risk("MM")
    assert table.is_sanctioned("KP")


def test_countries_are_imported_listed_and_removed_as_typed(holdfast, tmp_path):
    """A wrong file changes nothing; the command says why."""
    file = tmp_path / "own.csv"
    file.write_text(HEADER + "DE,high_risk,our own,2026-01-01,a test\n")
    done = holdfast("countries", "import", str(file), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["added"] == ["DE"]
    file.write_text(HEADER + "QQ,high_risk,our own,2026-01-01,\n")
    refused = holdfast("countries", "import", str(file))
    assert refused.exit_code == 1
    listed = json.loads(holdfast("countries", "list", "--json").stdout)
    assert [row["country"] for row in listed if row["source"] == "our own"] == ["DE"]
    assert holdfast("countries", "remove", "our own").exit_code == 0
    assert holdfast("countries", "remove", "our own").exit_code == 1
