"""
What screening must show, each figure beside its bar: names a second on one core, and how many are found and falsely met.

Found: the primary name of each entry of the UN's list with one letter left out, put in, replaced or swapped with the
next, from one seed; a find is a hit on the same entry. False: cardholders of Sparkov's and IBM's portfolios, all made up.
The list is the newest SDN file with its aliases, the consolidated lists and the UN's, together. Times are the thread's own.
"""

import csv
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from compliance.screening.reading import read_lists
from compliance.screening.screener import Screener
from loadtest.figure import Figure

SEED: Final = 20_260_227
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
_LISTS: Final = (
    "sdn_2024-05-01.csv", "alt_2025-02.csv", "add_2025-02.csv", "cons_prim.csv", "cons_alt.csv", "cons_add.csv",
    "un_consolidated.xml",
)  # fmt: skip


def screening_figures(data: Path, told: Callable[[str], None]) -> dict[str, Any]:
    """The document of figures. Raises OSError where the data is not there."""
    told("lists")
    editions = read_lists([data / "sanctions" / name for name in _LISTS])
    started = time.thread_time()
    screener = Screener(editions)
    build_s = time.thread_time() - started
    rng = random.Random(SEED)
    un = next(edition for edition in editions if edition.list_name == "un")
    told("names with typing errors")
    typed = [(entry.id, mistyped(entry.names[0].text, rng)) for entry in un.entries]
    times: list[float] = []
    found = 0
    for entry_id, name in typed:
        hits = _timed(screener, name, times)
        found += any(hit.entry_id == entry_id for hit in hits)
    told("ordinary names")
    ordinary = _ordinary(data / "fraud")
    met = sum(bool(_timed(screener, name, times)) for name in ordinary)
    entries = sum(len(edition.entries) for edition in editions)
    figures = [
        Figure("entries", "entries", entries, 15_000, is_floor=True, digits=0),
        Figure("index", "s to build", build_s, 3.0, is_floor=False),
        Figure("names", "a second", len(times) / sum(times), 2_000, is_floor=True, digits=0),
        Figure("p99", "ms", float(np.quantile(times, 0.99)) * 1e3, 5.0, is_floor=False),
        Figure("UN names with a typing error", "% found", 100 * found / len(typed), 95.0, is_floor=True),
        Figure("ordinary names", "% met falsely", 100 * met / len(ordinary), 0.5, is_floor=False, digits=3),
    ]
    return {
        "figures": [{"part": "screening", **figure.document()} for figure in figures],
        "details": {
            "names": screener.name_count,
            "typed": len(typed),
            "ordinary": len(ordinary),
            "seed": SEED,
        },
        "passes": all(figure.passes for figure in figures),
    }


def mistyped(name: str, rng: random.Random) -> str:
    """The name with one letter left out, put in, replaced, or swapped with what follows."""
    at = rng.choice([place for place, letter in enumerate(name) if letter.isalpha()])
    kind = rng.randrange(4)
    if kind == 0:
        return name[:at] + name[at + 1 :]
    if kind == 1:
        return name[:at] + rng.choice(_LETTERS) + name[at:]
    if kind == 2:
        return name[:at] + rng.choice(_LETTERS) + name[at + 1 :]
    return name[:at] + name[at + 1 : at + 2] + name[at] + name[at + 2 :]


def _timed(screener: Screener, name: str, times: list[float]) -> list[Any]:
    started = time.thread_time()
    hits = screener.screen(name)
    times.append(time.thread_time() - started)
    return hits


def _ordinary(folder: Path) -> list[str]:
    with (folder / "sparkov_customers.csv").open(encoding="utf-8") as source:
        names = [f"{row['first']} {row['last']}" for row in csv.DictReader(source, delimiter="|")]
    with (folder / "ibm_users.csv").open(encoding="utf-8") as source:
        return names + [row["Person"] for row in csv.DictReader(source)]
