"""`holdfast filings` and `holdfast profiles`, as typed; and who learns nothing of them."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import typer
from typer.testing import CliRunner

from server.cli import filings, profiles
from server.keys import Keys
from tests.compliance.filings.house import ADA, finding, house
from tests.compliance.filings.samples import FINCEN, schema_path

PEOPLE = {"vera": "viewer", "anna": "analyst", "olaf": "officer", "otto": "officer"}
SETTINGS = {
    "FILER_NAME": "First Bank of Springfield",
    "FILER_EIN": "371234567",
    "FILER_REGULATOR": "fdic",
    "FILER_STREET": "100 Bank Plaza",
    "FILER_CITY": "Springfield",
    "FILER_STATE": "IL",
    "FILER_POSTAL_CODE": "62701",
    "FILER_CONTACT_OFFICE": "BSA Compliance Office",
    "FILER_CONTACT_PHONE": "2175550100",
    "TRANSMITTER_CODE": "PBSA1234",
    "TRANSMITTER_CONTACT": "Jane Filer",
    "FILER_BRANCHES": json.dumps(
        {
            "north": {
                "street": "12 North Street",
                "city": "Springfield",
                "state": "IL",
                "postal_code": "62702",
                "country": "US",
            }
        }
    ),
}


@pytest.fixture
def home(tmp_path):
    """A home with keys."""
    Keys.open(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def holdfast(database_url, home, monkeypatch):
    """Runs `holdfast …` as somebody: a JSON document where it ends well, else what it complains."""
    monkeypatch.setenv("HOLDFAST_HOME", str(home))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_PEOPLE", json.dumps(PEOPLE))
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"HOLDFAST_COMPLIANCE_{name}", value)
    app = typer.Typer()
    app.add_typer(filings.app, name="filings")
    app.add_typer(profiles.app, name="profiles")

    def run(who, *words):
        monkeypatch.setenv("HOLDFAST_COMPLIANCE_USER", who)
        done = CliRunner().invoke(app, [*map(str, words), "--json"])
        if done.exit_code and not done.stdout:
            assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
            return done.stderr
        return json.loads(done.stdout)

    return run


def _case(database_url, home, form="sar"):
    """The id of a case of one large cash deposit of today."""

    async def scenario():
        keys = Keys.open(home)
        async with house(database_url, keys, home) as scene:
            await scene.database.belongs_to(keys)
            deposit = await scene.cash(1_500_000, at=datetime.now(UTC))
            return (await scene.case(deposit, duties=(form,), findings=[finding("unusual", [deposit])])).hex

    return asyncio.run(scenario())


def _rows(database_url):
    """Every row of every table outside compliance, as text."""

    async def read():
        connection = await asyncpg.connect(database_url)
        try:
            names = await connection.fetch(
                "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"
            )
            ours = {"filings", "filing_batches", "audit", "cases", "case_events", "customer_profiles"}
            return {
                row["relname"]: sorted(
                    each["text"]
                    for each in await connection.fetch(f"SELECT t::text AS text FROM {row['relname']} t")
                )
                for row in names
                if row["relname"] not in ours and not row["relname"].startswith("audit")
            }
        finally:
            await connection.close()

    return asyncio.run(read())


@pytest.mark.parametrize(("form", "schema"), [("sar", "SAR"), ("ctr", "CTR")])
def test_a_report_goes_from_its_case_to_a_valid_file_by_commands(holdfast, database_url, home, form, schema):
    """Prepare, edit, approve by another, export, validate, acknowledge; and no row outside compliance changes by it."""
    case = _case(database_url, home, form)
    before = _rows(database_url)
    assert [each["what"] for each in holdfast("anna", "filings", "due")["due"]] == ["to_prepare"]
    draft = holdfast("anna", "filings", "prepare", case, form)
    assert (draft["state"], draft["lacking"]) == ("draft", [])
    assert "Byron" not in json.dumps(draft)
    content = holdfast("anna", "filings", "show", draft["filing"], "--unmasked")["content"]
    path = home / "content.json"
    path.write_text(json.dumps(content))
    holdfast("anna", "filings", "edit", draft["filing"], "--content", path)
    assert "wrote it" not in json.dumps(holdfast("olaf", "filings", "approve", draft["filing"]))
    assert "is not installed" in holdfast("otto", "filings", "export", form)
    installed = holdfast("otto", "filings", "schemas", schema_path(schema))
    assert [each["form"] for each in installed if each["installed"]] == [f"{schema}X"]
    done = holdfast("otto", "filings", "export", form)
    assert holdfast("otto", "filings", "validate", *done["files"])[0]["is_valid"]
    said = "sar" if form == "sar" else "ctr"
    text = (FINCEN / f"invalid_samples/{said}_acknowledgement.xml").read_text()
    first = text.index("</EFilingActivityXML>") + len("</EFilingActivityXML>")
    path = home / "acknowledgement.xml"
    path.write_text(text[:first] + text[text.index("</EFilingSubmissionXML>") :])
    heard = holdfast("otto", "filings", "acknowledge", path)
    assert (heard["is_accepted"], heard["filings"][0]["state"]) == (True, "accepted")
    assert [each["state"] for each in holdfast("anna", "filings", "list", "--case", case)] == ["accepted"]
    assert _rows(database_url) == before


def test_who_may_not_see_filings_is_told_nothing_and_is_on_record(holdfast, database_url, home):
    """Every command of filings is denied a viewer, by the permission's name alone; each denial is an audit row."""
    case = _case(database_url, home)
    filing = holdfast("anna", "filings", "prepare", case, "sar")["filing"]
    for words in (
        ("due",),
        ("list",),
        ("show", filing),
        ("prepare", case, "sar"),
        ("approve", filing),
        ("withdraw", filing, "--reason", "x"),
        ("export", "sar"),
    ):
        told = holdfast("vera", "filings", *words)
        assert "vera (viewer) may not" in told
        assert filing not in told

    async def denials():
        connection = await asyncpg.connect(database_url)
        try:
            return await connection.fetchval("SELECT count(*) FROM audit WHERE action LIKE 'denied.%'")
        finally:
            await connection.close()

    assert asyncio.run(denials()) == 7


