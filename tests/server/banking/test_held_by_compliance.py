"""A transfer that may have to be blocked is not let go by anybody but compliance; what compliance decides is carried out."""

import asyncio
from datetime import UTC, datetime
from uuid import UUID

import pytest

from compliance.cases.desk import CaseDesk
from compliance.cases.opening import NewCase, open_cases
from compliance.cases.records import By
from compliance.cases.states import Action, Disposition
from compliance.facts import Kind, Source
from compliance.results import Duty, DutyKind, Tier
from compliance.roles import Actor, Role
from holdfast.v1 import transfers_pb2 as pb
from server.banking.refusals import Refused
from server.banking.upkeep import CHANNEL, Upkeep
from server.store.bell import Bell
from server.store.masking import mask_name
from tests.server.banking.bank import SENDER, banking

BOUND_S = 20.0
OLAF, OTTO = (By(Actor(name, Role.OFFICER)) for name in ("olaf", "otto"))


def _now():
    return datetime.now(UTC)


async def _held(bank):
    """A wire that waits, whose case says that its money may have to be blocked; its request and its case."""
    made = await bank.create("wire", await bank.open(), 6_000_000)
    identifier = UUID(hex=made.transfer_id)
    case = NewCase(
        None, 0, Tier.HIGH, "sanctions", "a name on a list", None, (Duty(DutyKind.BLOCK, "31 CFR 501.603", "a match"),),
        hits=True, source=Source.TRANSFER, source_id=identifier, money=Kind.WIRE,
    )  # fmt: skip
    async with bank.database.acquire() as connection, connection.transaction():
        (case_id,) = await open_cases(connection, [case], _now())
    return made.transfer_id, case_id


def test_nobody_approves_a_transfer_whose_case_may_block_it(run, database_url, keys, tmp_path):
    """He is told so; rejecting it is nobody's harm."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            transfer_id, _ = await _held(bank)

            def decide(decision):
                request = pb.DecideTransferRequest(
                    transfer_id=transfer_id, decision=decision, decided_by="teller", reason="fine"
                )
                return bank.transfer_service.decide_transfer(request, SENDER)

            with pytest.raises(Refused) as refused:
                await decide(pb.TRANSFER_DECISION_APPROVE)
            assert refused.value.reason == "HELD_BY_COMPLIANCE"
            assert (await decide(pb.TRANSFER_DECISION_REJECT)).state == pb.TRANSFER_STATE_REJECTED

    run(body())


def test_upkeep_carries_on_what_two_officers_let_go_when_the_bell_rings(run, database_url, keys, tmp_path):
    """Without waiting for its next sweep, which is an hour away."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            transfer_id, case_id = await _held(bank)
            bell = Bell(bank.database, CHANNEL)
            upkeep = Upkeep(bank.transfers, bank.accounts, bell, every_s=3_600)
            with bell.heard() as rung:
                running = [asyncio.ensure_future(work) for work in (bell.run(), upkeep.run())]
                async with asyncio.timeout(BOUND_S):
                    await rung.wait()  # it listens
            desk = CaseDesk(bank.database, keys, _now, mask=mask_name)
            await desk.decide(OLAF, case_id, Disposition.CLEARED, [Action.RELEASE_TRANSFER], "another man")
            await desk.approve(OTTO, case_id, "so it is")
            request = pb.GetTransferRequest(transfer_id=transfer_id)
            async with asyncio.timeout(BOUND_S):
                while (
                    await bank.transfer_service.get_transfer(request, SENDER)
                ).state != pb.TRANSFER_STATE_POSTED:
                    pass
            for task in running:
                task.cancel()
            await asyncio.wait(running)

    run(body())
