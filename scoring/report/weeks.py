"""The same figures week by week: whether the model holds."""

from typing import Final, NamedTuple

import numpy as np

from scoring.report.curve import Curve
from scoring.report.groups import REVIEWED, Part, part
from scoring.report.scored import Scored

_WEEK_S: Final = 7 * 86_400
# 1970-01-05 was the first Monday.
_MONDAY_S: Final = 4 * 86_400
_SHARE_MIN: Final = 1e-4


class Week(NamedTuple):
    """
    One week from Monday, 00:00 UTC: begin_s, its figures, how far its scores moved, and whether it is whole
    (the history begins or ends within the others).
    """

    begin_s: int
    part: Part
    drift: float
    whole: bool


def weeks(scored: Scored) -> list[Week]:
    """Every week in which something happened."""
    times_s = scored.attempts["time_s"]
    number = (times_s - _MONDAY_S) // _WEEK_S
    review = (
        Curve(scored.is_fraud, scored.scores, scored.attempts["amount_minor"]).allowing(REVIEWED).threshold
    )
    found = []
    for week in np.unique(number).tolist():
        rows = np.flatnonzero(number == week)
        begin_s = week * _WEEK_S + _MONDAY_S
        # A day's grace: the first payment of a night comes late.
        whole = begin_s + 86_400 > int(times_s[0]) and begin_s + _WEEK_S - 86_400 <= int(times_s[-1])
        figures = part(scored, "", rows, review)
        found.append(Week(begin_s, figures, drift(scored.scores, scored.scores[rows]), whole))
    return found


def drift(usual: np.ndarray, now: np.ndarray) -> float:
    """
    The population stability index of scores `now` against the usual ones, over the usual scores' tenths:
    below 0.1 they are alike, above 0.25 they moved.
    """
    edges = np.unique(np.quantile(usual, np.arange(1, 10) / 10))
    expected, found = (
        np.maximum(
            np.bincount(np.searchsorted(edges, scores), minlength=len(edges) + 1) / len(scores), _SHARE_MIN
        )
        for scores in (usual, now)
    )
    return float(((found - expected) * np.log(found / expected)).sum())
