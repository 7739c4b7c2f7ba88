"""What any threshold would catch and wrongly stop, in transactions and in money."""

from typing import NamedTuple

import numpy as np

from scoring.thresholds import Costs


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
        return self._below(count)

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

    def best(self, costs: Costs) -> "Best":
        """The thresholds that would have saved most; of equals those that stop fewest."""
        nothing = np.zeros(1)
        declining = np.append(nothing, saved_declining(self, costs))
        asking = np.append(nothing, saved_asking(self, costs))
        # Who asks for proof above a lower score than he declines above, does so from there on.
        beyond = np.maximum.accumulate(asking[::-1])[::-1]
        decline = int(np.argmax(declining - asking + beyond))
        step_up = decline + int(np.argmax(asking[decline:]))
        return Best(self._below(int(np.argmax(declining))), self._below(decline), self._below(step_up))

    def _upto(self, count: int, threshold: float) -> Stopped:
        if count == 0:
            return Stopped(threshold, 0, 0, 0, 0)
        columns = (self.frauds, self.genuine, self.frauds_minor, self.genuine_minor)
        return Stopped(threshold, *(int(column[count - 1]) for column in columns))

    def _below(self, count: int) -> Stopped:
        """The first `count` distinct scores; the threshold is the next one."""
        return self._upto(count, float(self.scores[count]) if count < len(self.scores) else 0.0)


class Best(NamedTuple):
    """
    What lies above the thresholds that would have saved most: declining alone, and as a pair, where what
    lies between the two is asked for proof.
    """

    alone: Stopped
    decline: Stopped
    step_up: Stopped


def saved_declining(stopped: Curve | Stopped, costs: Costs) -> np.ndarray:
    """
    Minor units f8 saved by declining what is stopped: what the frauds would have cost, less what the wrong
    declines do.
    """
    wrong = costs.false_decline_minor * np.float64(stopped.genuine)
    return _lost(stopped, costs) - wrong - costs.false_decline_share * np.float64(stopped.genuine_minor)


def saved_asking(stopped: Curve | Stopped, costs: Costs) -> np.ndarray:
    """The same f8 of asking for proof instead, which a share of the frauds gives."""
    asked = costs.step_up_minor * np.float64(stopped.genuine)
    return (1.0 - costs.step_up_passed_share) * _lost(stopped, costs) - asked


def saved_minor(declined: Stopped, stepped_up: Stopped, costs: Costs) -> int:
    """Minor units saved by declining some, and asking the rest of `stepped_up`, which holds them, for proof."""
    asked = saved_asking(stepped_up, costs) - saved_asking(declined, costs)
    return round(float(saved_declining(declined, costs) + asked))


def _lost(stopped: Curve | Stopped, costs: Costs) -> np.ndarray:
    """What these frauds cost where nobody stops them."""
    lost = costs.fraud_loss_share * np.float64(stopped.frauds_minor)
    return np.asarray(lost + costs.chargeback_minor * np.float64(stopped.frauds))


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
