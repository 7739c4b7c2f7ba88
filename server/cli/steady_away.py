"""The ledger away again and again, while somebody asks: how late answers come, and how soon all is well after it."""

import asyncio
import contextlib
import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Self

import numpy as np

from ledger.chart import TransferCode
from ledger.reconcile import numbered
from ledger.transfer import TransferFlags, Transfers, ids_of
from loadtest.asking import Asked, Asking, Manner, codes, first_hold_s, told
from loadtest.clusters import WHY_NONE, Cluster, server
from loadtest.cutting import Proxy
from loadtest.figure import Figure
from loadtest.processes import scratch
from server.cli.trial import Trial, books_of, troubles

KINDS: Final = ("stop", "kill", "blackhole", "refuse", "slow")
"""SIGSTOP; SIGKILL, and a start after it; nothing passes; connections are reset and refused; a second late each way."""

SLOW_S: Final = 1.0
LATE_MAX_MS: Final = 50.0
FIRST_HOLD_MAX_S: Final = 1.0
ZOMBIE_MAX_S: Final = 5.0
SETTLED_S: Final = ZOMBIE_MAX_S
"""From the first approval after an absence to the next one."""

BACK_MAX_S: Final = 60.0
MISMATCHES_SHOWN: Final = 20
LATEST_SHOWN: Final = 5
WARM_S: Final = 3.0
LOOK_S: Final = 0.02


@dataclass(frozen=True)
class AwayOptions:
    """How often, how long and how the ledger is away."""

    times: int = 50
    shortest_s: float = 1.0
    longest_s: float = 60.0
    replicas: int = 1
    kinds: tuple[str, ...] = KINDS
    rate: float = 50.0
    deadline_ms: int = 300
    cards: int = 10_000
    seed: int = 1

    def __post_init__(self) -> None:
        unknown = set(self.kinds) - set(KINDS)
        if unknown or not self.kinds:
            raise ValueError(
                f"kinds are some of {', '.join(KINDS)}, not {', '.join(sorted(unknown)) or 'none'}"
            )
        if not 0 < self.shortest_s <= self.longest_s:
            raise ValueError("the shortest absence is more than nothing, and no longer than the longest")


@dataclass(slots=True)
class Absence:
    """One time that the ledger was away; moments of the monotonic clock, and of the wall's."""

    kind: str
    lasts_s: float
    began_s: float = 0.0
    back_s: float = 0.0
    began_ns: int = 0
    back_ns: int = 0
    first_hold_s: float | None = None


