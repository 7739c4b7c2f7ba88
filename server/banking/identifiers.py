"""Routing numbers, IBANs and BICs: whether they can be ones. Their banks are not asked."""

import re
from typing import Final

_ROUTING: Final = re.compile(r"\d{9}", re.ASCII)
_BIC: Final = re.compile(r"[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?", re.ASCII)
_IBAN: Final = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{1,30}", re.ASCII)
_WEIGHTS: Final = (3, 7, 1, 3, 7, 1, 3, 7, 1)

# How long an IBAN is, by country. Source: SWIFT IBAN Registry.
_LENGTHS: Final = {
    line[:2]: int(line[2:])
    for line in [
        "AD24",
        "AE23",
        "AL28",
        "AT20",
        "AZ28",
        "BA20",
        "BE16",
        "BG22",
        "BH22",
        "BR29",
        "BY28",
        "CH21",
        "CR22",
        "CY28",
        "CZ24",
        "DE22",
        "DK18",
        "DO28",
        "EE20",
        "EG29",
        "ES24",
        "FI18",
        "FO18",
        "FR27",
        "GB22",
        "GE22",
        "GI23",
        "GL18",
        "GR27",
        "GT28",
        "HR21",
        "HU28",
        "IE22",
        "IL23",
        "IQ23",
        "IS26",
        "IT27",
        "JO30",
        "KW30",
        "KZ20",
        "LB28",
        "LC32",
        "LI21",
        "LT20",
        "LU20",
        "LV21",
        "LY25",
        "MC27",
        "MD24",
        "ME22",
        "MK19",
        "MR27",
        "MT31",
        "MU30",
        "NL18",
        "NO15",
        "PK24",
        "PL28",
        "PS29",
        "PT25",
        "QA29",
        "RO24",
        "RS22",
        "SA24",
        "SC31",
        "SE24",
        "SI19",
        "SK24",
        "SM27",
        "ST25",
        "SV28",
        "TL23",
        "TN24",
        "TR26",
        "UA29",
        "VA22",
        "VG24",
        "XK20",
    ]
}


def is_routing_number(text: str) -> bool:
    """
    Nine digits of which the weighted sum, 3 7 1 repeated, is a multiple of ten, and which are not all zero.

    Source: American Bankers Association, Key to Routing Numbers; Nacha Operating Rules, appendix three.
    """
    if not _ROUTING.fullmatch(text) or text == "000000000":
        return False
    return sum(weight * int(digit) for weight, digit in zip(_WEIGHTS, text, strict=True)) % 10 == 0


def is_bic(text: str) -> bool:
    """Eight or eleven characters: business party prefix, country, suffix, branch (ISO 9362)."""
    return _BIC.fullmatch(text) is not None


def has_ibans(country: str) -> bool:
    """Whether accounts in this country (ISO 3166-1 alpha-2) are named by IBANs."""
    return country in _LENGTHS


def is_iban(text: str) -> bool:
    """
    The length of its country, and a remainder of 1 by 97 (ISO 13616-1; ISO/IEC 7064, MOD 97-10).

    As machines write it: capital letters, no spaces.
    """
    if not _IBAN.fullmatch(text) or len(text) != _LENGTHS.get(text[:2], 0):
        return False
    turned = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in turned)) % 97 == 1
