"""
Features and score: what the scoring room sees of a batch, and what the programme's thresholds make of it.

A missing model, or one that does not answer, means unscored (NaN), never a wait; the programme says what follows.
"""

from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.attempt import ATTEMPT, network_digest, terminal_digest
from scoring.features import FEATURE_NAMES, Features
from scoring.model import Model
from server.core.policy import Check
from server.core.record import CREDITING, FEATURES_MAX, INTENT_NUMBERS, NO_ROW, CheckResult, EntryMode

assert len(FEATURE_NAMES) <= FEATURES_MAX, "the intent has room for the features"

_MATCH: Final = int(CheckResult.MATCH)
_ECOMMERCE: Final = int(EntryMode.ECOMMERCE)
_SCORE_DECLINE: Final = int(Check.SCORE_DECLINE)
_UNSCORED_DECLINE: Final = int(Check.UNSCORED_DECLINE)
_UNSCORED: Final = int(Check.UNSCORED)
_STEP_UP: Final = int(Check.STEP_UP)
_STEP_UP_IMPOSSIBLE: Final = int(Check.STEP_UP_IMPOSSIBLE)
_SCORE_FLAGGED: Final = int(Check.SCORE_FLAGGED)


@njit(cache=True)
def fill_attempt(intent: Any, attempt: Any) -> None:
    """What an INTENT_NUMBERS alone says of an ATTEMPT: all that is remembered of it."""
    request = intent.request
    attempt.time_s = request.transmission_s
    attempt.local_time_s = request.local_s
    attempt.amount_minor = intent.billed_minor
    attempt.merchant = request.merchant
    attempt.terminal = terminal_digest(request.merchant, request.terminal_id)
    attempt.device = request.device
    attempt.ip = network_digest(request.ip[0], request.ip[1])
    attempt.latitude_deg = request.latitude_deg
    attempt.longitude_deg = request.longitude_deg
    attempt.card_row = intent.card_row
    attempt.account = intent.account_number
    attempt.category = request.category
    attempt.country = request.country
    attempt.entry_mode = request.entry_mode
    attempt.transaction_type = request.transaction_type
    attempt.card_present = request.card_present


@njit(cache=True)
def attempts_of(intents: Any, cards: Any, programmes: Any, attempts: Any) -> int:
    """Fill ATTEMPT[n] from the INTENT_NUMBERS[n] whose card is known; return how many those are."""
    count = 0
    for i in range(len(intents)):
        intent = intents[i]
        if intent.card_row == NO_ROW:
            continue
        attempt = attempts[count]
        fill_attempt(intent, attempt)
        card = cards[intent.card_row]
        attempt.home_latitude_deg = card.home_latitude_deg
        attempt.home_longitude_deg = card.home_longitude_deg
        attempt.home_country = programmes[intent.programme].country
        count += 1
    return count


@njit(cache=True)
def attempts_again(intents: Any, attempts: Any) -> int:
    """As `attempts_of`, from nowhere: without the cardholder's home and the programme's country."""
    count = 0
    for i in range(len(intents)):
        if intents[i].card_row == NO_ROW:
            continue
        attempt = attempts[count]
        fill_attempt(intents[i], attempt)
        attempt.home_latitude_deg = np.nan
        attempt.home_longitude_deg = np.nan
        attempt.home_country = 0
        count += 1
    return count


@njit(cache=True)
def note_scores(intents: Any, features: Any, scores: Any, model: Any) -> None:
    """Write features f4[k, F], scores f4[k] and the model's name (u1) into the k INTENTs whose card is known."""
    place = 0
    for i in range(len(intents)):
        intent = intents[i]
        intent.score = np.nan
        if intent.card_row == NO_ROW:
            continue
        for k in range(features.shape[1]):
            intent.features[k] = features[place, k]
        intent.score = scores[place]
        for k in range(len(model)):
            intent.model[k] = model[k]
        place += 1


@njit(cache=True)
def judge(intents: Any, programmes: Any) -> None:
    """Note what each INTENT's score means to its programme. Strictly above a threshold counts."""
    for i in range(len(intents)):
        intent = intents[i]
        request = intent.request
        if intent.card_row == NO_ROW or (CREDITING >> request.transaction_type) & 1:
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
            if request.cardholder_authentication == _MATCH:
                found = _SCORE_FLAGGED
            elif request.entry_mode == _ECOMMERCE and not request.recurring:
                found = _STEP_UP
            elif programme.step_up_else_decline:
                found = _STEP_UP_IMPOSSIBLE
            else:
                found = _SCORE_FLAGGED
        if found >= 0:
            intent.checks_failed |= np.uint64(1) << np.uint64(found)


class Risk:
    """The stage: the features' state, and the model that is champion, if there is one."""

    def __init__(self, model: Model | None) -> None:
        self.features = Features()
        self.model = model
        version = b"" if model is None else model.manifest.version.encode()
        self._model_name = np.frombuffer(bytearray(version), np.uint8)

    def observe(
        self, intents: NDArray[Any], cards: NDArray[Any], programmes: NDArray[Any]
    ) -> NDArray[np.float32]:
        """Features (f4[k, F]) of the k INTENTs whose card is known, in order; the attempts are remembered."""
        attempts = np.empty(len(intents), ATTEMPT)
        count = attempts_of(intents.view(INTENT_NUMBERS), cards, programmes, attempts)
        return self.features.observe(attempts[:count])

    def remember(self, intents: NDArray[Any]) -> None:
        """
        Take in the attempts of INTENT[n] again, as `observe` did.

        What is remembered of an attempt does not depend on the cardholder's home nor on the programme's country: those
        only tell features of the moment. So a journal is enough, without the directory.
        """
        attempts = np.empty(len(intents), ATTEMPT)
        count = attempts_again(intents.view(INTENT_NUMBERS), attempts)
        self.features.observe(attempts[:count])

    def score(self, intents: NDArray[Any], cards: NDArray[Any], programmes: NDArray[Any]) -> None:
        """Write features, score and model version into a batch of INTENT, and note what the score means."""
        features = self.observe(intents, cards, programmes)
        if self.model is not None and len(features):
            scores = self.model.score(features)
        else:
            scores = np.full(len(features), np.nan, np.float32)
        note_scores(intents.view(INTENT_NUMBERS), features, scores, self._model_name)
        judge(intents, programmes)
