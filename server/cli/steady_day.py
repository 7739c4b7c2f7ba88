"""
A day in short: somebody asks at a fixed pace while every part is restarted in its turn and every neighbour fails once
in a while, one thing each minute.

How it counts: every question that was asked is in the sum. A question whose connection is refused or breaks, or that
finds a full queue, is asked again under its own key over the next connection, as a processor does, within its patience
(a second unless told otherwise). What has no answer by then counts against the server, and so do 91 and 96. N0 is an
answer: the network stands in.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from loadtest.asking import Asked, Asking, Manner, codes
from loadtest.clusters import Cluster, server
from loadtest.cutting import Proxy
from loadtest.figure import Figure
from loadtest.processes import scratch
from server.cli.steady_away import MISMATCHES_SHOWN, Troubled, deadline_of, soundness
from server.cli.steady_kills import AWAY_CODES, kill
from server.cli.trial import Trial, books_of, troubles
from server.store.portfolio import DEMO_PROGRAMME

GOOD_SHARE_MIN: Final = 0.9999
PRICE_MAX_USD: Final = 0.005
BAD: Final = frozenset({"91", "96"})
SETTLE_S: Final = 5.0
LOOK_S: Final = 0.5
LEDGERS: Final = ("embedded", "tigerbeetle")
POSTURES: Final[dict[str, tuple[str, ...]]] = {
    "decline": ("--decline",),
    "network": ("--network",),
    "stand-in": (*("--stand-in", "--amount-max", "1000.00", "--count-max", "100", "--sum-max", "10000.00"),),
}
"""What the programme answers while the ledger is away, as `holdfast programmes posture` takes it."""


@dataclass(frozen=True)
class DayOptions:
    """How long a day is, and who asks in it."""

    minutes: float = 60.0
    every_s: float = 60.0
    rate: float = 50.0
    patience_s: float = 1.0
    deadline_ms: int = 300
    ledger: str = "tigerbeetle"
    replicas: int = 3
    fronts: int = 0
    posture: str | None = None
    """None: as the programme has it."""
    away_code: str = "91"
    """What fronts answer while the core is away."""
    cards: int = 10_000
    machine_usd_h: float = 0.1
    """What the machine costs an hour."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.ledger not in LEDGERS:
            raise ValueError(f"--ledger is one of {', '.join(LEDGERS)}, not {self.ledger}")
        if self.posture is not None and self.posture not in POSTURES:
            raise ValueError(f"--posture is one of {', '.join(POSTURES)}, not {self.posture}")
        if self.away_code not in AWAY_CODES:
            raise ValueError(f"--away-code is one of {', '.join(AWAY_CODES)}, not {self.away_code}")
        if self.minutes <= 0 or self.every_s < 10:
            raise ValueError("a day has minutes, and at least ten seconds for each fault")


@dataclass(slots=True)
class Stage:
    """What can be done to the server in its day, and to whom."""

    trial: Trial
    asking: Asking
    door: Proxy
    cluster: Cluster | None
    troubled: Troubled | None
    draw: Random


@dataclass(slots=True)
class Event:
    """One fault of the day, and what became of the questions until the next one."""

    name: str
    began_s: float
    asked: int = 0
    bad: int = 0


Fault = Callable[[Stage], Awaitable[None]]


def _ended(what: str, number: signal.Signals) -> Fault:
    """One process of this kind is signalled to end; it comes back, or is brought back."""

    async def fault(stage: Stage) -> None:
        await kill(stage.asking, stage.trial, what, stage.draw.randrange(8), number)

    return fault


def _frozen(what: str, lasts_s: float) -> Fault:
    """One process of this kind stands still for as long."""

    async def fault(stage: Stage) -> None:
        place = stage.draw.randrange(8)
        if stage.trial.signal(what, place, signal.SIGSTOP) is None:
            return
        try:
            await asyncio.sleep(lasts_s)
        finally:
            stage.trial.signal(what, place, signal.SIGCONT)

    return fault


