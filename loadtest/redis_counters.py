"""
The counters of `velocity` kept in Redis, to compare with: a server of our own on a Unix socket, and pipelines of batches.

What a request is told of its past is the same (`past_of`), by what Redis is quickest at. Each subject has one sorted
set of its attempts by time, whose members carry the amounts, and one for each kind of distinct values, by the time each was last
seen. A request reads and then writes; a pipeline runs in order, so that each sees those before it, in its own batch too.
Redis is spared what would slow it down: forgetting, reservations, limits, a journal, and any network.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import numpy as np
import redis

from loadtest.redis_process import redis_process
from scoring.velocity import NO_ROW, PAST_NAMES
from scoring.windows import WINDOWS

BATCH: Final = 32
_PARTS: Final = 10
_SUBJECTS: Final = ("card", "account", "merchant", "device", "ip")
_KINDS: Final = {
    "merchants": "merchant",
    "countries": "country",
    "categories": "category",
    "devices": "device",
    "cards": "card_row",
}
_FIELDS: Final = (
    "time_s", "amount_minor", "merchant", "device", "ip", "card_row", "account", "category", "country",
)  # fmt: skip


class _Column(NamedTuple):
    """A column of the past: whose it is, and what it tells over which span. `since` has none."""

    place: int
    subject: str
    what: str  # attempts, amount, distinct, since
    kind: str
    span_s: int


def _column(place: int, name: str) -> _Column:
    if name.endswith("_since_s"):
        return _Column(place, "card", "since", name.removesuffix("_since_s"), 0)
    rest, _, window = name.rpartition("_")
    subject, _, what = rest.rpartition("_")
    span_s = next(known.span_s for known in WINDOWS if known.name == window)
    return _Column(
        place, subject or "card", "distinct" if what in _KINDS else what, _KINDS.get(what, ""), span_s
    )


_COLUMNS: Final = tuple(_column(place, name) for place, name in enumerate(PAST_NAMES))
_OF: Final = {
    (subject, what): tuple(column for column in _COLUMNS if column.subject == subject and column.what == what)
    for subject in _SUBJECTS
    for what in ("attempts", "amount", "distinct", "since")
}


# A command's answer tells these columns of a row; the request's time.
_Asked = tuple[np.ndarray, tuple[_Column, ...], int]


def redis_us_per_request(attempts: np.ndarray) -> float:
    """
    Microseconds a request of ATTEMPT[n], in pipelines of BATCH: the median of ten parts of them, on a server that starts empty.

    Raises `RedisMissing` where there is no `redis-server`, ValueError for fewer than ten batches, `ServerFailed` where it doesn't come up.
    """
    part = len(attempts) // _PARTS // BATCH * BATCH
    if part == 0:
        raise ValueError(f"at least {_PARTS * BATCH} attempts are a measurement, not {len(attempts)}")
    parts_us = []
    with redis_server() as client:
        for begin in range(0, _PARTS * part, part):
            started_ns = time.perf_counter_ns()
            for first in range(begin, begin + part, BATCH):
                past_of(client, attempts[first : first + BATCH], first)
            parts_us.append((time.perf_counter_ns() - started_ns) / 1_000 / part)
    return float(np.median(parts_us))


def past_of(client: redis.Redis, attempts: np.ndarray, first: int) -> np.ndarray:
    """
    What came before each of ATTEMPT[n], f4[n, len(PAST_NAMES)] as `Velocity.admit` tells it, over exact windows; they are entered.
    `first` is the number of the first: two attempts never share one.
    """
    past = np.full((len(attempts), len(PAST_NAMES)), np.nan, np.float32)
    asked: list[_Asked] = []
    with client.pipeline(transaction=False) as pipeline:
        columns = (attempts[name].tolist() for name in _FIELDS)
        for number, values in enumerate(zip(*columns, strict=True)):
            _ask(pipeline, dict(zip(_FIELDS, values, strict=True)), first + number, past[number], asked)
        answers = pipeline.execute()
    for (row, columns_told, time_s), answer in zip(asked, answers, strict=True):
        _tell(row, columns_told, time_s, answer)
    return past


@contextmanager
def redis_server() -> Iterator[redis.Redis]:
    """A client of a Redis server of its own, which writes nothing to disk and is gone on exit."""
    with redis_process() as served, redis.Redis(unix_socket_path=served.socket) as client:
        yield client


def _key(request: dict[str, int], subject: str) -> int | None:
    """What a subject's sets are called by; None where the request doesn't name it."""
    if subject in ("card", "account") and request["card_row"] == NO_ROW:
        return None
    return request["card_row"] if subject == "card" else request[subject] or None


def _ask(pipeline: Any, request: dict[str, int], number: int, row: np.ndarray, asked: list[_Asked]) -> None:
    """Reads what the past tells, and enters the attempt: one place of `asked` for each command."""
    time_s = request["time_s"]
    for subject in _SUBJECTS:
        key = _key(request, subject)
        if key is None:
            continue
        entries = f"{subject}:{key}"
        counts, amounts = _OF[subject, "attempts"], _OF[subject, "amount"]
        if amounts:
            longest_s = max(column.span_s for column in counts)
            pipeline.zrangebyscore(entries, f"({time_s - longest_s}", "+inf", withscores=True)
            asked.append((row, counts + amounts, time_s))
            counts = ()
        for column in counts:
            pipeline.zcount(entries, f"({time_s - column.span_s}", "+inf")
            asked.append((row, (column,), time_s))
        pipeline.zadd(entries, {f"{number}:{request['amount_minor']}": time_s})
        asked.append((row, (), time_s))
        distinct, since = _OF[subject, "distinct"], _OF[subject, "since"]
        for column in distinct:
            pipeline.zcount(f"{entries}:{column.kind}", f"({time_s - column.span_s}", "+inf")
            asked.append((row, (column,), time_s))
        for column in since:
            if request[column.kind]:
                pipeline.zscore(f"{entries}:{column.kind}", str(request[column.kind]))
                asked.append((row, (column,), time_s))
        for kind in dict.fromkeys(column.kind for column in distinct + since):
            if request[kind] if kind != "card_row" else request[kind] != NO_ROW:
                pipeline.zadd(f"{entries}:{kind}", {str(request[kind]): time_s}, gt=True)
                asked.append((row, (), time_s))


def _tell(row: np.ndarray, columns: tuple[_Column, ...], time_s: int, answer: Any) -> None:
    """Writes what a command answered into its columns."""
    for column in columns:
        if column.what == "since":
            row[column.place] = -1 if answer is None else max(time_s - int(answer), 0)
        elif not isinstance(answer, list):
            row[column.place] = answer
        else:
            later = [entry for entry, at_s in answer if at_s > time_s - column.span_s]
            row[column.place] = (
                len(later)
                if column.what == "attempts"
                else sum(int(entry.partition(b":")[2]) for entry in later)
            )
