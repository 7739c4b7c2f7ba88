"""Codes of forms 111 and 112, as the schemas' own notes explain them."""

from typing import Final, NamedTuple


class Class(NamedTuple):
    """A kind of suspicious activity: type and what it is called."""

    type: int
    name: str


CLASSES: Final = {
    111: Class(1, "alters or cancels transaction to avoid recordkeeping"),
    112: Class(1, "alters or cancels transaction to avoid a currency report"),
    113: Class(1, "transactions below the recordkeeping threshold"),
    114: Class(1, "transactions below the currency report threshold"),
    305: Class(3, "credit or debit card fraud"),
    312: Class(3, "wire transfer fraud"),
    320: Class(3, "ACH fraud"),
    409: Class(4, "questionable or false identification"),
    701: Class(7, "known or suspected terrorist"),
    804: Class(8, "suspicious designation of beneficiaries"),
    805: Class(8, "suspicious wire transfers"),
    807: Class(8, "suspicious use of multiple accounts"),
    809: Class(8, "suspicious use of third parties"),
    812: Class(8, "out of pattern for the customer"),
    821: Class(8, "suspicious source of funds"),
    824: Class(8, "funnel account"),
    905: Class(9, "identity theft"),
    908: Class(9, "suspected foreign corruption"),
    910: Class(9, "suspicious use of multiple locations"),
    911: Class(9, "two or more working together"),
    920: Class(9, "account takeover"),
    921: Class(9, "elder financial exploitation"),
    925: Class(9, "no apparent economic or lawful purpose"),
    928: Class(9, "foreign high-risk jurisdiction"),
}
"""SuspiciousActivitySubtypeID: those that rules tell apart, or an analyst may choose."""

OTHERWISE: Final = 925
"""The class where nothing says more."""

CLASS_OF_RULE: Final = {
    "structuring": 114,
    "rapid_movement": 812,
    "dormant": 812,
    "unusual": 812,
    "high_rated": OTHERWISE,
    "round_trip": OTHERWISE,
    "cycle": OTHERWISE,
    "fan_in": 824,
    "fan_out": 807,
    "exposed_destination": 928,
    "sanctioned_country": 928,
}
"""Rules whose findings are suspicion, and the class each speaks for."""

PRODUCT: Final = 5
MECHANISM: Final = 6
INSTRUMENTS: Final = {
    5: (PRODUCT, "credit card"),
    6: (PRODUCT, "debit card"),
    46: (PRODUCT, "deposit account"),
    33: (MECHANISM, "funds transfer"),
    39: (MECHANISM, "U.S. currency"),
}
"""AssetSubtypeID: type and name."""

DOCUMENT_CODES: Final = {
    "drivers_license": "5",
    "passport": "6",
    "alien_registration": "7",
    "foreign": "9",
}
"""PartyIdentificationTypeCode of what people show; anything else is 999, named in words."""

REGULATORS: Final = {
    "federal_reserve": "1",
    "fdic": "2",
    "ncua": "3",
    "occ": "4",
}
"""PrimaryRegulatorTypeCode of banks and credit unions."""

DEPOSITORY_INSTITUTION: Final = "2"
"""OrganizationTypeID."""
