"""Cycles: money that goes from account to account and comes back to where it started, in the order of time."""

from collections import defaultdict
from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

from compliance.facts import Direction, Dossier, Kind, Movement
from compliance.results import Finding, Severity
from compliance.rules.policy import RulesPolicy
from compliance.rules.wording import day, dollars

_CITATION: Final = "31 CFR 1020.320"
_ACCOUNT: Final = "account:"
_STEPS_MAX: Final = 5_000
"""How many hops one search looks at: a bound, not a rule. A hub of the network ends it early."""


class _Hop(NamedTuple):
    at: float
    payer: str
    payee: str
    usd_minor: int
    id: UUID


def cycle(dossier: Dossier, policy: RulesPolicy) -> list[Finding]:
    """
    A path from the account that the subject pays back to the one it pays from, each hop later than the one before and
    of at least half its amount: 31 CFR 1020.320(a)(2)(i).

    Three to six hops within 30 days, the subject the last of them. Only internal movements name both sides.
    """
    subject = dossier.subject
    if subject.kind != Kind.INTERNAL:
        return []
    own = next((m for m in reversed(dossier.history) if m.id == subject.source_id), None)
    if own is None or own.usd_minor < policy.suspicious_from_usd_minor or (last := _hop(own)) is None:
        return []
    since = (subject.at - timedelta(days=policy.cycle_days)).timestamp()
    hops: dict[str, list[_Hop]] = defaultdict(list)
    seen: set[UUID] = set()
    for movement in (*dossier.history, *dossier.network):
        hop = _hop(movement)
        if hop is not None and hop.id not in seen and since <= hop.at < last.at and hop.id != last.id:
            seen.add(hop.id)
            hops[hop.payer].append(hop)
    path = _path(hops, last, policy)
    if path is None:
        return []
    return [
        Finding(
            "cycle",
            Severity.HIGH,
            _CITATION,
            f"{dollars(path[0].usd_minor)} went through {len(path)} accounts and {dollars(last.usd_minor)} came back"
            f" on {day(own.at)} to where it started.",
            {
                "total_usd_minor": last.usd_minor,
                "first_usd_minor": path[0].usd_minor,
                "hops": len(path),
                "days": int((last.at - path[0].at) // 86_400),
            },
            tuple(hop.id for hop in path),
        )
    ]


def _hop(movement: Movement) -> _Hop | None:
    if movement.kind != Kind.INTERNAL or not movement.other.startswith(_ACCOUNT):
        return None
    payer, payee = f"{_ACCOUNT}{movement.account_number}", movement.other
    if movement.direction == Direction.IN:
        payer, payee = payee, payer
    return _Hop(movement.at.timestamp(), payer, payee, movement.usd_minor, movement.id)


def _path(hops: dict[str, list[_Hop]], last: _Hop, policy: RulesPolicy) -> list[_Hop] | None:
    """The shortest closed path that `last` ends, breadth first."""
    waiting = [[hop] for hop in hops.get(last.payee, ())]
    steps = 0
    for _ in range(policy.cycle_hops_max - 1):
        longer = []
        for path in waiting:
            end = path[-1]
            if end.payee == last.payer:
                if len(path) >= 2 and last.usd_minor >= policy.cycle_kept_share * end.usd_minor:
                    return [*path, last]
                continue
            visited = {hop.payer for hop in path}
            for hop in hops.get(end.payee, ()):
                steps += 1
                if steps > _STEPS_MAX:
                    return None
                if (
                    hop.at > end.at
                    and hop.payee not in visited
                    and hop.usd_minor >= policy.cycle_kept_share * end.usd_minor
                ):
                    longer.append([*path, hop])
        waiting = longer
    return None
