"""`holdfast bench policies`: how many questions find the section that answers them among five passages, and how soon."""

import json
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from compliance.policies.desk import PolicyDesk
from compliance.policies.library import Library
from compliance.policies.reading import read
from compliance.ports import Database
from compliance.roles import Actor, Role
from loadtest.figure import Figure

PASSAGES: Final = 5
RECALL_FLOOR: Final = 0.9
LATENCY_MS_MAX: Final = 50.0
_BENCH: Final = Actor("bench", Role.OFFICER)


class Question(NamedTuple):
    """What is asked, and the sections any of which answers it."""

    text: str
    any_of: tuple[str, ...]


def questions_of(path: Path) -> list[Question]:
    """Questions of a JSON file: [{"question": …, "any_of": [citations]}]. Raises ValueError, OSError."""
    try:
        return [
            Question(one["question"], tuple(one["any_of"])) for one in json.loads(path.read_text("utf-8"))
        ]
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f'{path}: a list of {{"question": …, "any_of": [citations]}} ({error!r})') from error


async def policy_figures(
    database: Database, data: Path, questions: Sequence[Question], told: Callable[[str], None]
) -> dict[str, Any]:
    """The figures, by full text alone; the database is thrown away after. Each question is asked once, none is cached."""
    told(f"importing {data}")
    desk = PolicyDesk(database, lambda: datetime.now(UTC))
    await desk.add(read([data]), _BENCH)
    await desk.add_shipped()
    library = Library(database)
    told(f"{len(questions)} questions")
    missed, took_ms = [], []
    for one in questions:
        began = time.perf_counter()
        found = await library.search(one.text, limit=PASSAGES)
        took_ms.append((time.perf_counter() - began) * 1e3)
        if not any(passage.citation.startswith(one.any_of) for passage in found):
            missed.append(one.text)
    took_ms.sort()
    recall = 1 - len(missed) / len(questions)
    p95_ms = took_ms[int(len(took_ms) * 0.95)]
    figures = (
        Figure(f"{len(questions)} questions, answered in {PASSAGES}", "share", recall, RECALL_FLOOR, True, 3),
        Figure("five passages, p95", "ms", p95_ms, LATENCY_MS_MAX, False, 1),
        Figure("five passages, most", "ms", took_ms[-1], LATENCY_MS_MAX, False, 1),
    )
    return {
        "figures": [{"part": "policies", **each.document()} for each in figures],
        "details": {"missed": missed},
        "passes": all(each.passes for each in figures),
    }
