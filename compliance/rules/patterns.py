"""
Patterns over the customer's own movements with others: rapid movement, round trips, fan-in and fan-out.

`moved` is `transfers_of(dossier)`, made once for all of them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from compliance.facts import Direction, Dossier, Kind, Movement
from compliance.results import Finding, Severity
from compliance.rules.policy import RulesPolicy
from compliance.rules.wording import day, dollars

_CITATION: Final = "31 CFR 1020.320"
_RETURNED_SHARES: Final = (0.9, 1.1)
_ROUND_TRIP: Final = timedelta(days=30)


def rapid_movement(dossier: Dossier, moved: Sequence[Movement], policy: RulesPolicy) -> list[Finding]:
    """
    Money that comes in and leaves within 48 hours: 31 CFR 1020.320(a)(2)(i).

    Told at the movement that leaves: at least four fifths of what came in, of 5,000 and more, more than the customer's
    largest until then. Moves between the customer's own accounts, and card payments, are neither in nor out.
    """
    subject = dossier.subject
    if subject.direction != Direction.OUT or subject.kind == Kind.CARD:
        return []
    since = subject.at - timedelta(hours=policy.rapid_hours)
    near = [m for m in moved if since <= m.at <= subject.at]
    came = [m for m in near if m.direction == Direction.IN]
    if not came:
        return []
    first = came[0].at
    left = [m for m in near if m.direction == Direction.OUT and m.at >= first]
    total_in = sum(m.usd_minor for m in came)
    total_out = sum(m.usd_minor for m in left)
    if (
        not any(m.id == subject.source_id for m in left)
        or total_in < policy.suspicious_from_usd_minor
        or total_out < policy.suspicious_from_usd_minor
        or total_out < policy.rapid_share * total_in
        or (_has_usual(dossier, policy) and total_in <= dossier.usual.largest_usd_minor)
    ):
        return []
    return [
        Finding(
            "rapid_movement",
            Severity.HIGH,
            _CITATION,
            f"{dollars(total_in)} came in, in {len(came)} movements, and {dollars(total_out)} left"
            f" within {policy.rapid_hours} hours.",
            {
                "total_usd_minor": total_out,
                "in_usd_minor": total_in,
                "in_count": len(came),
                "out_count": len(left),
                "hours": policy.rapid_hours,
            },
            tuple(m.id for m in (*came, *left)),
        )
    ]


def round_trip(dossier: Dossier, moved: Sequence[Movement], policy: RulesPolicy) -> list[Finding]:
    """Money that goes to somebody and comes back, or the other way, within 30 days, a tenth more or less."""
    subject = dossier.subject
    own = next((m for m in reversed(moved) if m.id == subject.source_id), None)
    if own is None or not own.other or own.usd_minor < policy.suspicious_from_usd_minor:
        return []
    low, high = (share * own.usd_minor for share in _RETURNED_SHARES)
    before = [
        m
        for m in moved
        if m.other == own.other
        and m.direction != own.direction
        and own.at - _ROUND_TRIP <= m.at < own.at
        and low <= m.usd_minor <= high
    ]
    if not before:
        return []
    last = before[-1]
    return [
        Finding(
            "round_trip",
            Severity.HIGH,
            _CITATION,
            f"{dollars(last.usd_minor)} went {last.direction} on {day(last.at)} and {dollars(own.usd_minor)} went"
            f" {own.direction} again on {day(own.at)}, with the same party.",
            {
                "total_usd_minor": own.usd_minor,
                "first_usd_minor": last.usd_minor,
                "days": (own.at - last.at).days,
            },
            (last.id, own.id),
        )
    ]


def fan_in(dossier: Dossier, moved: Sequence[Movement], policy: RulesPolicy) -> list[Finding]:
    """Many who never paid before pay within 7 days: 31 CFR 1020.320(a)(2)(i)."""
    return _fan(dossier, moved, policy, Direction.IN)


def fan_out(dossier: Dossier, moved: Sequence[Movement], policy: RulesPolicy) -> list[Finding]:
    """Many who were never paid before are paid within 7 days: 31 CFR 1020.320(a)(2)(i)."""
    return _fan(dossier, moved, policy, Direction.OUT)


def _fan(
    dossier: Dossier, moved: Sequence[Movement], policy: RulesPolicy, direction: Direction
) -> list[Finding]:
    subject = dossier.subject
    if subject.direction != direction or subject.kind == Kind.CARD:
        return []
    since = subject.at - timedelta(days=policy.fan_days)
    moved = [m for m in moved if m.direction == direction and m.other and m.at <= subject.at]
    known: dict[str, Movement] = {}
    for movement in moved:
        known.setdefault(movement.other, movement)
    fresh = {other for other, first in known.items() if first.at >= since}
    if len(fresh) < policy.fan_count or not _own(moved, subject.source_id, fresh):
        return []
    # A business that always meets new people meets as many every week.
    earlier = [first.at for first in known.values() if first.at < since]
    weeks = max(1.0, (since - min(earlier)) / timedelta(days=policy.fan_days)) if earlier else 1.0
    if len(fresh) <= policy.fan_usual_times * len(earlier) / weeks:
        return []
    chosen = [m for m in moved if m.other in fresh and m.at >= since]
    total = sum(m.usd_minor for m in chosen)
    if total < policy.suspicious_from_usd_minor:
        return []
    name, text = ("fan_in", "paid in") if direction == Direction.IN else ("fan_out", "were paid")
    return [
        Finding(
            name,
            Severity.HIGH,
            _CITATION,
            f"{len(fresh)} parties who were not known before {text} within {policy.fan_days} days,"
            f" together {dollars(total)}.",
            {
                "total_usd_minor": total,
                "parties": len(fresh),
                "count": len(chosen),
                "days": policy.fan_days,
            },
            tuple(m.id for m in chosen),
        )
    ]


def _own(moved: Sequence[Movement], subject_id: object, fresh: set[str]) -> bool:
    return any(m.id == subject_id and m.other in fresh for m in moved)


def _has_usual(dossier: Dossier, policy: RulesPolicy) -> bool:
    return dossier.usual.months >= policy.unusual_months_min


def transfers_of(dossier: Dossier) -> list[Movement]:
    """The customer's movements with others, oldest first: no card payments, none between accounts of his own."""
    own_accounts = {f"account:{number}" for number in dossier.customer.accounts}
    return [m for m in dossier.history if m.kind != Kind.CARD and m.other not in own_accounts]
