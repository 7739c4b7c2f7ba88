"""What scoring and limits see of a request: attempts."""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from scoring.attempt import ATTEMPT, network_digest, terminal_digest
from server.core.record import INTENT_NUMBERS, NO_ROW, blank, seen_as


@njit(cache=True)
def account_of(intent: Any) -> Any:
    """An ATTEMPT's `account`: accounts are numbered from 0, and 0 is none."""
    if intent.card_row == NO_ROW:
        return np.uint32(0)
    return np.uint32(np.int64(intent.account_number) + 1)


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
    attempt.account = account_of(intent)
    attempt.home_latitude_deg = np.nan
    attempt.home_longitude_deg = np.nan
    attempt.home_country = 0
    attempt.category = request.category
    attempt.country = request.country
    attempt.entry_mode = request.entry_mode
    attempt.transaction_type = request.transaction_type
    attempt.card_present = request.card_present


@njit(cache=True)
def fill_attempts(intents: Any, cards: Any, programmes: Any, attempts: Any) -> None:
    """Fill ATTEMPT[n] from INTENT_NUMBERS[n]."""
    for i in range(len(intents)):
        intent, attempt = intents[i], attempts[i]
        fill_attempt(intent, attempt)
        if intent.card_row == NO_ROW:
            continue
        card = cards[intent.card_row]
        attempt.home_latitude_deg = card.home_latitude_deg
        attempt.home_longitude_deg = card.home_longitude_deg
        attempt.home_country = programmes[intent.programme].country


@njit(cache=True)
def fill_attempts_again(intents: Any, attempts: Any) -> None:
    """As `fill_attempts`, from nowhere: without the cardholder's home and the programme's country."""
    for i in range(len(intents)):
        fill_attempt(intents[i], attempts[i])


def attempts_of(intents: NDArray[Any], cards: NDArray[Any], programmes: NDArray[Any]) -> NDArray[Any]:
    """ATTEMPT[n] of INTENT[n], with what the directory has of their cards; an unknown one stays NO_ROW."""
    attempts = blank(len(intents), ATTEMPT)
    fill_attempts(seen_as(intents, INTENT_NUMBERS), cards, programmes, attempts)
    return attempts


def attempts_again(intents: NDArray[Any]) -> NDArray[Any]:
    """
    Likewise from the journal alone.

    What is remembered of an attempt does not depend on the cardholder's home nor on the programme's country: those only
    tell features of the moment. So a journal is enough, without the directory.
    """
    attempts = blank(len(intents), ATTEMPT)
    fill_attempts_again(seen_as(intents, INTENT_NUMBERS), attempts)
    return attempts