class Troubled:
    """A cluster with a proxy before each replica; a context."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._stack = ExitStack()
        self.proxies: list[Proxy] = []

    def __enter__(self) -> Self:
        self.proxies = [self._stack.enter_context(Proxy(address)) for address in self.cluster.addresses]
        return self

    def __exit__(self, *_raised: object) -> None:
        self._stack.close()

    @property
    def setting(self) -> str:
        """What HOLDFAST_LEDGER says for it."""
        return self.cluster.setting_by([proxy.address for proxy in self.proxies])

    @contextmanager
    def away(self, kind: str, replicas: range) -> Iterator[None]:
        """These replicas are away inside, and back after it, however it ended."""
        with ExitStack() as back:
            if kind == "stop":
                back.enter_context(self.cluster.stopped(*replicas))
            for replica in replicas:
                proxy = self.proxies[replica]
                if kind == "kill":
                    self.cluster.kill(replica)
                    back.callback(self.cluster.start, replica)
                elif kind == "blackhole":
                    back.callback(proxy.fair)
                    proxy.blackhole()
                elif kind == "refuse":
                    back.callback(proxy.fair)
                    proxy.refuse()
                elif kind == "slow":
                    back.callback(proxy.fair)
                    proxy.slow(latency_s=SLOW_S)
            yield


def away_figures(options: AwayOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """A campaign in a home and on a cluster of its own, as figures. Raises FileNotFoundError without a TigerBeetle."""
    if server() is None:
        raise FileNotFoundError(WHY_NONE)
    with scratch("trial") as folder, ExitStack() as stack:
        cluster_folder = folder / "cluster"
        cluster_folder.mkdir()
        cluster = stack.enter_context(Cluster(cluster_folder, options.replicas))
        troubled = stack.enter_context(Troubled(cluster))
        environment = {"HOLDFAST_LEDGER": troubled.setting, **deadline_of(options.deadline_ms)}
        say("starting the server")
        (folder / "home").mkdir()
        trial = stack.enter_context(Trial(folder / "home", cards=options.cards, environment=environment))
        asking = Asking(trial.target, Manner(options.rate, 30.0, options.cards, options.seed))
        absences = asyncio.run(_ask_through(asking, troubled, options, say))
        say("comparing ledger and journal")
        trial.stop()
        books, transfers = books_of(trial.home, cluster, asking.asked)
        return _judged(options, absences, asking, books, transfers, trial.said())


def deadline_of(deadline_ms: int) -> dict[str, str]:
    """The environment of a server whose answers come within this."""
    return {"HOLDFAST_DEADLINE_MS": str(deadline_ms), "HOLDFAST_LEDGER_DEADLINE_MS": str(deadline_ms)}


def absences_of(options: AwayOptions) -> list[Absence]:
    """As many, kinds in turn, from the shortest to the longest by equal steps of their logarithm, in seeded order."""
    draw = Random(options.seed)
    span = math.log(options.longest_s / options.shortest_s)
    steps = max(1, options.times - 1)
    lengths = [options.shortest_s * math.exp(span * step / steps) for step in range(options.times)]
    draw.shuffle(lengths)
    return [Absence(options.kinds[k % len(options.kinds)], lasts_s) for k, lasts_s in enumerate(lengths)]


async def _ask_through(
    asking: Asking, troubled: Troubled, options: AwayOptions, say: Callable[[str], None]
) -> list[Absence]:
    absences = absences_of(options)
    async with asking.running():
        await asyncio.sleep(WARM_S)
        for number, absence in enumerate(absences, start=1):
            say(f"{number} of {len(absences)}: {absence.kind} for {absence.lasts_s:.1f} s")
            await be_away(troubled, absence, range(options.replicas))
            absence.first_hold_s = await back_to_normal(asking, absence.back_s)
            await asking.recheck_recent()
            await asyncio.sleep(SETTLED_S)
    return absences


async def be_away(troubled: Troubled, absence: Absence, replicas: range) -> None:
    """Let these replicas be away for as long, and note when."""
    with contextlib.ExitStack() as back:
        absence.began_s, absence.began_ns = time.monotonic(), time.time_ns()
        await asyncio.to_thread(back.enter_context, troubled.away(absence.kind, replicas))
        await asyncio.sleep(absence.lasts_s)
        await asyncio.to_thread(back.close)
    absence.back_s, absence.back_ns = time.monotonic(), time.time_ns()


async def back_to_normal(asking: Asking, since_s: float) -> float | None:
    """How long after that moment the first approval by the ledger came; None where none did in BACK_MAX_S."""
    while time.monotonic() - since_s < BACK_MAX_S:
        found_s = first_hold_s(asking.asked[-10_000:], since_s)
        if found_s is not None:
            return found_s
        await asyncio.sleep(LOOK_S)
    return None


def _judged(
    options: AwayOptions,
    absences: list[Absence],
    asking: Asking,
    books: dict[str, Any],
    transfers: Transfers,
    said: str,
) -> dict[str, Any]:
    asked = asking.asked
    latest = asking.latest(LATEST_SHOWN)
    late_ms = latest[0][0] * 1_000 - options.deadline_ms if latest else None
    backs = [absence.first_hold_s for absence in absences]
    first_s = None if None in backs else max((back for back in backs if back is not None), default=0.0)
    ages_s = zombie_ages_s(transfers, asked, absences)
    voided = ages_s[np.isfinite(ages_s)]
    figures = [
        Figure("latest answer, beyond its deadline", "ms", late_ms, LATE_MAX_MS, is_floor=False, digits=1),
        Figure("first 00 after the ledger's return, at most", "s", first_s, FIRST_HOLD_MAX_S, is_floor=False),
        Figure("oldest zombie", "s", float(voided.max(initial=0.0)), ZOMBIE_MAX_S, is_floor=False),
        Figure("zombies never voided", "holds", float(np.isinf(ages_s).sum()), 0, is_floor=False, digits=0),
        *soundness(asking, books),
    ]
    return {
        "figures": [{"part": "away", **figure.document()} for figure in figures],
        "details": {
            "absences": [
                {
                    "kind": a.kind,
                    "began_at_s": round(a.began_s - asked[0].sent_s, 2),
                    "lasts_s": round(a.lasts_s, 2),
                    "first_hold_s": a.first_hold_s,
                }
                for a in absences
            ],
            "zombies": len(ages_s),
            "latest_answer_as_heard_ms": round(max(each.took_s for each in asked) * 1_000, 1),
            "latest_answers": [
                {
                    "took_ms": round(took_s * 1_000, 1),
                    "code": each.code,
                    "tries": each.tries,
                    "asked_at_s": round(each.sent_s - asked[0].sent_s, 2),
                }
                for took_s, each in latest
            ],
            "asker_stalled_ms_max": round(asking.stall_s_max * 1_000, 1),
            "codes": codes(asked),
            "repeats_with_another_answer": asking.mismatched[:MISMATCHES_SHOWN],
            "books": books,
            **troubles(said),
        },
        "passes": all(figure.passes for figure in figures),
    }


def soundness(asking: Asking, books: dict[str, Any]) -> list[Figure]:
    """What must hold after any trouble: every question has an answer, every answer stands, the books balance."""
    unanswered = sum(not each.is_answer for each in asking.asked)
    differing = sum(books["faults"].values())

    def none(name: str, unit: str, count: int) -> Figure:
        return Figure(name, unit, float(count), 0, is_floor=False, digits=0)

    return [
        none("questions without an answer", "questions", unanswered),
        none("repeats with another answer", f"of {asking.rechecked:,}", len(asking.mismatched)),
        none("answers that the journal does not have", "answers", books["answers_lost"]),
        none("authorizations that ledger and journal differ on", "authorizations", differing),
        Figure("books balance", "", float(books["sound"]), 1, is_floor=True, digits=0),
    ]


def zombie_ages_s(transfers: Transfers, asked: list[Asked], absences: list[Absence]) -> Any:
    """
    How long each hold stood that nobody was promised, f8[n]: from when it was made, or the ledger was back after it.

    Infinity: it still stands. By the cluster's clock, which is this machine's.
    """
    ids, answered, _ = told(asked)
    refused = ids[~np.isin(answered, (b"00", b"10"))]
    pending = transfers["flags"] & TransferFlags.PENDING != 0
    holds = transfers[pending & (transfers["code"] == TransferCode.HOLD) & (transfers["amount_lo"] > 0)]
    owners, theirs = numbered(ids_of(holds, "user_data_128"), refused)
    late = holds[np.isin(owners, theirs)]
    voids = transfers[transfers["flags"] & TransferFlags.VOID_PENDING_TRANSFER != 0]
    voided_ids = {
        tuple(pair): int(at)
        for pair, at in zip(ids_of(voids, "pending_id").tolist(), voids["timestamp"], strict=True)
    }
    ages = np.zeros(len(late))
    for place, (pair, at) in enumerate(zip(ids_of(late).tolist(), late["timestamp"].tolist(), strict=True)):
        over_ns = voided_ids.get(tuple(pair))
        from_ns = max([at, *(a.back_ns for a in absences if a.began_ns - 1_000_000_000 <= at <= a.back_ns)])
        ages[place] = math.inf if over_ns is None else max(0, over_ns - from_ns) / 1e9
    return ages