def test_a_profile_is_set_and_shown_masked(holdfast, database_url, home):
    """In full only where that is asked for, by who may."""
    _case(database_url, home)
    assert holdfast("anna", "profiles", "set", 0, "--city", "Chicago")["city"] == "****"
    assert holdfast("anna", "profiles", "show", 0, "--unmasked")["tin"] == ADA["tin"]
    assert "may not see personal data" in holdfast("vera", "profiles", "show", 0, "--unmasked")
    assert "tin must be SSN" in holdfast("anna", "profiles", "set", 0, "--tin", "12")


def test_every_invalid_sample_is_refused_by_the_command(holdfast, home):
    """Status 1, and the reasons of each file."""
    for form in ("SAR", "CTR", "8300", "DOEP", "FBAR"):
        holdfast("otto", "filings", "schemas", schema_path(form))
    samples = sorted((FINCEN / "invalid_samples").glob("*.xml"))
    told = holdfast("otto", "filings", "validate", *samples, home / "absent.xml")
    assert len(told) == 11
    assert not any(each["is_valid"] for each in told)
    assert all(each["faults"] for each in told)


def test_filings_reach_no_log_no_bell_and_no_metric():
    """The room has none of them, and the rooms that answer cardholders and merchants don't know of it."""
    root = Path(filings.__file__).parents[2]
    own = "".join(path.read_text() for path in sorted((root / "compliance/filings").glob("*.*")))
    assert not any(
        word in own for word in ("structlog", "logging", "print(", "NOTIFY", "pg_notify", "prometheus")
    )
    for room in ("banking", "core", "fraud", "store"):
        for path in sorted((root / "server" / room).glob("*.py")):
            assert "compliance.filings" not in path.read_text(), path