def _ledger(kind: str, lasts_s: float, *, all_of_it: bool) -> Fault:
    """The ledger is away for as long, or one of its replicas."""

    async def fault(stage: Stage) -> None:
        if stage.troubled is None:
            return
        count = len(stage.troubled.proxies)
        one = stage.draw.randrange(count)
        replicas = range(count) if all_of_it else range(one, one + 1)
        with contextlib.ExitStack() as back:
            await asyncio.to_thread(back.enter_context, stage.troubled.away(kind, replicas))
            await asyncio.sleep(lasts_s)
            await asyncio.to_thread(back.close)

    return fault


async def _cut_clients(stage: Stage) -> None:
    stage.door.cut()


async def _slow_clients(stage: Stage) -> None:
    stage.door.slow(latency_s=0.05)
    try:
        await asyncio.sleep(10)
    finally:
        stage.door.fair()


_ANYWHERE: Final[dict[str, Fault]] = {
    "core restarted": _ended("core", signal.SIGTERM),
    "core killed": _ended("core", signal.SIGKILL),
    "worker restarted": _ended("worker", signal.SIGTERM),
    "worker killed": _ended("worker", signal.SIGKILL),
    "PostgreSQL restarted": _ended("postgres", signal.SIGINT),
    "PostgreSQL killed": _ended("postgres", signal.SIGQUIT),
    "PostgreSQL stands still 15 s": _frozen("postgres", 15),
    "clients' connections cut": _cut_clients,
    "clients 50 ms further away": _slow_clients,
}
_WITH_FRONTS: Final[dict[str, Fault]] = {
    "front restarted": _ended("front", signal.SIGTERM),
    "front killed": _ended("front", signal.SIGKILL),
}
_WITH_CLUSTER: Final[dict[str, Fault]] = {
    "ledger stopped 3 s": _ledger("stop", 3, all_of_it=True),
    "ledger swallowed 3 s": _ledger("blackhole", 3, all_of_it=True),
}
_WITH_REPLICAS: Final[dict[str, Fault]] = {
    "replica killed 10 s": _ledger("kill", 10, all_of_it=False),
    "replica stopped 10 s": _ledger("stop", 10, all_of_it=False),
}


def faults_of(options: DayOptions) -> dict[str, Fault]:
    """What can happen on this day."""
    on_cluster = options.ledger == "tigerbeetle"
    return {
        **_ANYWHERE,
        **(_WITH_FRONTS if options.fronts else {}),
        **(_WITH_CLUSTER if on_cluster else {}),
        **(_WITH_REPLICAS if on_cluster and options.replicas >= 3 else {}),
    }


