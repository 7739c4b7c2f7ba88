"""ISO code tables as dictionaries: alpha codes of the wire to the numbers of the record, and back."""

from functools import lru_cache

import pycountry


@lru_cache(maxsize=1)
def currency_numbers() -> dict[str, int]:
    """ISO 4217 alpha-3 → number."""
    return {entry.alpha_3: int(entry.numeric) for entry in pycountry.currencies}


@lru_cache(maxsize=1)
def currency_letters() -> dict[int, str]:
    """ISO 4217 number → alpha-3."""
    return {number: letters for letters, number in currency_numbers().items()}


@lru_cache(maxsize=1)
def country_numbers() -> dict[str, int]:
    """ISO 3166-1 alpha-2 → number."""
    return {entry.alpha_2: int(entry.numeric) for entry in pycountry.countries}


@lru_cache(maxsize=1)
def country_letters() -> dict[int, str]:
    """ISO 3166-1 number → alpha-2."""
    return {number: letters for letters, number in country_numbers().items()}
