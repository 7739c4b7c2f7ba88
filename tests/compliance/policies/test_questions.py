"""The shared texts: questions find the section that answers them, in time."""

import asyncio
import json
import time
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from compliance.policies.desk import PolicyDesk
from compliance.policies.library import Library
from compliance.policies.reading import read
from compliance.roles import Actor, Role
from server.store.database import Database

SHARED = Path(__file__).parents[3] / "../shared/data/policy"
QUESTIONS = json.loads((Path(__file__).parent / "questions.json").read_text("utf-8"))
RECALL_FLOOR = 0.93
LATENCY_MS_P95 = 50.0


def test_nine_questions_in_ten_find_their_section_among_five_passages_in_time(database_url, capsys):
    """By full text alone; the whole shared library imported; each asked three times, its quickest answer counts."""
    if not SHARED.is_dir():
        pytest.skip("the shared policies are not here")

    async def inside():
        async with Database(database_url) as database:
            desk = PolicyDesk(database, lambda: datetime(2026, 3, 2, tzinfo=UTC))
            await desk.add(read([SHARED]), Actor("olga", Role.OFFICER))
            await desk.add_shipped()
            library = Library(database)
            missed, rounds_ms = set(), []
            for _ in range(3):
                took_ms = []
                for one in QUESTIONS:
                    began = time.perf_counter()
                    found = await library.search(one["question"], as_of=date(2026, 3, 2))
                    took_ms.append((time.perf_counter() - began) * 1e3)
                    if not any(p.citation.startswith(cited) for p in found for cited in one["any_of"]):
                        missed.add(one["question"])
                rounds_ms.append(took_ms)
            return missed, sorted(map(min, zip(*rounds_ms, strict=True)))

    missed, took_ms = asyncio.run(inside())
    recall = 1 - len(missed) / len(QUESTIONS)
    p95_ms = took_ms[int(len(took_ms) * 0.95)]
    with capsys.disabled():
        print(f"\n{len(QUESTIONS)} questions: recall@5 {recall:.3f}, p95 {p95_ms:.1f} ms; missed: {missed}")
    assert recall >= RECALL_FLOOR
    assert p95_ms < LATENCY_MS_P95
