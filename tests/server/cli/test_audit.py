"""`holdfast audit` and `holdfast retention`, as typed."""

import asyncio
import json
import stat

import pytest
import typer
from typer.testing import CliRunner

from compliance.audit.checkpoint import Signed
from compliance.audit.proof import proves
from compliance.audit.signing import is_signed, public_of
from loadtest.audit_bench import seed
from server.cli import audit, retention
from server.store.database import Database


@pytest.fixture
def holdfast(database_url, tmp_path, monkeypatch):
    """Runs `holdfast audit …` and `holdfast retention …` on a database of its own."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_PEOPLE", '{"ada": "admin", "olga": "officer", "vic": "viewer"}')
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_USER", "ada")
    app = typer.Typer()
    app.add_typer(audit.app, name="audit")
    app.add_typer(retention.app, name="retention")

    def run(*words, wanted=0):
        done = CliRunner().invoke(app, list(words))
        assert done.exit_code == wanted, done.output
        return done

    return run


def _execute(database_url, *statements, rows=0):
    async def work():
        async with Database(database_url) as database:
            if rows:
                await seed(database, rows)
            async with database.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL session_replication_role = replica")
                for statement in statements:
                    await connection.execute(statement)

    asyncio.run(work())


def test_a_log_is_sealed_verified_and_told_to_be_broken_as_typed(holdfast, database_url, tmp_path):
    """Exit status 1 and the row where somebody changed it; a stranger's copy of the public key says the same."""
    _execute(database_url, rows=100)
    assert json.loads(holdfast("audit", "checkpoint", "--json").stdout)["made"] == 1
    key = tmp_path / "public.pem"
    key.write_text(holdfast("audit", "public-key").stdout)
    assert stat.S_IMODE((tmp_path / "home" / "keys" / "audit.key").stat().st_mode) == 0o600
    report = json.loads(holdfast("audit", "verify", "--public-key", str(key), "--json").stdout)
    assert (report["whole"], report["rows"], report["sealed_to"]) == (True, 100, 100)
    assert "whole" in holdfast("audit", "verify").stdout
    _execute(
        database_url, "UPDATE audit SET content = replace(content, 'cleared', 'decided') WHERE number = 41"
    )
    broken = json.loads(holdfast("audit", "verify", "--json", wanted=1).stdout)
    assert [(each["kind"], each["first_row"]) for each in broken["breaks"]] == [("edited", 41)]
    assert "row 41" in holdfast("audit", "verify", wanted=1).stdout


def test_rows_are_listed_shown_proved_and_exported_as_typed(holdfast, database_url, tmp_path):
    """And that somebody took the whole log with him is a row of it."""
    _execute(database_url, rows=20)
    holdfast("audit", "checkpoint")
    listed = json.loads(holdfast("audit", "list", "--actor", "analyst-3", "--json").stdout)
    assert {row["actor"] for row in listed} == {"analyst-3"}
    assert "case.decide" in holdfast("audit", "list", "--limit", "5", "--since", "2020-01-01").stdout
    assert json.loads(holdfast("audit", "show", "7", "--json").stdout)["number"] == 7
    assert "there is no row 999" in holdfast("audit", "show", "999", wanted=1).stderr
    found = json.loads(holdfast("audit", "prove", "7").stdout)
    key = tmp_path / "public.pem"
    key.write_text(holdfast("audit", "public-key").stdout)
    signed = Signed(found["document"], bytes.fromhex(found["signature"]))
    assert is_signed(signed, public_of(key)) and proves(found, signed)
    file = tmp_path / "audit.jsonl"
    assert "20 rows" in holdfast("audit", "export", str(file)).stdout
    assert [json.loads(line)["number"] for line in file.read_text().splitlines()] == list(range(1, 21))
    assert "nothing is written over" in holdfast("audit", "export", str(file), wanted=1).stderr
    assert json.loads(holdfast("audit", "list", "--action", "audit.*", "--json").stdout)[0]["new"] == {
        "rows": 20
    }


def test_who_may_not_see_the_log_is_refused_and_put_on_record(holdfast, monkeypatch):
    """A viewer sees no audit log; an officer sees it and deletes nothing."""
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_USER", "vic")
    assert "may not see audit" in holdfast("audit", "list", wanted=1).stderr
    monkeypatch.setenv("HOLDFAST_COMPLIANCE_USER", "olga")
    assert "may not administer" in holdfast("retention", "run", wanted=1).stderr
    rows = json.loads(holdfast("audit", "list", "--action", "denied.*", "--json").stdout)
    assert [(row["actor"], row["action"]) for row in rows] == [
        ("olga", "denied.administer"),
        ("vic", "denied.see_audit"),
    ]


def test_a_hold_is_placed_listed_and_lifted_as_typed(holdfast, database_url):
    """What is wrong is named by its field."""
    _execute(
        database_url,
        "INSERT INTO transfers (id, sender, idempotency_key, request_digest, state, kind, direction, account_number, amount_minor, currency, payer_minor, payer_currency, payee_minor, payee_currency, fee_minor, counterparty_country, counterparty_bank, details) "
        "VALUES ('00000000-0000-0000-0000-000000000100', 1, 'k', '', 'posted', 'wire', 'out', 1, 1, 840, 1, 840, 1, 840, 0, 840, '', '')",
    )
    hold = json.loads(
        holdfast("retention", "hold", "transfer", f"{256:032x}", "--reason", "subpoena 17", "--json").stdout
    )
    assert (hold["stands"], hold["placed_by"]) == (True, "ada")
    assert "subpoena" in holdfast("retention", "list").stdout
    assert "scope: one of" in holdfast("retention", "hold", "planet", "1", "--reason", "x", wanted=1).stderr
    holdfast("retention", "lift", hold["id"], "--reason", "over")
    assert json.loads(holdfast("retention", "list", "--json").stdout) == []
    assert json.loads(holdfast("retention", "list", "--all", "--json").stdout)[0]["lift_reason"] == "over"
    assert "none that stands" in holdfast("retention", "lift", hold["id"], "--reason", "x", wanted=1).stderr
    done = json.loads(holdfast("retention", "run", "--dry-run", "--json").stdout)
    assert done["dry_run"] and done["deleted"]["transfers"] == 0