def day_figures(options: DayOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """A day in a home of its own, as figures. Raises FileNotFoundError without the TigerBeetle that it needs."""
    with scratch("trial") as folder, ExitStack() as stack:
        cluster, troubled = None, None
        environment = {**deadline_of(options.deadline_ms), "HOLDFAST_AWAY_CODE": options.away_code}
        if options.ledger == "tigerbeetle":
            if server() is None:
                raise FileNotFoundError("no TigerBeetle server: --ledger embedded, or put one on the PATH")
            (folder / "cluster").mkdir()
            cluster = stack.enter_context(Cluster(folder / "cluster", options.replicas))
            troubled = stack.enter_context(Troubled(cluster))
            environment["HOLDFAST_LEDGER"] = troubled.setting
        say("starting the server")
        (folder / "home").mkdir()
        arguments = ["--comply", *(["--fronts", str(options.fronts)] if options.fronts else [])]
        trial = stack.enter_context(
            Trial(folder / "home", cards=options.cards, arguments=arguments, environment=environment)
        )
        if options.posture is not None:
            trial.holdfast(
                "programmes", "posture", DEMO_PROGRAMME, *POSTURES[options.posture], "--by", "bench"
            )
        door = stack.enter_context(Proxy(trial.target))
        asking = Asking(door.address, Manner(options.rate, options.patience_s, options.cards, options.seed))
        stage = Stage(trial, asking, door, cluster, troubled, Random(options.seed))
        began_s = time.monotonic()
        events = asyncio.run(_live_through(stage, options, say))
        elapsed_s = time.monotonic() - began_s
        say("comparing ledger and journal")
        trial.stop()
        books, _ = books_of(trial.home, cluster, asking.asked)
        return _judged(options, stage, events, elapsed_s, books)


async def _live_through(stage: Stage, options: DayOptions, say: Callable[[str], None]) -> list[Event]:
    faults = faults_of(options)
    order: list[str] = []
    events: list[Event] = []
    async with stage.asking.running():
        stage.trial.spend_anew()
        if stage.cluster is not None:
            stage.trial.spent.look(stage.cluster.process_ids, new=False)
        looking = asyncio.ensure_future(_look(stage))
        begin_s = time.monotonic()
        for number in range(max(1, round(options.minutes * 60 / options.every_s))):
            if not order:
                order = list(faults)
                stage.draw.shuffle(order)
            name = order.pop()
            due_s = begin_s + number * options.every_s + SETTLE_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            say(f"{number + 1}: {name}")
            events.append(Event(name, time.monotonic()))
            await faults[name](stage)
        await asyncio.sleep(max(SETTLE_S, begin_s + options.minutes * 60 - time.monotonic()))
        looking.cancel()
    return events


async def _look(stage: Stage) -> None:
    """What the cluster spends; the server looks after itself."""
    while True:
        if stage.cluster is not None:
            stage.trial.spent.look(stage.cluster.process_ids)
        await asyncio.sleep(LOOK_S)


def is_bad(each: Asked) -> bool:
    """Whether a question counts against the server."""
    return not each.is_answer or each.code in BAD


def _judged(
    options: DayOptions, stage: Stage, events: list[Event], elapsed_s: float, books: dict[str, Any]
) -> dict[str, Any]:
    asked = stage.asking.asked
    for each in asked:
        event = next(
            (event for event in reversed(events) if event.began_s <= each.due_s + options.patience_s), None
        )
        if event is not None:
            event.asked += 1
            event.bad += is_bad(each)
    bad = sum(map(is_bad, asked))
    answered = sum(each.is_answer for each in asked)
    spent = stage.trial.spent
    price_usd = options.machine_usd_h * elapsed_s / 3_600 / max(1, answered)
    figures = [
        Figure(
            "answered other than 91 or 96", "share", 1 - bad / max(1, len(asked)), GOOD_SHARE_MIN,
            is_floor=True, digits=6,
        ),
        Figure(
            f"price of an authorization, the machine at {options.machine_usd_h:g} USD an hour", "USD", price_usd,
            PRICE_MAX_USD, is_floor=False, digits=7,
        ),
        *soundness(stage.asking, books)[1:],
    ]  # fmt: skip
    return {
        "figures": [{"part": "day", **figure.document()} for figure in figures],
        "details": {
            "minutes": round(elapsed_s / 60, 1),
            "asked": len(asked),
            "asked_more_than_once": sum(each.tries > 1 for each in asked),
            "codes": codes(asked),
            "by_fault": _by_fault(events),
            "processor_s_per_authorization": round(spent.cpu_s / max(1, answered), 6),
            "bytes_written_per_authorization": round(spent.written_bytes / max(1, answered)),
            "asker_stalled_ms_max": round(stage.asking.stall_s_max * 1_000, 1),
            "repeats_with_another_answer": stage.asking.mismatched[:MISMATCHES_SHOWN],
            "books": books,
            **troubles(stage.trial.said()),
        },
        "passes": all(figure.passes for figure in figures),
    }


def _by_fault(events: list[Event]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for event in events:
        sums = found.setdefault(event.name, {"times": 0, "asked": 0, "against_us": 0})
        sums["times"] += 1
        sums["asked"] += event.asked
        sums["against_us"] += event.bad
    return dict(sorted(found.items(), key=lambda entry: -entry[1]["against_us"]))
