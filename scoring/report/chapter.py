"""What a chapter is made of, and what several chapters speak of."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from scoring.report import wording
from scoring.report.axes import Chart
from scoring.report.curve import Best, Curve, Stopped
from scoring.report.groups import Rate
from scoring.report.scored import Scored
from scoring.report.tables import Table


class Headline(NamedTuple):
    """A figure to begin with: what it is called, its value, and what it is of."""

    name: str
    value: str
    of: str


class Because(NamedTuple):
    """A reason as a reader sees it: whether it speaks for fraud, how much, and its sentence."""

    for_fraud: bool
    adds: str
    text: str


class Case(NamedTuple):
    """An example as a reader sees it: what happened, how it scored, and why."""

    heading: str
    facts: str
    score: str
    because: tuple[Because, ...]


class Cases(NamedTuple):
    """Examples of one sort."""

    title: str
    says: str
    cases: tuple[Case, ...]


class Chapter(NamedTuple):
    """A chapter: its anchor, title, sentences, and what stands below them."""

    key: str
    title: str
    says: tuple[str, ...]
    headlines: tuple[Headline, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    cases: tuple[Cases, ...] = ()


class Measured(NamedTuple):
    """
    A scored history and what was counted of it once: its curve, those of the rivals, what simple rules stop,
    all there is, and the thresholds that would have saved most.
    """

    scored: Scored
    curve: Curve
    rivals: Mapping[str, Curve]
    rules: Mapping[str, Stopped]
    everything: Stopped
    best: Best


def measured(scored: Scored) -> Measured:
    """Counts a scored history."""
    amounts = scored.attempts["amount_minor"]
    curve = Curve(scored.is_fraud, scored.scores, amounts)
    return Measured(
        scored,
        curve,
        {name: Curve(scored.is_fraud, scores, amounts) for name, scores in scored.rivals.items()},
        {name: stopped_by(scored, hits) for name, hits in scored.rules.items()},
        curve.everything(),
        curve.best(scored.costs),
    )


def stopped_by(scored: Scored, hits: np.ndarray) -> Stopped:
    """What a rule stops whose hits are bool[n]."""
    amounts, fraud = scored.attempts["amount_minor"], scored.is_fraud
    caught, wrong = hits & fraud, hits & ~fraud
    return Stopped(
        0.0, int(caught.sum()), int(wrong.sum()), int(amounts[caught].sum()), int(amounts[wrong].sum())
    )


def lowered(title: str) -> str:
    """A title as it stands inside a sentence."""
    return title[:1].lower() + title[1:]


def share_of(hits: int, total: int) -> str:
    """So many of so many, in per cent."""
    return wording.share(hits / total if total else None)


def rate_of(rate: Rate) -> str:
    """The same of a rate."""
    return wording.share(rate.share)
