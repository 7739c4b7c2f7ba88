"""
What a decision does, by SQL on the server's tables, in the decision's own transaction.

The server hears of each: a transfer's state by NOTIFY (server/banking/upkeep.py), cards and customers through the
directory's feed, labels through their desk. What the server's own clients can see says nothing of why: a case's reason
stays with the case, because it may tell of a report (31 CFR 1020.320(e)).
"""

import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from compliance.audit.log import Entry
from compliance.cases.records import By, Case
from compliance.cases.refusals import Refused
from compliance.cases.states import Action
from compliance.facts import Source
from compliance.ports import queries

_DECISIONS: Final = {
    Action.RELEASE_TRANSFER: "approve",
    Action.REJECT_TRANSFER: "reject",
    Action.BLOCK_TRANSFER: "block",
}
_CARD_MOVES: Final = {Action.BLOCK_CARD: ("active", "frozen"), Action.UNBLOCK_CARD: ("frozen", "active")}
_VERDICTS: Final = {Action.LABEL_FRAUD: 1, Action.LABEL_FALSE_POSITIVE: 3}


class _Scene(NamedTuple):
    connection: Any
    case: Case
    by: By
    now: datetime
    sql: Mapping[str, str]

    def entry(self, action: str, resource: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Entry:
        told = {**new, "case": self.case.id.hex}
        actor = self.by.actor
        return Entry(actor.name, actor.role.value, action, resource, old, told, self.by.correlation_id)


async def act(connection: Any, case: Case, actions: Sequence[Action], by: By, now: datetime) -> list[Entry]:
    """
    Do all of it or, raising Refused, nothing; the audit rows to append.

    What is so already stays so and is no refusal.
    """
    scene = _Scene(connection, case, by, now, queries("compliance.cases"))
    found = [await _DO[action](scene, action) for action in actions]
    return [entry for entry in found if entry is not None]


async def _decide_transfer(scene: _Scene, action: Action) -> Entry | None:
    identifier = _source(scene.case, Source.TRANSFER, action)
    wanted = _DECISIONS[action]
    why = f"case {scene.case.id.hex}"
    row = await scene.connection.fetchrow(
        scene.sql["decide_transfer"], identifier, wanted, scene.by.actor.name, why
    )
    if row is None:
        found = await scene.connection.fetchrow(scene.sql["transfer_standing"], identifier)
        if found is None:
            raise Refused("NO_TRANSFER", f"there is no transfer {identifier.hex}")
        if found["decision"] is None:
            raise Refused(
                "TRANSFER_NOT_PENDING", f"transfer {identifier.hex} is {found['state']}: it waits for nobody"
            )
        if found["decision"] != wanted:
            text = f"transfer {identifier.hex} was decided by {found['decided_by']}: {found['decision']}"
            raise Refused("TRANSFER_ALREADY_DECIDED", text)
        return None
    await scene.connection.execute(scene.sql["tell_transfers"])
    return scene.entry(
        "transfer.decide",
        f"transfer:{identifier.hex}",
        {"state": "pending_review"},
        {"state": "deciding", "decision": wanted},
    )


async def _move_card(scene: _Scene, action: Action) -> Entry | None:
    before, after = _CARD_MOVES[action]
    identifier = _source(scene.case, Source.AUTHORIZATION, action)
    card = await scene.connection.fetchrow(scene.sql["card_of_authorization"], identifier)
    if card is None:
        raise Refused("NO_CARD", f"authorization {identifier.hex} is of no card that is known")
    if card["state"] == after:
        return None
    if card["state"] != before:
        raise Refused(
            "CARD_STATE", f"card {card['number']} is {card['state']}: only an {before} one becomes {after}"
        )
    await scene.connection.execute(scene.sql["move_card"], card["number"], after)
    return scene.entry(
        "card.block" if action == Action.BLOCK_CARD else "card.unblock",
        f"card:{card['number']}",
        {"state": before},
        {"state": after},
    )


async def _mark_customer(scene: _Scene, action: Action) -> Entry | None:
    number = scene.case.customer_number
    if number is None:
        raise Refused("NO_CUSTOMER", f"case {scene.case.id.hex} is of no customer: {action} has no object")
    blocked = action == Action.BLOCK_CUSTOMER
    if await scene.connection.fetchval(scene.sql["mark_customer"], number, blocked) is None:
        return None
    return scene.entry(
        "customer.block" if blocked else "customer.unblock",
        f"customer:{number}",
        {"compliance_block": not blocked},
        {"compliance_block": blocked},
    )


async def _label(scene: _Scene, action: Action) -> Entry | None:
    identifier = _source(scene.case, Source.AUTHORIZATION, action)
    name = scene.by.actor.name
    sender = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little", signed=True)
    # A case that was reopened and decided anew tells anew: the last label told is the one that counts.
    report = f"{scene.case.id.hex}-{int(scene.now.timestamp())}"
    at = scene.now.replace(microsecond=0)
    await scene.connection.execute(
        scene.sql["add_label"], identifier, _VERDICTS[action], report, at, name[:100], sender
    )
    return scene.entry("label.add", f"authorization:{identifier.hex}", {}, {"verdict": action.value})


def _source(case: Case, wanted: Source, action: Action) -> UUID:
    if case.source != wanted or case.source_id is None:
        raise Refused(
            f"NO_{wanted.upper()}", f"case {case.id.hex} is about no {wanted}: {action} has no object"
        )
    return case.source_id


_DO: Final[Mapping[Action, Callable[[_Scene, Action], Awaitable[Entry | None]]]] = {
    **dict.fromkeys(_DECISIONS, _decide_transfer),
    **dict.fromkeys(_CARD_MOVES, _move_card),
    Action.BLOCK_CUSTOMER: _mark_customer,
    Action.UNBLOCK_CUSTOMER: _mark_customer,
    **dict.fromkeys(_VERDICTS, _label),
}
