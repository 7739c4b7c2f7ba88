"""
Training again when it is due: a process that sleeps, trains in a process of its own, says how it went, sleeps.

A training that fails is told and tried again when the next one is due. What was due while nobody ran is made up
for at the start; the time of the last training is kept in the home.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

HOUR: Final = 3
"""Hour of the day, UTC, at which a training is due."""

KEPT: Final = "retraining.json"


class Every(StrEnum):
    """How often. A week's training is due on Monday."""

    DAILY = "daily"
    WEEKLY = "weekly"


class Outcome(NamedTuple):
    """How a training went: whether a model came of it, and what to tell."""

    trained: bool
    text: str


def due_after(moment: datetime, every: Every) -> datetime:
    """The first time after `moment` (UTC) at which a training is due."""
    due = moment.replace(hour=HOUR, minute=0, second=0, microsecond=0)
    if every is Every.WEEKLY:
        due -= timedelta(days=due.weekday())
    step = timedelta(days=7 if every is Every.WEEKLY else 1)
    while due <= moment:
        due += step
    return due


def keep_training(every: Every, home: Path, options: Sequence[str], say: Callable[[str], None]) -> None:
    """Trains from this home's labels whenever it is due, until the process is asked to end (KeyboardInterrupt)."""
    asleep = threading.Event()
    follow(
        every,
        home / KEPT,
        now=lambda: datetime.now(UTC),
        sleep=asleep.wait,
        run=lambda: _trained([*options, "--home", str(home)]),
        say=say,
    )


def follow(
    every: Every,
    kept: Path,
    *,
    now: Callable[[], datetime],
    sleep: Callable[[float], Any],
    run: Callable[[], Outcome],
    say: Callable[[str], None],
    rounds: int | None = None,
) -> None:
    """
    The schedule, from what it is handed: now() is the time in UTC, sleep(seconds) returns when they are over or
    earlier, run() trains, say(text) tells. `kept` is the file of the last training. Ends after `rounds`
    trainings, never without them.
    """
    last = _last(kept)
    due = now() if last is not None and due_after(last, every) <= now() else due_after(now(), every)
    done = 0
    while rounds is None or done < rounds:
        say(f"the next training is due at {due:%Y-%m-%d %H:%M} UTC")
        while (pause_s := (due - now()).total_seconds()) > 0:
            sleep(min(pause_s, 3_600.0))
        started = now()
        outcome = run()
        _keep(kept, started, outcome)
        say(outcome.text)
        due = due_after(started, every)
        done += 1


def _trained(options: Sequence[str]) -> Outcome:
    """One training in a process of its own: whatever becomes of it, the schedule goes on."""
    command = [sys.executable, "-m", "server.cli", "train", "--json", *options]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return Outcome(trained=False, text=f"training could not start: {error}")
    if ended.returncode != 0:
        words = ended.stderr.strip().splitlines() or [f"it ended with status {ended.returncode}"]
        return Outcome(trained=False, text=f"training failed: {words[-1].removeprefix('error: ')}")
    version = json.loads(ended.stdout)["version"]
    return Outcome(trained=True, text=f"{version} is a candidate: holdfast models shadow {version}")


def _last(kept: Path) -> datetime | None:
    try:
        return datetime.fromisoformat(json.loads(kept.read_bytes())["started"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):  # a file that was damaged: the schedule begins anew
        return None


def _keep(kept: Path, started: datetime, outcome: Outcome) -> None:
    fresh = kept.with_suffix(".new")
    fresh.parent.mkdir(parents=True, exist_ok=True)
    fresh.write_text(
        json.dumps({"started": started.isoformat(), **outcome._asdict()}) + "\n", encoding="utf-8"
    )
    fresh.replace(kept)
