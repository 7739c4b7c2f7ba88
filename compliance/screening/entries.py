"""An entry of a list, as every layout is brought to it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any


class ListError(Exception):
    """A file that can't be used; the message names it, the line and the reason."""


@dataclass(frozen=True, slots=True)
class Name:
    """A name or alias."""

    text: str
    is_weak: bool = False  # a nickname, or an alias that its list calls weak or low


@dataclass(frozen=True, slots=True)
class Birth:
    """A date of birth: a day, or years from one to another, both included."""

    first_year: int
    last_year: int
    day: str = ""  # ISO 8601; "" = only years are known
    is_circa: bool = False

    @classmethod
    def on(cls, day: date) -> "Birth":
        """Of one day."""
        return cls(day.year, day.year, day.isoformat())


@dataclass(frozen=True, slots=True)
class ListEntry:
    """Somebody or something on a list."""

    id: str  # as the list numbers it
    kind: str  # individual, entity, vessel, aircraft
    programme: str
    names: tuple[Name, ...]  # the primary one first
    births: tuple[Birth, ...] = ()
    countries: tuple[str, ...] = ()  # ISO 3166-1 alpha-2, of nationality, citizenship and address
    identifiers: tuple[str, ...] = ()  # IMO number, call sign, tail number: letters and digits alone

    @property
    def digest(self) -> str:
        """What changes where anything in the entry does."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:16]

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "ListEntry":
        """The entry again, of `asdict`'s document."""
        return cls(
            document["id"],
            document["kind"],
            document["programme"],
            tuple(Name(n["text"], n["is_weak"]) for n in document["names"]),
            tuple(
                Birth(b["first_year"], b["last_year"], b["day"], b["is_circa"]) for b in document["births"]
            ),
            tuple(document["countries"]),
            tuple(document["identifiers"]),
        )


@dataclass(frozen=True, slots=True)
class Edition:
    """A list of one date, whole."""

    list_name: str  # ofac_sdn, ofac_consolidated, un
    list_date: str  # ISO 8601
    entries: tuple[ListEntry, ...]
    alias_count: int = 0
    address_count: int = 0
    orphan_count: int = 0  # aliases and addresses whose entry is not in the list
    files: tuple[str, ...] = ()
    date_is_known: bool = True  # else list_date is when the file was written

    @property
    def name_count(self) -> int:
        """Names and aliases together."""
        return sum(len(entry.names) for entry in self.entries)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """From where a likeness is told, and from where it blocks."""

    hit: float = 0.84  # somebody looks
    match: float = 0.95  # blocks, where what else is known agrees
