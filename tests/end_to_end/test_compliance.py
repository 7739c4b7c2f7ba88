"""From a transfer through the server's door to a case with its review, behind the answer."""

import asyncio
import json
import secrets
import time
from contextlib import contextmanager
from uuid import UUID

import asyncpg
import pytest

from compliance.roles import Actor, Role
from compliance.screening.reading import read_lists
from compliance.screening.register import import_editions
from holdfast.v1 import transfers_pb2
from server.cli.review_kills import kill_campaign
from server.keys import Keys
from server.store.database import Database
from server.store.portfolio import NewCard, Portfolio, demo_pan
from server.store.postgres import EmbeddedPostgres
from tests.end_to_end import callers, serving

BOUND_S = 120
_ADA = Actor("ada", Role.ADMIN)
_NEW_CARD = 7_000_001
_WIRE = "holdfast.v1.TransferService"
_BACKGROUND = "HOLDFAST_COMPLIANCE_BACKGROUND"
"""There the office gets next to nothing of a machine that runs other tests."""


@contextmanager
def _beside():
    """A server with the office beside it, on free ports."""
    home = serving.fresh_home()
    environment = {
        _BACKGROUND: "false",
        "HOLDFAST_COMPLIANCE_PORT": "0",
        "HOLDFAST_COMPLIANCE_METRICS_PORT": "0",
    }
    with serving.serving(home, arguments=("--comply",), environment=environment) as server:
        server.hear("ComplianceService on", BOUND_S)
        yield server


def _wire(server, usd_minor=6_000_000, name="Erika Muster", country="DE"):
    """A wire abroad through the door; its id."""
    request = transfers_pb2.CreateTransferRequest(
        idempotency_key=secrets.token_hex(8),
        kind=transfers_pb2.TRANSFER_KIND_SWIFT,
        direction=transfers_pb2.TRANSFER_DIRECTION_OUT,
        account_number=7,
        amount_minor=usd_minor,
        currency="USD",
        holder_address="5 Oak Avenue",
        purpose="rent",
    )
    request.counterparty.name = name
    request.counterparty.account = "DE89370400440532013000"
    request.counterparty.bank_id = "COBADEFFXXX"
    request.counterparty.bank_name = "Commerzbank"
    request.counterparty.address = "1 High Street"
    request.counterparty.country = country
    with callers.connected(server.target) as channel:
        answer = channel.unary_unary(f"/{_WIRE}/CreateTransfer")(
            request.SerializeToString(), timeout=callers.CALL_TIMEOUT_S
        )
    return transfers_pb2.Transfer.FromString(answer)


async def _rows(home, sql, *arguments, wanted=1):
    """Rows of this home's PostgreSQL, once there are so many."""
    connection = await asyncpg.connect(EmbeddedPostgres(home).url)
    try:
        async with asyncio.timeout(BOUND_S):
            while len(found := await connection.fetch(sql, *arguments)) < wanted:  # noqa: ASYNC110 - what is waited for is a row
                await asyncio.sleep(0.02)
        return found
    finally:
        await connection.close()


def _rows_now(home, sql, *arguments, wanted=1):
    return asyncio.run(_rows(home, sql, *arguments, wanted=wanted))


def _case_of(server, transfer):
    identifier = UUID(hex=transfer.transfer_id)
    return _rows_now(server.home, "SELECT * FROM cases WHERE source_id = $1", identifier)[0]


def test_a_wire_becomes_a_case_with_its_review_and_the_office_comes_back_and_ends_with_its_server():
    """Within moments of the answer, as the demo's own cash does; a killed office is started again; SIGTERM ends both."""
    with _beside() as server:
        began_s = time.monotonic()
        made = _wire(server, usd_minor=60_000)
        case = _case_of(server, made)
        elapsed_s = time.monotonic() - began_s
        review = _rows_now(server.home, "SELECT * FROM reviews WHERE flagged_id = $1", case["flagged_id"])[0]
        text = Keys.open(server.home).unseal("reviews.document", review["document"])
        document = json.loads(text)
        assert {finding["rule"] for finding in document["assessment"]["findings"]} >= {"remittance_transfer"}
        assert elapsed_s < 20  # two seconds on a machine at rest

        office = int(server.hear("compliance reviews as").split("-")[-2])
        serving.end_process(office, 9)
        server.hear("starts again in")
        _case_of(server, _wire(server, usd_minor=70_000))
        stories = _rows_now(
            server.home, "SELECT * FROM cases WHERE customer_number < 2 ORDER BY opened_at", wanted=5
        )
        duties = [{duty["kind"] for duty in json.loads(story["duties"])} for story in stories]
        assert sum("sar" in kinds for kinds in duties) == 3
        assert all("ctr" in kinds for kinds in duties[1:])
        assert (server.home / "demo_bank.sh").stat().st_mode & 0o777 == 0o600
        assert server.stop() == 0, server.output
        assert "compliance: stopped" in server.output


def test_a_listed_customers_card_answers_59_soon_after_he_comes(tmp_path):
    """He is screened when he comes, blocked with the report's clock started, and the directory follows."""
    listed = tmp_path / "sdn.csv"
    listed.write_text('700,"QEZVRANOV, Tarkhan Idrisovich","individual","SDGT"' + ",-0- " * 8 + "\n")

    async def comes(home, url):
        async with Database(url) as database:
            await import_editions(database, read_lists([listed], "2025-01-02"), _ADA)
            card = NewCard(demo_pan(_NEW_CARD), "Tarkhan Idrisovich", "Qezvranov", opening_minor=100_000)
            await Portfolio(database, Keys.open(home)).create([card], "standard")

    with _beside() as server, callers.calling(server.target) as caller:
        asyncio.run(comes(server.home, EmbeddedPostgres(server.home).url))
        (matched,) = _rows_now(server.home, "SELECT * FROM sanctions_matches WHERE state = 'true'")
        assert matched["report_due"] is not None
        began_s = time.monotonic()
        while (answer := caller.authorize(callers.purchase(_NEW_CARD)).response_code) != "59":
            assert time.monotonic() - began_s < BOUND_S, answer
        assert _rows_now(server.home, "SELECT FROM cases WHERE kind = 'sanctions'")


@pytest.mark.campaign
def test_every_flagged_transfer_has_one_case_whatever_is_killed(monkeypatch):
    """The short form of `holdfast bench compliance --kills 50`."""
    monkeypatch.setenv(_BACKGROUND, "false")
    home = serving.session_folder() / "kills"
    try:
        campaign = asyncio.run(kill_campaign(home, 4, seed=11))
    finally:
        serving.end_postgres(home)
    assert campaign.passes, campaign
    assert campaign.kills == {"worker": 2, "postgresql": 2}
