"""
Features and score: what the scoring room sees of a batch, and what the programme's thresholds make of it.

A missing model, or one that does not answer, means unscored (NaN), never a wait; the programme says what follows.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.attempt import mixed
from scoring.explain import reason_numbers
from scoring.features import FEATURE_NAMES, Features
from scoring.model import Model
from scoring.velocity import PAST_NAMES
from server.core.attempts import attempts_again
from server.core.policy import Check, bit
from server.core.record import (
    CREDITING,
    FEATURES_MAX,
    INTENT,
    INTENT_NUMBERS,
    NAMED_MAX,
    NO_ROW,
    rows_at,
    seen_as,
)
from server.core.rules import Rules, stepped_up

assert len(FEATURE_NAMES) <= FEATURES_MAX, "the intent has room for the features"

_SCORE_DECLINE: Final = int(Check.SCORE_DECLINE)
_UNSCORED_DECLINE: Final = int(Check.UNSCORED_DECLINE)
_UNSCORED: Final = int(Check.UNSCORED)
_STEP_UP: Final = int(Check.STEP_UP)
_STEP_UP_IMPOSSIBLE: Final = int(Check.STEP_UP_IMPOSSIBLE)
_SCORE_FLAGGED: Final = int(Check.SCORE_FLAGGED)
_BY_SCORE: Final = bit(Check.SCORE_DECLINE) | bit(Check.STEP_UP_IMPOSSIBLE)
SHARES: Final = 10_000
"""A challenger's share of the cards is told in so many parts."""


@njit(cache=True)
def challenged(card_rows: Any, share: int, chosen: Any) -> int:
    """Mark, in bool[n], the cards that a challenger with this share (of ten thousand) scores; return how many those are."""
    count = 0
    for i in range(len(card_rows)):
        chosen[i] = np.int64(mixed(np.uint64(card_rows[i]) + np.uint64(1)) % np.uint64(10_000)) < share
        count += chosen[i]
    return count


@njit(cache=True)
def note_scores(intents: Any, features: Any, scores: Any, names: Any, chosen: Any) -> None:
    """
    Write features f4[n, F], scores f4[n] and the model's name into INTENT_NUMBERS[n].

    `names` is u1[2, 24]: the champion's, and the challenger's, who scored where bool[n] `chosen` says so.
    """
    for i in range(len(intents)):
        intent = intents[i]
        for k in range(features.shape[1]):
            intent.features[k] = features[i, k]
        intent.score = scores[i]
        who = 1 if chosen[i] else 0
        for k in range(names.shape[1]):
            intent.model[k] = names[who, k]


@njit(cache=True)
def judge(intents: Any, programmes: Any) -> int:
    """Note what each INTENT's score means to its programme, strictly above a threshold; return how many it declines."""
    declined = 0
    for i in range(len(intents)):
        intent = intents[i]
        request = intent.request
        if (CREDITING >> request.transaction_type) & 1:
            continue
        programme = programmes[intent.programme]
        intent.decline_threshold = programme.decline_threshold
        intent.step_up_threshold = programme.step_up_threshold
        found = -1
        if np.isnan(intent.score):
            found = _UNSCORED_DECLINE if programme.unscored_decline else _UNSCORED
        elif intent.score > programme.decline_threshold:
            found = _SCORE_DECLINE
        elif intent.score > programme.step_up_threshold:
            found = stepped_up(request, programme, _STEP_UP, _STEP_UP_IMPOSSIBLE, _SCORE_FLAGGED)
        if found >= 0:
            intent.checks_failed |= np.uint64(1) << np.uint64(found)
        declined += found in (_SCORE_DECLINE, _STEP_UP_IMPOSSIBLE)
    return declined


class Risk:
    """The stage: the features' state, and the models that score."""

    def __init__(self) -> None:
        self.features = Features()
        self.use(None, None, 0)

    def use(self, champion: Model | None, challenger: Model | None, challenger_share: int) -> None:
        """
        Score with these from the next batch on; without a champion requests go unscored.

        The challenger scores the cards whose hash falls in its share, of ten thousand; `warm_up` comes before.
        """
        assert 0 <= challenger_share <= SHARES
        self.champion, self.challenger = champion, challenger
        self._share = challenger_share if challenger is not None else 0
        self._names = np.zeros((2, INTENT["model"].itemsize), np.uint8)
        for line, model in zip(self._names, (champion, challenger), strict=True):
            version = b"" if model is None else model.version.encode()
            line[: len(version)] = np.frombuffer(version, np.uint8)

    def remember(self, intents: NDArray[Any]) -> None:
        """Take in the attempts of journalled INTENT[n] again, as `score` did."""
        attempts = attempts_again(intents[intents["card_row"] != NO_ROW])
        self.features.observe(attempts, np.full((len(attempts), len(PAST_NAMES)), np.nan, np.float32))

    def judge(
        self,
        intents: NDArray[Any],
        attempts: NDArray[Any],
        past: NDArray[np.float32],
        programmes: NDArray[Any],
        rules: Rules,
    ) -> None:
        """
        Write features, score and model version into INTENT[n] whose cards are known, and note what score and rules say.

        Their ATTEMPT[n] are remembered; `past` f4[n, P] is what came before each.
        """
        known = intents["card_row"] != NO_ROW
        if known.all():
            rules.judge(self._score(intents, attempts, past, programmes), intents)
        elif known.any():
            some = rows_at(intents, known)
            rules.judge(self._score(some, attempts[known], past[known], programmes), some)
            intents[known] = some

    def _score(
        self,
        intents: NDArray[Any],
        attempts: NDArray[Any],
        past: NDArray[np.float32],
        programmes: NDArray[Any],
    ) -> NDArray[np.float32]:
        features = self.features.observe(attempts, past)
        chosen = np.zeros(len(intents), np.bool_)
        challenges = challenged(attempts["card_row"], self._share, chosen) if self._share else 0
        scores = self._scores(features, chosen, challenges)
        numbers = seen_as(intents, INTENT_NUMBERS)
        note_scores(numbers, features, scores, self._names, chosen)
        declined = judge(numbers, programmes)
        if declined:
            self._give_reasons(numbers, features, chosen)
        return features

    def _scores(
        self, features: NDArray[np.float32], chosen: NDArray[np.bool_], challenges: int
    ) -> NDArray[np.float32]:
        scores = np.full(len(features), np.nan, np.float32)
        if self.champion is not None and challenges < len(features):
            scores = self.champion.score(features)
        if self.challenger is not None and challenges:
            scores[chosen] = self.challenger.score(features[chosen])
        return scores

    def _give_reasons(
        self, numbers: NDArray[Any], features: NDArray[np.float32], chosen: NDArray[np.bool_]
    ) -> None:
        """Why the score declined, as numbers of reason codes: for the few that it declined."""
        refused = numbers["checks_failed"] & _BY_SCORE != 0
        for model, who in ((self.champion, refused & ~chosen), (self.challenger, refused & chosen)):
            if model is not None and who.any():
                reasons = np.zeros((np.count_nonzero(who), NAMED_MAX), np.uint8)
                reason_numbers(model, features[who], reasons)
                numbers["score_reasons"][who] = reasons
