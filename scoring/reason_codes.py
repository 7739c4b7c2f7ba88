"""
Reason codes: a short word for machines for each family of features, with a sentence for people.

A decline by score carries the codes of the families that pushed it up most. A code's number is written to
journals, so that it never changes and is never given again; new codes are appended.
"""

from enum import IntEnum
from typing import Final


class ReasonCode(IntEnum):
    """What a score was pushed up by; 0 stands for no reason, where there are fewer than there is room for."""

    AMOUNT_UNUSUAL = 1
    TIME_UNUSUAL = 2
    CARD_ATTEMPTS = 3
    CARD_SPENDING = 4
    CARD_HISTORY = 5
    CARD_RISK = 6
    ACCOUNT_ATTEMPTS = 7
    CATEGORY_RISK = 8
    CATEGORY_NEW = 9
    MERCHANT_NEW = 10
    MERCHANT_RISK = 11
    MERCHANT_ATTEMPTS = 12
    TERMINAL_RISK = 13
    COUNTRY_RISK = 14
    COUNTRY_NEW = 15
    PLACE_UNUSUAL = 16
    TRAVEL_SPEED = 17
    ENTRY_MODE_RISK = 18
    DEVICE_NEW = 19
    DEVICE_SHARED = 20
    NETWORK_NEW = 21
    NETWORK_SHARED = 22
    ANOMALY = 23


REASON_TEXTS: Final[dict[ReasonCode, str]] = {
    ReasonCode.AMOUNT_UNUSUAL: "The amount, beside what this card usually pays.",
    ReasonCode.TIME_UNUSUAL: "The hour or the day at the merchant.",
    ReasonCode.CARD_ATTEMPTS: "How many attempts the card made lately, and how quickly.",
    ReasonCode.CARD_SPENDING: "How much the card's latest attempts asked for.",
    ReasonCode.CARD_HISTORY: "How little is known of the card.",
    ReasonCode.CARD_RISK: "Fraud was confirmed on this card.",
    ReasonCode.ACCOUNT_ATTEMPTS: "What the account's cards attempted lately.",
    ReasonCode.CATEGORY_RISK: "The merchant's category.",
    ReasonCode.CATEGORY_NEW: "Categories in which the card did not buy before.",
    ReasonCode.MERCHANT_NEW: "Merchants at which the card was not before.",
    ReasonCode.MERCHANT_RISK: "Fraud was confirmed at this merchant.",
    ReasonCode.MERCHANT_ATTEMPTS: "How many attempts and cards this merchant saw lately.",
    ReasonCode.TERMINAL_RISK: "Fraud was confirmed at this terminal.",
    ReasonCode.COUNTRY_RISK: "The merchant's country.",
    ReasonCode.COUNTRY_NEW: "Countries in which the card was not before.",
    ReasonCode.PLACE_UNUSUAL: "How far the merchant lies from the cardholder's usual places.",
    ReasonCode.TRAVEL_SPEED: "How fast the card would have travelled since its last attempt.",
    ReasonCode.ENTRY_MODE_RISK: "The way the card was read.",
    ReasonCode.DEVICE_NEW: "The device is new to the card.",
    ReasonCode.DEVICE_SHARED: "How many attempts and cards the device saw lately.",
    ReasonCode.NETWORK_NEW: "The IP address is new to the card.",
    ReasonCode.NETWORK_SHARED: "How many attempts and cards the IP address saw lately.",
    ReasonCode.ANOMALY: "Attempts like this one are rare.",
}
