"""Processes of a server killed (SIGKILL) again and again while somebody asks: nothing acknowledged may be lost."""

import asyncio
import signal
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, TypeVar

from loadtest.asking import Asking, Manner, codes
from loadtest.figure import Figure
from loadtest.processes import scratch
from server.cli.steady_away import MISMATCHES_SHOWN, soundness
from server.cli.trial import Trial, books_of, troubles

KILLABLE: Final = ("core", "front", "worker", "postgres")
PAUSE_S: Final = (0.05, 0.6)
"""From one kill to the next, once the one before has been got over."""

SPARED_SHARE: Final = 0.5
"""Of the cores that are killed behind fronts: these only once a spare waits, the others as soon as they have come back."""

SPARED: Final = "core, a spare waiting"
SPARE_MAX_S: Final = 30.0
BACK_MAX_S: Final = 120.0
RESTART_MAX_S: Final = 2.0
PATIENCE_S: Final = 90.0
RECENT: Final = 20_000
"""Questions that are looked through for the first answer: more than come in BACK_MAX_S."""

LOOK_S: Final = 0.03
AWAY_CODES: Final = ("91", "N0")
"""What is answered in the core's stead while it is away."""

T = TypeVar("T")


@dataclass(frozen=True)
class KillOptions:
    """Who is killed, and how often each."""

    times: int = 200
    of: tuple[str, ...] = ("core",)
    fronts: int = 0
    rate: float = 100.0
    cards: int = 100_000
    seed: int = 1

    def __post_init__(self) -> None:
        unknown = set(self.of) - set(KILLABLE)
        if unknown or not self.of:
            raise ValueError(
                f"--of names some of {', '.join(KILLABLE)}, not {', '.join(sorted(unknown)) or 'none'}"
            )
        if "front" in self.of and not self.fronts:
            raise ValueError("a front is a process of its own with --fronts 1 or more")


@dataclass
class Deaths:
    """Those of one kind of process: how long each time until somebody who asked after it was answered, seconds."""

    recoveries_s: list[float] = field(default_factory=list)


def kill_figures(options: KillOptions, say: Callable[[str], None]) -> dict[str, Any]:
    """A campaign in a home of its own, as figures. Raises ServerFailed where the server does not come back."""
    with scratch("trial") as folder, ExitStack() as stack:
        arguments = ["--comply"] if "worker" in options.of else []
        if options.fronts:
            arguments += ["--fronts", str(options.fronts)]
        say("starting the server")
        home = Path(folder) / "home"
        home.mkdir()
        trial = stack.enter_context(Trial(home, cards=options.cards, arguments=arguments))
        asking = Asking(trial.target, Manner(options.rate, PATIENCE_S, options.cards, options.seed))
        deaths = asyncio.run(_kill_through(asking, trial, options, say))
        say("comparing ledger and journal")
        trial.stop()
        books, _ = books_of(home, None, asking.asked)
        said = trial.said()
    figures = list(soundness(asking, books))
    figures += [
        Figure(
            f"{what}: killed to first answer, median",
            "s",
            statistics.median(each.recoveries_s),
            RESTART_MAX_S,
            is_floor=False,
        )
        for what, each in sorted(deaths.items())
        if what in ("core", SPARED)
    ]
    return {
        "figures": [{"part": "kills", **figure.document()} for figure in figures],
        "details": {
            "kills": {what: len(each.recoveries_s) for what, each in deaths.items()},
            "to_first_answer_s": {
                what: {
                    "median": round(statistics.median(each.recoveries_s), 2),
                    "max": round(max(each.recoveries_s), 2),
                }
                for what, each in deaths.items()
            },
            "asked": len(asking.asked),
            "asked_more_than_once": sum(each.tries > 1 for each in asking.asked),
            "codes": codes(asking.asked),
            "repeats_with_another_answer": asking.mismatched[:MISMATCHES_SHOWN],
            "books": books,
            **troubles(said),
        },
        "passes": all(figure.passes for figure in figures),
    }


async def _kill_through(
    asking: Asking, trial: Trial, options: KillOptions, say: Callable[[str], None]
) -> dict[str, Deaths]:
    draw = Random(options.seed)
    deaths: dict[str, Deaths] = defaultdict(Deaths)
    order = [what for what in options.of for _ in range(options.times)]
    draw.shuffle(order)
    async with asking.running():
        for number, what in enumerate(order, start=1):
            await asyncio.sleep(draw.uniform(*PAUSE_S))
            is_spared = what == "core" and trial.is_supervised and draw.random() < SPARED_SHARE
            kind = SPARED if is_spared and await _spare_waits(trial) else what
            say(f"{number} of {len(order)}: {kind}")
            deaths[kind].recoveries_s.append(await kill(asking, trial, what, draw.randrange(8)))
            await asking.recheck_recent()
    return deaths


async def kill(
    asking: Asking, trial: Trial, what: str, place: int, number: signal.Signals = signal.SIGKILL
) -> float:
    """
    Signal one of these to end, and wait until it has come back and a question asked after it is answered.

    Seconds from the signal to that answer. Raises TimeoutError where one of these takes longer than BACK_MAX_S.
    """
    supervised = trial.is_supervised
    # It may not have come back from the death before.
    gone = await _until(lambda: trial.signal(what, place, number), f"no {what} to end")
    ended_s = time.monotonic()
    if what == "core" and not supervised:
        await asyncio.to_thread(trial.revive)

    def is_back() -> bool:
        there = trial.processes()[what]
        return bool(there) and gone not in there

    await _until(is_back, f"no {what} again")

    def first_answer_s() -> float | None:
        later = (a for a in asking.asked[-RECENT:] if a.sent_s > ended_s)
        return min((a.answered_s for a in later if a.is_answer and a.code not in AWAY_CODES), default=None)

    return await _until(first_answer_s, f"no answer after the end of the {what}") - ended_s


async def _spare_waits(trial: Trial) -> bool:
    """Whether a spare is prepared within SPARE_MAX_S."""
    try:
        async with asyncio.timeout(SPARE_MAX_S):
            return bool(await _until(lambda: trial.processes()["spare"], "no spare"))
    except TimeoutError:
        return False


async def _until(found: Callable[[], T | None], missing: str) -> T:
    """What it finds, once that is something. Raises TimeoutError, which says what is missing, after BACK_MAX_S."""
    try:
        async with asyncio.timeout(BACK_MAX_S):
            while not (what := found()):  # noqa: ASYNC110 - processes tell nobody when they are there
                await asyncio.sleep(LOOK_S)
            return what
    except TimeoutError as error:
        raise TimeoutError(f"{missing} within {BACK_MAX_S:.0f} s") from error
