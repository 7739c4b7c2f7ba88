"""What the core's process shows of itself: gauges and families, read when they are asked for."""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ledger.embedded import EmbeddedLedger
from ledger.reconcile import Drift
from server.core.authorizer import Authorizer
from server.core.booking import Booking
from server.core.journal import Journal
from server.reconciling import Reconciler
from server.store.shipping import Shipping
from server.telemetry import CoreMetrics, Families, Family
from server.threads import thread_cpu_s


def collectors(
    core: Authorizer,
    journal: Journal,
    shipping: Shipping,
    reconciler: Reconciler,
    booking: Booking,
    others: Sequence[Family],
) -> tuple[CoreMetrics, Families]:
    """The collectors of the core, of what stands around it, and of `others`."""
    drift: dict[str, tuple[str, Callable[[], float]]] = {
        f"holdfast_ledger_drift_{kind.name.lower()}": (
            "Authorizations of which the ledger says otherwise, at the last reconciliation.",
            partial(_drifting, reconciler, kind),
        )
        for kind in Drift
    }
    gauges: dict[str, tuple[str, Callable[[], float]]] = {
        "holdfast_waiting_requests": ("Requests that wait for the core.", lambda: core.waiting),
        "holdfast_journal_depth": (
            "Journal rows that are not in PostgreSQL yet.",
            lambda: max(0, journal.durable - shipping.position),
        ),
        "holdfast_journal_commit_seconds": ("The journal's last commit.", lambda: journal.commit_us / 1e6),
        "holdfast_directory_cards": ("Cards in the directory.", lambda: core.directory.count),
        "holdfast_repeat_entries": ("Keys whose answers are kept.", lambda: core.state.repeats.count),
        "holdfast_tasks": ("Tasks of the core's event loop.", _tasks_of(asyncio.get_running_loop())),
        **drift,
        "holdfast_ledger_away": (
            "1 while the ledger can't be asked.",
            lambda: core.books.away is not None,
        ),
        "holdfast_ledger_overdue_calls": (
            "Calls that the ledger is late with.",
            lambda: core.books.overdue,
        ),
        "holdfast_holds_unknown": (
            "Holds of which it is not known yet whether the ledger has them.",
            lambda: core.books.unknown,
        ),
        "holdfast_stand_in_waiting": (
            "Approvals without the ledger that are not booked yet.",
            lambda: booking.waiting,
        ),
    }
    return CoreMetrics(core.counters, core.timing, gauges), Families(
        [
            *others,
            _by_time(core),
            _late_holds(core),
            _rule_hits(core),
            _occupancy(core),
            _memory(core),
            _thread_cpu(),
            *_stand_in(core, booking),
        ]
    )


def _occupancy(core: Authorizer) -> Family:
    def read() -> dict[tuple[str, ...], float]:
        parts = core.state.limits.velocity.occupancy
        return {(part,): used / room for part, (used, room) in parts.items() if room}

    return Family(
        "holdfast_velocity_occupancy", "Part of the room for sliding windows that is taken.", ("of",), read
    )


def _by_time(core: Authorizer) -> Family:
    counters = core.counters
    return Family(
        "holdfast_by_time_total",
        "Requests that time decided: refused for want of room, expired before a turn took them, given up while the "
        "ledger was late, told before their decision was on disk.",
        ("how",),
        lambda: {
            ("refused",): counters.refused,
            ("expired",): counters.expired,
            ("given_up",): counters.given_up,
            ("told",): counters.told_by_time,
        },
    )


def _late_holds(core: Authorizer) -> Family:
    books = core.books
    return Family(
        "holdfast_late_holds_total",
        "Holds of requests that were answered without them: voided when they came (zombies), or found out about.",
        ("what",),
        lambda: {("zombies_voided",): books.zombies_voided, ("unknown_resolved",): books.unknown_resolved},
    )


def _tasks_of(loop: asyncio.AbstractEventLoop) -> Callable[[], float]:
    """Counts a loop's tasks from another thread."""

    def count() -> float:
        return len(asyncio.all_tasks(loop))

    return count


def _memory(core: Authorizer) -> Family:
    def read() -> dict[tuple[str, ...], float]:
        state = core.state
        parts = {
            "directory": core.directory.used_bytes,
            "repeats": state.repeats.used_bytes,
            "velocity": state.limits.velocity.used_bytes,
            "features": sum(array.nbytes for array in state.risk.features.arrays().values()),
        }
        if isinstance(core.books.ledger, EmbeddedLedger):
            parts["ledger"] = core.books.ledger.used_bytes
        return {(name,): float(size) for name, size in parts.items()}

    return Family(
        "holdfast_memory_bytes", "Memory of what must be kept, where every row is used.", ("part",), read
    )


def _drifting(reconciler: Reconciler, kind: Drift) -> float:
    return reconciler.found[kind]


def _stand_in(core: Authorizer, booking: Booking) -> list[Family]:
    def approvals() -> dict[tuple[str, ...], float]:
        return {(): float(core.state.stand_in.approvals)}

    def bookings() -> dict[tuple[str, ...], float]:
        counts = {"covered": booking.booked - booking.overdrawn, "overdrawn": booking.overdrawn}
        return {
            (outcome,): float(count) for outcome, count in (counts | {"refused": booking.refused}).items()
        }

    return [
        Family(
            "holdfast_stand_in_approvals_total",
            "Authorizations that this process approved without the ledger.",
            (),
            approvals,
        ),
        Family(
            "holdfast_stand_in_bookings_total",
            "What of those, and of earlier ones, went into the ledger: by whether the balance covered it.",
            ("outcome",),
            bookings,
        ),
    ]


def _thread_cpu() -> Family:
    text = "CPU time of the server's threads; the event loop, on which the core decides, is `loop`."
    return Family("holdfast_thread_cpu_seconds_total", text, ("thread",), thread_cpu_s)


def _rule_hits(core: Authorizer) -> Family:
    def read() -> dict[tuple[str, ...], float]:
        rules, names = core.controls.rules, core.controls.names
        return {
            (*names.rules(np.array([number])), mode): float(count)
            for number, counts in enumerate(rules.hits.tolist())
            for mode, count in zip(("live", "shadow"), counts, strict=True)
            if count
        }

    return Family(
        "holdfast_rule_hits_total",
        "Authorizations that a rule, or a block list's line in shadow, fitted.",
        ("rule", "mode"),
        read,
    )
