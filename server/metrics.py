"""What the core's process shows of itself: gauges and families, read when they are asked for."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from ledger.reconcile import Drift
from server.core.authorizer import Authorizer
from server.core.journal import Journal
from server.reconciling import Reconciler
from server.store.shipping import Shipping
from server.telemetry import CoreMetrics, Families, Family


def collectors(
    core: Authorizer,
    journal: Journal,
    shipping: Shipping,
    reconciler: Reconciler,
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
        **drift,
        "holdfast_ledger_away": (
            "1 while the ledger can't be asked.",
            lambda: core.books.away is not None,
        ),
    }
    return CoreMetrics(core.counters, gauges), Families([*others, _rule_hits(core)])


def _drifting(reconciler: Reconciler, kind: Drift) -> float:
    return reconciler.found[kind]


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
