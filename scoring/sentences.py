"""What a feature's value means, in a sentence that a cardholder's agent can read out."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from scoring.category import GROUP_NAMES
from scoring.features import FEATURE_NAMES
from scoring.reason_codes import ReasonCode

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_ENTRY_MODES = (
    "not told",
    "typed in",
    "magnetic stripe",
    "chip",
    "contactless",
    "e-commerce",
    "credential on file",
)


# Beyond the logarithm of the largest amount.
_LOG_MAX = 45.0


def sentence(index: int, value: float) -> str:
    """What a feature's value means, in one sentence."""
    _, present, missing = _SENTENCES[FEATURE_NAMES[index]]
    return missing if np.isnan(value) else present(value)


def code(index: int) -> ReasonCode:
    """The reason code of the family that a feature belongs to."""
    return _SENTENCES[FEATURE_NAMES[index]][0]


def _amount(value: float) -> str:
    return f"The amount is {value:,.2f}."


def _flag(yes: str, no: str) -> Callable[[float], str]:
    return lambda value: yes if value else no


def _ratio(where: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        times = f"{value:.2f}" if value < 10 else f"{value:,.0f}"
        return f"The amount is {times} times what this card typically pays{where}."

    return text


def _spread(where: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        side = "above" if value >= 0 else "below"
        return (
            f"The amount lies {abs(value):.1f} standard deviations {side} what this card usually pays{where}."
        )

    return text


def _bounded(log_amount: float) -> float:
    return min(max(log_amount, 0.0), _LOG_MAX)


def _attempts(span: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        tries = "1 attempt" if value == 1 else f"{value:,.0f} attempts"
        return f"The card made {tries} in the {span} before this one."

    return text


def _asked(span: str) -> Callable[[float], str]:
    return lambda value: f"The card's attempts in the {span} before asked for {value:,.2f} together."


def _distance(start: str) -> Callable[[float], str]:
    return lambda value: f"The merchant is {value:,.0f} km from {start}."


def _group(value: float) -> str:
    name = GROUP_NAMES[int(value)] if 0 <= value < len(GROUP_NAMES) else "other"
    return f"The merchant's category belongs to the group {name}."


def _entry_mode(value: float) -> str:
    name = _ENTRY_MODES[int(value)] if 0 <= value < len(_ENTRY_MODES) else "another way"
    return f"The card was read by this entry mode: {name}."


def _since(seconds: float) -> str:
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"The card's last attempt was {seconds / size:,.0f} {unit} before."
    return f"The card's last attempt was {seconds:.0f} seconds before."


_NO_PAST = "The card has too little history to compare the amount with."
_NO_LOCAL_TIME = "The request carries no local time."
_NO_CATEGORY = "The request carries no merchant category."
_ALWAYS = "The value is not known."

# By feature: its family, the sentence of a value, and the sentence where there is none.
_SENTENCES: Final[dict[str, tuple[ReasonCode, Callable[[float], str], str]]] = {
    "amount": (ReasonCode.AMOUNT_UNUSUAL, _amount, _ALWAYS),
    "log_amount": (
        ReasonCode.AMOUNT_UNUSUAL,
        lambda value: f"On a logarithmic scale the amount stands at {value:.2f}.",
        _ALWAYS,
    ),
    "amount_z": (ReasonCode.AMOUNT_UNUSUAL, _spread(""), _NO_PAST),
    "amount_ratio": (ReasonCode.AMOUNT_UNUSUAL, _ratio(""), _NO_PAST),
    "amount_group_ratio": (
        ReasonCode.AMOUNT_UNUSUAL,
        _ratio(" in this category group"),
        "The card never paid in this category group.",
    ),
    "hour": (
        ReasonCode.TIME_UNUSUAL,
        lambda value: f"It is between {value:.0f}:00 and {value:.0f}:59 at the merchant.",
        _NO_LOCAL_TIME,
    ),
    "weekday": (
        ReasonCode.TIME_UNUSUAL,
        lambda value: f"It is {_DAYS[int(value) % 7]} at the merchant.",
        _NO_LOCAL_TIME,
    ),
    "is_weekend": (
        ReasonCode.TIME_UNUSUAL,
        _flag("It is the weekend at the merchant.", "It is a working day at the merchant."),
        _NO_LOCAL_TIME,
    ),
    "is_night": (
        ReasonCode.TIME_UNUSUAL,
        _flag("It is night at the merchant (22:00 to 06:00).", "It is day at the merchant (06:00 to 22:00)."),
        _NO_LOCAL_TIME,
    ),
    "seconds_since_last": (ReasonCode.CARD_ATTEMPTS, _since, "This is the card's first attempt."),
    "attempts_1m": (ReasonCode.CARD_ATTEMPTS, _attempts("minute"), _ALWAYS),
    "attempts_1h": (ReasonCode.CARD_ATTEMPTS, _attempts("hour"), _ALWAYS),
    "attempts_24h": (ReasonCode.CARD_ATTEMPTS, _attempts("24 hours"), _ALWAYS),
    "attempts_7d": (ReasonCode.CARD_ATTEMPTS, _attempts("7 days"), _ALWAYS),
    "amount_1m": (ReasonCode.CARD_SPENDING, _asked("minute"), _ALWAYS),
    "amount_1h": (ReasonCode.CARD_SPENDING, _asked("hour"), _ALWAYS),
    "amount_24h": (ReasonCode.CARD_SPENDING, _asked("24 hours"), _ALWAYS),
    "amount_7d": (ReasonCode.CARD_SPENDING, _asked("7 days"), _ALWAYS),
    "category_group": (ReasonCode.CATEGORY_RISK, _group, _NO_CATEGORY),
    "is_first_in_group": (
        ReasonCode.CATEGORY_NEW,
        _flag(
            "The card never bought in this category group before.",
            "The card has bought in this category group.",
        ),
        _NO_CATEGORY,
    ),
    "is_first_at_merchant": (
        ReasonCode.MERCHANT_NEW,
        _flag("The card was not at this merchant lately.", "The card was at this merchant before."),
        "The request names no merchant.",
    ),
    "is_domestic": (
        ReasonCode.COUNTRY_RISK,
        _flag("The merchant is in the card's home country.", "The merchant is abroad."),
        "The request carries no merchant country.",
    ),
    "distance_home_km": (
        ReasonCode.PLACE_UNUSUAL,
        _distance("the cardholder's home"),
        "The merchant's or the cardholder's place is not known.",
    ),
    "distance_last_km": (
        ReasonCode.PLACE_UNUSUAL,
        _distance("the card's last known place"),
        "There are no two places to compare.",
    ),
    "speed_kmh": (
        ReasonCode.TRAVEL_SPEED,
        lambda value: f"Since its last known place the card would have travelled at {value:,.0f} km/h.",
        "There are no two places to compare.",
    ),
    "entry_mode": (ReasonCode.ENTRY_MODE_RISK, _entry_mode, "The request doesn't say how the card was read."),
    "card_present": (
        ReasonCode.ENTRY_MODE_RISK,
        _flag("The card was present.", "The card was not present."),
        _ALWAYS,
    ),
    "attempts_known": (
        ReasonCode.CARD_HISTORY,
        lambda value: f"The card has a history of {value:,.0f} attempts.",
        _ALWAYS,
    ),
    "night_share": (
        ReasonCode.TIME_UNUSUAL,
        lambda value: f"{100 * value:.0f} % of the card's recent attempts were at night.",
        "The card has no attempt with a local time.",
    ),
    "night_spend": (
        ReasonCode.CARD_SPENDING,
        lambda value: f"By night the card lately asked for {value:,.2f} (older nights count for less).",
        _ALWAYS,
    ),
    "recent_peak": (
        ReasonCode.CARD_SPENDING,
        lambda value: (
            f"The card's largest amount lately was about {math.expm1(_bounded(value)):,.2f} (older ones count for less)."
        ),
        "This is the card's first attempt.",
    ),
    "amount_group_z": (
        ReasonCode.AMOUNT_UNUSUAL,
        _spread(" in this category group"),
        "The card has too little history in this category group.",
    ),
}
