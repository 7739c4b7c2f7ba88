"""`holdfast ledger`, as typed."""

import asyncio
import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ledger import chart
from ledger.embedded import EmbeddedLedger
from ledger.transfer import ACCOUNT, TRANSFER, TransferFlags
from server.cli import ledger as command
from tests.ledger.books import USD, FakeClock, fund

GOLDEN = Path(__file__).parents[3].parent / "shared" / "data" / "ledger" / "golden_11.npz"


def run(*line, status=0):
    result = CliRunner().invoke(command.app, [str(word) for word in line])
    assert result.exit_code == status, result.output
    return result.stdout if status == 0 or result.stdout.startswith("{") else result.output


def test_the_chart_lists_every_account_and_transfer_code():
    """As a table, and as one document."""
    document = json.loads(run("chart", "--json"))
    assert [line["account"] for line in document["accounts"]] == [c.name.lower() for c in chart.AccountCode]
    assert all(line["meaning"] for line in document["accounts"])
    assert [line["code"] for line in document["transfers"]] == [int(c) for c in chart.TransferCode]
    assert "credit balance only" in run("chart")


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home whose ledger has some deposits and holds, one of them posted, one timed out; still open."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    monkeypatch.delenv("HOLDFAST_LEDGER", raising=False)
    clock = FakeClock()
    ledger = EmbeddedLedger.open(tmp_path / "ledger", now_ns=clock)

    async def work():
        await fund(ledger, [1_000, 2_000, 0])
        holds = np.zeros(3, TRANSFER)
        holds["id_lo"] = 1, 2, 3
        holds["id_hi"] = 9
        holds["debit_account_id_lo"] = 0, 1, 1
        holds["debit_account_id_hi"] = chart.id_high(chart.AccountCode.CARDHOLDER, USD)
        holds["credit_account_id_lo"] = chart.HOUSE
        holds["credit_account_id_hi"] = chart.id_high(chart.AccountCode.SETTLEMENT, USD)
        holds["amount_lo"] = 10, 20, 5_000
        holds["ledger"], holds["code"] = USD, chart.TransferCode.HOLD
        holds["flags"] = TransferFlags.PENDING
        holds["flags"][2] |= TransferFlags.BALANCING_DEBIT
        holds["timeout"] = 0, 100, 5
        await ledger.create_transfers(holds)
        clock.move_s(6)
        post = np.zeros(1, TRANSFER)
        post["id_lo"], post["id_hi"], post["pending_id_lo"], post["pending_id_hi"] = 4, 9, 1, 9
        post["amount_lo"] = 7
        post["flags"] = TransferFlags.POST_PENDING_TRANSFER
        await ledger.create_transfers(post)

    asyncio.run(work())
    yield tmp_path
    ledger.close_blocking()


def test_a_sound_ledger_is_verified_beside_its_server(home):
    """Every transfer replayed, every account compared, from a copy."""
    document = json.loads(run("verify", "--json"))
    assert document["sound"]
    assert (document["transfers"], document["differing"], document["refused"]) == (7, 0, 0)
    assert document["source"] == f"a copy of {home / 'ledger'}"
    assert "follow from the history" in run("verify")


@pytest.mark.usefixtures("home")
def test_a_balance_that_does_not_follow_is_named(monkeypatch):
    """An account that the history does not explain: exit status 1."""
    original = EmbeddedLedger.query_accounts

    async def altered(self, wanted):
        page = await original(self, wanted)
        page["debits_posted_lo"][page["code"] == chart.AccountCode.CARDHOLDER] += np.uint64(1)
        return page

    monkeypatch.setattr(EmbeddedLedger, "query_accounts", altered)
    document = json.loads(run("verify", "--json", status=1))
    assert document["differing"] == 3
    first = document["differences"][0]
    assert first["account"] == "cardholder 0 in 840"
    assert first["debits_posted"] == {"expected": 7, "found": 8}


def test_a_home_without_a_ledger_is_told(tmp_path, monkeypatch):
    """Nothing is made there."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    monkeypatch.delenv("HOLDFAST_LEDGER", raising=False)
    assert "there is no ledger in" in run("verify", status=1)
    assert not (tmp_path / "ledger").exists()


@pytest.fixture
def recording():
    """A real server's history, its arrays in memory."""
    if not GOLDEN.exists():
        pytest.skip(f"{GOLDEN} is not here")
    with np.load(GOLDEN) as arrays:
        return {name: arrays[name] for name in arrays.files}


def test_a_recorded_history_conforms(recording, tmp_path):
    """Nothing differs, also where the file is without what was stored, and its records are plain bytes."""
    document = json.loads(run("conform", GOLDEN, "--json"))
    assert document["conforms"]
    assert (document["transfers"], document["statuses_differ"], document["balances_differ"]) == (44_933, 0, 0)
    del recording["transfers_after"]
    plain = {
        name: array if name == "batch_sizes" else array.view(np.uint8).reshape(len(array), -1)
        for name, array in recording.items()
    }
    np.savez(tmp_path / "plain.npz", **plain)
    assert "are the server's" in run("conform", tmp_path / "plain.npz")


def test_what_differs_from_a_recording_is_listed(recording, tmp_path):
    """A status, a balance and a stored transfer that were altered, each with what was expected."""
    recording["results"]["status"][7] = 1_000
    recording["accounts_after"].view(ACCOUNT)["credits_posted_lo"][3] += np.uint64(5)
    recording["transfers_after"].view(TRANSFER)["user_data_32"][2] ^= np.uint32(1)
    np.savez(tmp_path / "altered.npz", **recording)
    document = json.loads(run("conform", tmp_path / "altered.npz", "--json", status=1))
    assert not document["conforms"]
    assert [document[f"{name}_differ"] for name in ("statuses", "balances", "transfers")] == [1, 1, 1]
    assert document["differences"][0]["status"]["expected"] == "1000"
    assert "DIFFER" in run("conform", tmp_path / "altered.npz", status=1)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.pop("transfers"), "it has no 'transfers'"),
        (lambda r: r.update(results=r["results"][:-1]), "44933 transfers, but 44932 results"),
        (lambda r: r.update(batch_sizes=np.array([3, 4])), "'batch_sizes' gives 7 transfers"),
        (lambda r: r.update(accounts=np.zeros(3, np.uint8)), "'accounts' is no array of 128-byte records"),
    ],
)
def test_a_file_that_is_no_recording_is_refused_by_name(recording, tmp_path, change, said):
    """With what is wrong with it."""
    change(recording)
    np.savez(tmp_path / "bad.npz", **recording)
    assert said in " ".join(run("conform", tmp_path / "bad.npz", status=1).split())


def test_a_file_that_is_no_archive_is_refused_by_name(tmp_path):
    """Text, one single array, nothing at all."""
    (tmp_path / "text.npz").write_text("nothing of the kind")
    np.save(tmp_path / "one.npy", np.zeros(3))
    for name in ("text.npz", "one.npy", "none.npz"):
        assert name in run("conform", tmp_path / name, status=1).replace("\n", "")


def test_a_journal_that_is_damaged_is_told_not_verified(home):
    """The error names the last good batch."""
    connection = sqlite3.connect(home / "ledger" / "journal.sqlite", isolation_level=None)
    connection.execute("UPDATE batch SET first_ns = 1 WHERE sequence = 3")
    connection.close()
    assert "the last good batch is 2" in " ".join(run("verify", status=1).split())
