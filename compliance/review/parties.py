"""Who is who: the same party gives the same key, however it was written; the key tells nothing of it."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from compliance.ports import Seals

_APART: Final = re.compile(r"[\W_]+")


def normal(text: str) -> str:
    """Without case, accents, punctuation and spaces that don't matter."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _APART.sub(" ", kept).strip()


def counterparty_key(seals: Seals, counterparty: Mapping[str, str], bank_id: str) -> bytes | None:
    """Of name, bank and account; None where there is neither a name nor an account."""
    name, account = normal(counterparty.get("name", "")), normal(counterparty.get("account", ""))
    if not name and not account:
        return None
    return seals.party_key(f"counterparty|{name}|{normal(bank_id)}|{account.replace(' ', '')}")


def person_key(seals: Seals, name: str, birth_date: str) -> bytes:
    """Of somebody by name and birth date (ISO 8601, or empty): a holder and a conductor alike."""
    return seals.party_key(f"person|{normal(name)}|{birth_date}")


def conductor_key(seals: Seals, conductor: Mapping[str, Any]) -> bytes | None:
    """Of who stood at the counter for another; None where nobody did."""
    if not any(conductor.values()):
        return None
    if not conductor.get("birth_date") and conductor.get("id_number"):
        by_id = normal(f"{conductor.get('id_country', '')} {conductor['id_number']}")
        return seals.party_key(f"person by id|{by_id}")
    return person_key(seals, conductor.get("name", ""), conductor.get("birth_date", ""))
