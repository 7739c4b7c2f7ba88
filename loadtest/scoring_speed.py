"""
How fast a request is scored, in this process, on one core: velocity, features and score, one call after another.

Requests are made up from a seed: cards by a power law, a few thousand merchants, one request in three with a device
and an address, an hour of time. What a server adds to this (journal, ledger, network) is measured by `bench`.
"""

import concurrent.futures
import multiprocessing
import time
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from scoring.attempt import empty_attempts
from scoring.model import Model
from scoring.passage import Passage

CARDS: Final = 100_000
BATCH: Final = 32
_STARTED_S: Final = 1_735_689_600
_REQUESTS: Final = 96_000
_ALONE: Final = 20_000
_STARTS: Final = 3


class Speed(NamedTuple):
    """Microseconds a request in batches of BATCH (the median of ten parts), and of a single one: median and p99."""

    batch_us: float
    single_us_p50: float
    single_us_p99: float


def made_up(count: int, seed: int = 7) -> np.ndarray:
    """Attempts ATTEMPT[count] in order of time."""
    draw = np.random.default_rng(seed)
    attempts = empty_attempts(count)
    attempts["card_row"] = (CARDS * draw.random(count) ** 2).astype(np.uint32)
    attempts["account"] = attempts["card_row"] + 1
    attempts["time_s"] = attempts["local_time_s"] = _STARTED_S + np.arange(count) * 3_600 // count
    attempts["amount_minor"] = np.exp(draw.normal(8.0, 1.0, count)).astype(np.int64)
    merchants = draw.integers(1, 1 << 63, 5_000, dtype=np.uint64)
    attempts["merchant"] = attempts["terminal"] = draw.choice(merchants, count)
    remote = draw.random(count) < 1 / 3
    for name, many in (("device", CARDS), ("ip", CARDS // 4)):
        known = draw.integers(1, 1 << 63, many, dtype=np.uint64)
        attempts[name] = np.where(remote, draw.choice(known, count), 0)
    attempts["latitude_deg"] = draw.uniform(25, 48, count)
    attempts["longitude_deg"] = draw.uniform(-120, -70, count)
    attempts["home_latitude_deg"], attempts["home_longitude_deg"] = 40.0, -75.0
    attempts["category"] = draw.choice(np.array([5411, 5812, 5541, 5999, 5311]), count)
    attempts["country"] = attempts["home_country"] = 840
    attempts["entry_mode"] = np.where(remote, 5, 3)
    attempts["card_present"] = ~remote
    attempts["transaction_type"] = 1
    return attempts


def speed(folder: Path) -> Speed:
    """How fast the model in a folder scores, state and all, in this process."""
    attempts = made_up(_REQUESTS + _ALONE)
    model = Model.load(folder)
    passage = Passage(CARDS, CARDS + 1)
    model.score(passage.observe(attempts[:BATCH]))
    parts_us = []
    part = _REQUESTS // 10 // BATCH * BATCH
    for begin in range(BATCH, _REQUESTS - part, part):
        started_ns = time.perf_counter_ns()
        for first in range(begin, begin + part, BATCH):
            model.score(passage.observe(attempts[first : first + BATCH]))
        parts_us.append((time.perf_counter_ns() - started_ns) / 1_000 / part)
    alone_us = np.empty(_ALONE)
    for place in range(_ALONE):
        single = attempts[_REQUESTS + place : _REQUESTS + place + 1]
        started_ns = time.perf_counter_ns()
        model.score(passage.observe(single))
        alone_us[place] = (time.perf_counter_ns() - started_ns) / 1_000
    return Speed(
        float(np.median(parts_us)), float(np.percentile(alone_us, 50)), float(np.percentile(alone_us, 99))
    )


def load_s(folder: Path) -> float:
    """
    Seconds in which a fresh process loads the model in a folder and warms everything up; the median of several.
    What Numba has compiled before is in its cache.
    """
    _loaded_s(folder)
    with concurrent.futures.ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), max_tasks_per_child=1
    ) as fresh:
        return float(np.median([fresh.submit(_loaded_s, folder).result() for _ in range(_STARTS)]))


def _loaded_s(folder: Path) -> float:
    began_s = time.perf_counter()
    model = Model.load(folder)
    Passage(1, 1).warm_up()
    model.warm_up()
    return time.perf_counter() - began_s
