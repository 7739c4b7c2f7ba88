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


def _ratio(value: float) -> str:
    times = f"{value:.2f}" if value < 10 else f"{value:,.0f}"
    return f"The amount is {times} times what this card typically pays."


def _peak(value: float) -> str:
    if value == 0:
        return "In the 14 days before the card asked for no amount far above what it typically pays."
    return f"In the 14 days before the card asked for {value:,.1f} times what it typically pays."


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
    return lambda value: f"The card's attempts in the {span} before asked for {value / 100:,.2f} together."


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


def _counted(who: str, what: str, when: str, ends: tuple[str, str] = ("", "s")) -> Callable[[float], str]:
    return lambda value: f"{who} {value:,.0f} {what}{ends[0] if value == 1 else ends[1]} {when}."


def _days(text: str) -> Callable[[float], str]:
    return lambda value: text.format(f"{value:,.1f} days")


def _rate(where: str) -> Callable[[float], str]:
    return lambda value: f"Of the attempts at {where}, {100 * value:.2f} % turned out to be fraud."


def _top(when: str) -> Callable[[float], str]:
    return lambda value: f"The card's largest amount {when} was {math.expm1(_bounded(value)):,.2f}."


def _kind_spread(which: str, when: str) -> Callable[[float], str]:
    def text(value: float) -> str:
        side = "above" if value >= 0 else "below"
        return f"The card's {which} amount {when} lay {abs(value):.1f} standard deviations {side} what such merchants see."

    return text


def _times(nats: float) -> str:
    times = math.exp(min(max(nats, -_LOG_MAX), _LOG_MAX))
    return f"{times:,.2f} times" if times < 10 else f"{times:,.0f} times"


