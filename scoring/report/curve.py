"""What any threshold would catch and wrongly stop, in transactions and in money."""

from typing import NamedTuple

import numpy as np

from scoring.report.scored import Costs


class Stopped(NamedTuple):
    """What lies strictly above a threshold: frauds and genuine payments, and their minor units."""

    threshold: float
    frauds: int
    genuine: int
    frauds_minor: int
    genuine_minor: int


class Curve:
    """
    All thresholds of one ranking at once.

    scores f4[k]: the distinct scores, falling; frauds, genuine i8[k] and frauds_minor, genuine_minor i8[k]:
    what has that score or a higher one. Ties stay together: no threshold can part them.
    """

    def __init__(self, is_fraud: np.ndarray, scores: np.ndarray, amounts_minor: np.ndarray) -> None:
        """Of labels bool[n], scores f4[n] and amounts i8[n]."""
        order = np.argsort(-scores, kind="stable")
        ranked, fraud = scores[order], is_fraud[order]
        amounts = amounts_minor[order].astype(np.int64)
        ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], len(ranked) > 0))
        self.scores = ranked[ends]
        self.frauds = np.cumsum(fraud, dtype=np.int64)[ends]
        self.genuine = ends + 1 - self.frauds
        self.frauds_minor = np.cumsum(np.where(fraud, amounts, 0))[ends]
        self.genuine_minor = np.cumsum(amounts)[ends] - self.frauds_minor

    def everything(self) -> Stopped:
        """All there is."""
        return self._upto(len(self.scores), -1.0)

    def above(self, threshold: float) -> Stopped:
        """What scores strictly above a threshold, as policy counts."""
        return self._upto(int(np.searchsorted(-self.scores, -np.float32(threshold), side="left")), threshold)

    def allowing(self, false_positive_rate: float) -> Stopped:
        """What lies above the lowest threshold that at most this share of genuine payments passes."""
        count = int(np.searchsorted(self.genuine, int(false_positive_rate * int(self.genuine[-1])), "right"))
        return self._upto(count, float(self.scores[count]) if count < len(self.scores) else 0.0)

    def at(self, place: int) -> Stopped:
        """What has the distinct score at this place, or a higher one; the threshold is that score."""
        return self._upto(place + 1, float(self.scores[place]))

    def precision(self) -> np.ndarray:
        """The share of fraud at or above each distinct score, f8[k]."""
        return self.frauds / (self.frauds + self.genuine)

    def recall(self) -> np.ndarray:
        """The share of all fraud that is there, f8[k]."""
        return self.frauds / self.frauds[-1]

    def false_positive_rate(self) -> np.ndarray:
        """The share of all genuine payments that is there, f8[k]."""
        return self.genuine / self.genuine[-1]

    def best(self, costs: Costs) -> Stopped:
        """The threshold that saves most; the highest such, stopping fewest."""
        saved = saved_minor(self.frauds_minor, self.genuine, costs)
        place = int(np.argmax(saved))
        if saved[place] <= 0:
            return self._upto(0, 1.0)
        return self._upto(place + 1, float(self.scores[place + 1]) if place + 1 < len(self.scores) else 0.0)

    def _upto(self, count: int, threshold: float) -> Stopped:
        if count == 0:
            return Stopped(threshold, 0, 0, 0, 0)
        columns = (self.frauds, self.genuine, self.frauds_minor, self.genuine_minor)
        return Stopped(threshold, *(int(column[count - 1]) for column in columns))


def saved_minor(frauds_minor: np.ndarray, genuine: np.ndarray, costs: Costs) -> np.ndarray:
    """
    Minor units i8 saved by stopping frauds worth frauds_minor i8 and so many genuine payments i8: the loss
    avoided less what the wrong declines cost. Stopping nothing saves nothing.
    """
    # In two steps, so that no sum of a portfolio leaves 64 bits.
    whole, rest = frauds_minor // 10_000, frauds_minor % 10_000
    borne = whole * costs.fraud_loss_bp + rest * costs.fraud_loss_bp // 10_000
    return borne - genuine * costs.false_decline_minor


def saved_by(stopped: Stopped, costs: Costs) -> int:
    """The same of one threshold."""
    return int(saved_minor(np.int64(stopped.frauds_minor), np.int64(stopped.genuine), costs))


def interval(hits: int, total: int) -> tuple[float, float]:
    """
    Wilson's 95 % interval of a share (1927): where the true share may well lie, having seen `hits` of `total`.
    Nothing seen, anything possible.
    """
    if total == 0:
        return 0.0, 1.0
    z2 = 1.959964**2
    share = hits / total
    middle = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = (z2 * (share * (1 - share) / total + z2 / (4 * total * total))) ** 0.5 / (1 + z2 / total)
    # At the ends rounding may leave the share itself just outside.
    return max(min(middle - reach, share), 0.0), min(max(middle + reach, share), 1.0)
