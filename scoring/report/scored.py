"""A history and its scores: what a report is made from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NamedTuple

import numpy as np

from scoring.explain import Reason
from scoring.thresholds import Costs


class Grouping(NamedTuple):
    """One way to part the traffic: labels by number, and codes i8[n], -1 where it isn't known."""

    title: str
    labels: tuple[str, ...]
    codes: np.ndarray


class Currency(NamedTuple):
    """A currency as it is shown: its ISO 4217 code, "" where nobody knows it, and how many digits its minor unit has."""

    code: str = ""
    digits: int = 2


UNTOLD: Final = Currency()


class Why(NamedTuple):
    """
    What the model says of itself: reasons(row, most), the parts of one row of the history, the largest first;
    names of its features, and what each means.
    """

    reasons: Callable[[int, int], Sequence[Reason]]
    names: tuple[str, ...]
    meanings: tuple[str, ...]


class ReportError(ValueError):
    """A history that no report can be made of; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """
    A labelled history with a model's scores; n transactions in order of time, with at least one fraud and
    one genuine among them.

    model and data name what scored and what was scored. attempts ATTEMPT[n], cards the identity of each card
    row (shown by its last four characters), is_fraud bool[n], scores f4[n] in 0..1; step_up and decline the
    thresholds: what lies strictly above is asked to prove itself, or declined. rivals: the scores f4[n] of
    other models on the same traffic, a champion or a shadow; rules: which transactions bool[n] a simple rule
    would stop. parts: cards known or new, say; fairness: groups of people. elapsed_us f4[n]: how long scoring
    took, for the batch that a transaction came in. merchants: names by hash. cautions: what a
    reader must know before all figures. facts: what else to say of the
    model and the data, by name. Untrusted text is welcome anywhere: the page escapes it.
    """

    model: str
    data: str
    attempts: np.ndarray
    cards: Sequence[str]
    is_fraud: np.ndarray
    scores: np.ndarray
    step_up: float
    decline: float
    costs: Costs
    currency: Currency = UNTOLD
    rivals: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))
    rules: Mapping[str, np.ndarray] = field(default_factory=lambda: MappingProxyType({}))
    scenarios: Grouping | None = None
    parts: tuple[Grouping, ...] = ()
    fairness: tuple[Grouping, ...] = ()
    elapsed_us: np.ndarray | None = None
    why: Why | None = None
    merchants: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    cautions: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        """Raises ReportError where columns don't fit together, or nothing can be said of them."""
        total = len(self.attempts)
        columns = {
            "is_fraud": self.is_fraud,
            "scores": self.scores,
            **{f"rivals[{name}]": column for name, column in self.rivals.items()},
            **{f"rules[{name}]": column for name, column in self.rules.items()},
        }
        for grouping in (*self.parts, *self.fairness, *([self.scenarios] if self.scenarios else [])):
            columns[grouping.title] = grouping.codes
        if self.elapsed_us is not None:
            columns["elapsed_us"] = self.elapsed_us
        for name, column in columns.items():
            if len(column) != total:
                raise ReportError(f"{name} has {len(column)} rows, the history has {total}")
        for name in ("scores", *(f"rivals[{name}]" for name in self.rivals)):
            if not np.all((columns[name] >= 0) & (columns[name] <= 1)):
                raise ReportError(f"{name}: a score is a probability, 0 to 1, and never missing")
        if not 0 < int(self.is_fraud.sum()) < total:
            raise ReportError(
                "a report needs fraud and genuine payments, both: the history has only one of them"
            )
        if np.any(np.diff(self.attempts["time_s"]) < 0):
            raise ReportError("the history is not in order of time")