_COUNTRY_RISKS = (
    "The merchant's country is on no list of the FATF.",
    "The FATF monitors the merchant's country more closely.",
    "The FATF calls for action against the merchant's country.",
)
_NO_MERCHANT = "The request names no merchant."
_NO_TERMINAL = "The request names no terminal."
_NO_TERMINAL_FRAUD = "No fraud is known that only this terminal would explain."
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
    "amount_ratio": (ReasonCode.AMOUNT_UNUSUAL, _ratio, _NO_PAST),
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
    "amount_1h": (ReasonCode.CARD_SPENDING, _asked("hour"), _ALWAYS),
    "amount_24h": (ReasonCode.CARD_SPENDING, _asked("24 hours"), _ALWAYS),
    "amount_7d": (ReasonCode.CARD_SPENDING, _asked("7 days"), _ALWAYS),
    "category_group": (ReasonCode.CATEGORY_RISK, _group, _NO_CATEGORY),
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
    "amount_group_z": (
        ReasonCode.AMOUNT_UNUSUAL,
        _spread(" in this category group"),
        "The card has too little history in this category group.",
    ),
    "peak_ratio_14d": (ReasonCode.CARD_SPENDING, _peak, _NO_PAST),
    "hour_share": (
        ReasonCode.TIME_UNUSUAL,
        lambda value: f"{100 * value:.0f} % of the card's attempts were at about this hour.",
        "The card has no attempt with a local time.",
    ),
    "attempts_30d": (ReasonCode.CARD_ATTEMPTS, _attempts("30 days"), _ALWAYS),
    "amount_30d": (ReasonCode.CARD_SPENDING, _asked("30 days"), _ALWAYS),
    "today_attempts": (
        ReasonCode.CARD_ATTEMPTS,
        _counted("The card made", "attempt", "earlier today"),
        _NO_LOCAL_TIME,
    ),
    "today_top": (ReasonCode.CARD_SPENDING, _top("earlier today"), "The card made no attempt earlier today."),
    "today_z_high": (
        ReasonCode.CARD_SPENDING,
        _kind_spread("highest", "earlier today"),
        "The card made no attempt earlier today.",
    ),
    "today_z_low": (
        ReasonCode.CARD_SPENDING,
        _kind_spread("lowest", "earlier today"),
        "The card made no attempt earlier today.",
    ),
    "yesterday_attempts": (
        ReasonCode.CARD_ATTEMPTS,
        _counted("The card made", "attempt", "the day before"),
        _NO_LOCAL_TIME,
    ),
    "yesterday_top": (
        ReasonCode.CARD_SPENDING,
        _top("the day before"),
        "The card made no attempt the day before.",
    ),
    "yesterday_z_high": (
        ReasonCode.CARD_SPENDING,
        _kind_spread("highest", "the day before"),
        "The card made no attempt the day before.",
    ),
    "merchants_24h": (
        ReasonCode.MERCHANT_NEW,
        _counted("The card was at", "merchant", "in the 24 hours before"),
        _ALWAYS,
    ),
    "countries_24h": (
        ReasonCode.COUNTRY_NEW,
        _counted("The card was used in", "countr", "in the 24 hours before", ("y", "ies")),
        _ALWAYS,
    ),
    "category_share": (
        ReasonCode.CATEGORY_NEW,
        lambda value: f"{100 * value:.0f} % of the card's attempts were in this category group.",
        _NO_CATEGORY,
    ),
    "is_first_in_category": (
        ReasonCode.CATEGORY_NEW,
        _flag("The card was not used in this category lately.", "The card was used in this category before."),
        _NO_CATEGORY,
    ),
    "is_first_in_country": (
        ReasonCode.COUNTRY_NEW,
        _flag("The card was not used in this country lately.", "The card was used in this country before."),
        "The request carries no merchant country.",
    ),
    "merchant_fraud_rate": (ReasonCode.MERCHANT_RISK, _rate("this merchant"), _NO_MERCHANT),
    "merchant_fraud_days": (
        ReasonCode.MERCHANT_RISK,
        _days("The last known fraud at this merchant lies {} back."),
        "No fraud is known at this merchant.",
    ),
    "merchant_attempts_1h": (
        ReasonCode.MERCHANT_ATTEMPTS,
        _counted("The merchant saw", "attempt", "in the hour before"),
        _NO_MERCHANT,
    ),
    "merchant_cards_24h": (
        ReasonCode.MERCHANT_ATTEMPTS,
        _counted("The merchant saw", "different card", "in the 24 hours before"),
        _NO_MERCHANT,
    ),
    "terminal_fraud_rate": (ReasonCode.TERMINAL_RISK, _rate("this terminal"), _NO_TERMINAL),
    "terminal_fraud_days": (
        ReasonCode.TERMINAL_RISK,
        _days("The last known fraud at this terminal lies {} back."),
        "No fraud is known at this terminal.",
    ),
    "terminal_spell_days": (
        ReasonCode.TERMINAL_RISK,
        _days("Frauds that nothing but the terminal explains began {} ago."),
        _NO_TERMINAL_FRAUD,
    ),
    "terminal_spell_share": (
        ReasonCode.TERMINAL_RISK,
        lambda value: (
            f"Since they began, {100 * value:.0f} % of the terminal's attempts were fraud, as far as is known."
        ),
        _NO_TERMINAL_FRAUD,
    ),
    "terminal_genuine_since": (
        ReasonCode.TERMINAL_RISK,
        _counted("The terminal saw", "genuine attempt", "since its last known fraud", ("", "s")),
        _NO_TERMINAL_FRAUD,
    ),
    "card_fraud_days": (
        ReasonCode.CARD_RISK,
        _days("The card's last attempt that is known to be fraud lies {} back."),
        "No fraud is known of this card.",
    ),
    "country_risk": (
        ReasonCode.COUNTRY_RISK,
        lambda value: _COUNTRY_RISKS[min(max(int(value), 0), 2)],
        "The request carries no merchant country.",
    ),
    "distance_usual_km": (
        ReasonCode.PLACE_UNUSUAL,
        _distance("the card's usual places"),
        "There are no two places to compare.",
    ),
    "is_new_device": (
        ReasonCode.DEVICE_NEW,
        _flag("The card was not used from this device lately.", "The card was used from this device before."),
        "The request names no device.",
    ),
    "device_cards_31d": (
        ReasonCode.DEVICE_SHARED,
        _counted("The device saw", "different card", "in the 31 days before"),
        "The request names no device.",
    ),
    "is_new_ip": (
        ReasonCode.NETWORK_NEW,
        _flag(
            "The card was not used from this network address lately.",
            "The card was used from this network address before.",
        ),
        "The request carries no network address.",
    ),
    "ip_cards_24h": (
        ReasonCode.NETWORK_SHARED,
        _counted("The network address saw", "different card", "in the 24 hours before"),
        "The request carries no network address.",
    ),
    "account_attempts_24h": (
        ReasonCode.ACCOUNT_ATTEMPTS,
        _counted("The account's cards made", "attempt", "in the 24 hours before"),
        "The account is not known.",
    ),
    "suspicion": (
        ReasonCode.ANOMALY,
        lambda value: (
            f"Among known frauds, attempts like this one are {_times(value)} as frequent as among all attempts."
        ),
        "Too few frauds are known to compare with.",
    ),
    "suspicion_1d": (
        ReasonCode.CARD_SPENDING,
        lambda value: (
            f"The card's attempts of the last day together look {_times(value)} as likely among frauds."
        ),
        "This is the card's first attempt.",
    ),
    "anomaly": (
        ReasonCode.ANOMALY,
        lambda value: f"One in about {math.exp(_bounded(value)):,.0f} attempts is like this one.",
        _ALWAYS,
    ),
}
