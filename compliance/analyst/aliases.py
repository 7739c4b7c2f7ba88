"""
Pseudonyms: what is sent instead of names, accounts and cards, and put back when the answer is here.

One set for one dossier, made from it alone, so that the same dossier gives the same pseudonyms. A text that a stranger
wrote is let through word by word: a name of the record becomes its pseudonym, however it is spelled, a number is not
sent, and of the other words only those that payments are about. A name that the record doesn't know is none of them.
"""

import re
from collections.abc import Sequence
from typing import Final

from compliance.analyst.folding import folded
from compliance.analyst.vocabulary import WORDS
from compliance.analyst.wording import plain
from compliance.facts import Dossier, Movement, Party, PartyRole
from compliance.results import Hit

PURPOSE_LENGTH_MAX: Final = 280
NUMBER: Final = "[number]"
WORD: Final = "[word]"
_ALIAS: Final = re.compile(r"\b(PERSON|COMPANY|MERCHANT|BANK|ACCOUNT|CARD|PARTY|BRANCH|LISTED)_(\d{1,4})\b")
_TOKEN: Final = re.compile(r"[^\W\d_]+|\d+|[.,;:!?()/&-]")
_PART: Final = re.compile(r"[^\W_]+")
_REFERENCE: Final = re.compile(
    r"\b(account|card|customer|entry)s?\b([ :#]*)(\d+)|\b(party:[0-9a-f]{32})\b", re.I
)
_LONG_NUMBER: Final = re.compile(
    r"(?<![\d.,-])(?!\d{4}-\d\d-\d\d\b)\d(?:-?\d){5,}(?!\d|,\d{3}|\.\d)(?!\s*[A-Z]{3}\b)"
)  # no date, no amount
_PART_ANYWHERE: Final = 5  # letters from which on a part of a name is looked for inside words
_COMPANY: Final = frozenset(
    [
        "ag",
        "and",
        "as",
        "association",
        "bank",
        "bv",
        "co",
        "company",
        "corp",
        "corporation",
        "credit",
        "de",
        "del",
        "der",
        "di",
        "dos",
        "du",
        "el",
        "export",
        "for",
        "foundation",
        "gmbh",
        "group",
        "holding",
        "holdings",
        "import",
        "inc",
        "international",
        "jsc",
        "la",
        "le",
        "limited",
        "llc",
        "llp",
        "ltd",
        "mbh",
        "national",
        "nv",
        "of",
        "ojsc",
        "ooo",
        "plc",
        "pte",
        "pty",
        "sa",
        "sarl",
        "services",
        "sons",
        "spa",
        "srl",
        "the",
        "trading",
        "trust",
        "und",
        "union",
        "van",
        "von",
        "y",
    ]
)
"""Parts of names that name nobody; that one of them ends a name tells a company."""


class Aliases:
    """The pseudonyms of one dossier."""

    def __init__(self, dossier: Dossier, hits: Sequence[Hit]) -> None:
        self._real: dict[str, str] = {}  # pseudonym -> what it stands for
        self._by_value: dict[str, str] = {}  # `kind:value` -> pseudonym
        self._counts: dict[str, int] = {}
        self._names: dict[str, str] = {}  # folded name -> pseudonym
        self._parts: dict[str, str] = {}  # folded part of a name -> pseudonym
        subject, customer = dossier.subject, dossier.customer
        self.customer = self._name(_kind_of_name(customer.name, PartyRole.CUSTOMER), customer.name)
        self._by_value[f"customer:{customer.number}"] = self.customer
        for number in (subject.account_number, *customer.accounts):
            self.account(number)
        self.card = (
            self._new("CARD", f"card:{subject.card_number}", f"card {subject.card_number}")
            if subject.card_number is not None
            else ""
        )
        self.parties = tuple(self._party(party) for party in subject.parties)
        for movement in (*dossier.history, *dossier.cash_today, *dossier.network):
            self.account(movement.account_number)
            self.other(movement)
        self.listed = tuple(
            self._new("LISTED", f"listed:{hit.list_name}:{hit.entry_id}", hit.entry_name) for hit in hits
        )
        for hit, alias in zip(hits, self.listed, strict=True):
            self._by_value[f"entry:{hit.entry_id}"] = alias
            for name in (hit.entry_name, hit.matched_name):
                self._know(name, alias)

    @property
    def all(self) -> frozenset[str]:
        """Every pseudonym that was given."""
        return frozenset(self._real)

    def account(self, number: int) -> str:
        """An account's pseudonym."""
        return self._new("ACCOUNT", f"account:{number}", f"account {number}")

    def branch(self, name: str) -> str:
        """A branch's pseudonym."""
        return self._new("BRANCH", f"branch:{name}", f"branch {plain(name, 60)}") if name else ""

    def other(self, movement: Movement) -> str:
        """The pseudonym of a movement's other side; "" where it is not known."""
        return self._other(movement.other)

    def conductor(self, movement: Movement) -> str:
        """The pseudonym of who stood at the counter; "" for the holder."""
        return self._other(movement.conductor)

    def restore(self, text: str) -> str:
        """Puts back what the pseudonyms stand for."""
        return _ALIAS.sub(lambda match: self._real.get(match[0], match[0]), text)

    def of_strangers(self, text: str, length_max: int = PURPOSE_LENGTH_MAX) -> str:
        """What may be sent of a stranger's text."""
        line = plain(text, length_max)
        kept: list[str] = []
        end = 0
        for start, stop, alias in self._found(line):
            kept += _words(line[end:start])
            kept.append(alias)
            end = stop
        kept += _words(line[end:])
        once = [token for place, token in enumerate(kept) if place == 0 or token != kept[place - 1]]
        return re.sub(r" ([.,;:!?)])", r"\1", " ".join(once))

    def of_rules(self, text: str) -> str:
        """What may be sent of a text that rules wrote: amounts, dates and counts stay, references don't."""
        line = plain(text, 600)
        parts: list[str] = []
        end = 0
        for start, stop, alias in self._found(line, whole=True):
            parts += [line[end:start], alias]
            end = stop
        line = "".join((*parts, line[end:]))
        line = _REFERENCE.sub(self._referred, line)
        return _LONG_NUMBER.sub(NUMBER, line)

    def _referred(self, match: re.Match[str]) -> str:
        key = match[4].lower() if match[4] else f"{match[1].lower()}:{match[3]}"
        if match[4] or match[1].lower() == "account":
            return self._other(key)
        return self._by_value.get(key, f"{match[1]}{match[2]}{NUMBER}")

    def _party(self, party: Party) -> str:
        alias = self._name(_kind_of_name(party.name, party.role), party.name or f"the {party.role.value}")
        if party.account:
            self._new("ACCOUNT", f"account:{party.account}", f"account {plain(party.account, 40)}")
            self._know(party.account, self._by_value[f"account:{party.account}"])
        for text in (party.address, party.bank_id):
            self._know(text, alias, parts=False)
        return alias

    def _other(self, value: str) -> str:
        if not value:
            return ""
        if value in self._by_value:
            return self._by_value[value]
        kind, _, rest = value.partition(":")
        if kind == "account":
            return self._new("ACCOUNT", value, f"account {plain(rest, 40)}")
        if kind == "merchant":
            alias = self._new("MERCHANT", value, plain(rest, 60) or "a merchant")
            self._know(rest, alias)
            return alias
        return self._new("PARTY", value, "a party of the record")

    def _name(self, kind: str, name: str) -> str:
        known = self._names.get(folded(name).letters)
        alias = known or self._new(kind, f"name:{name}", plain(name, 150))
        self._know(name, alias)
        return alias

    def _new(self, kind: str, value: str, real: str) -> str:
        if value not in self._by_value:
            self._counts[kind] = self._counts.get(kind, 0) + 1
            alias = f"{kind}_{self._counts[kind]}"
            self._by_value[value] = alias
            self._real[alias] = real
        return self._by_value[value]

    def _know(self, name: str, alias: str, *, parts: bool = True) -> None:
        letters = folded(name).letters
        if len(letters) > 1:
            self._names.setdefault(letters, alias)
        for part in _PART.findall(name) if parts else ():
            seen = folded(part).letters
            if len(seen) > 1 and seen not in _COMPANY:
                self._parts.setdefault(seen, alias)

    def _found(self, line: str, *, whole: bool = False) -> list[tuple[int, int, str]]:
        """Where names of the record stand in a line, not overlapping; whole names alone with `whole`."""
        spans: set[tuple[int, int, str]] = set()
        # What rules wrote is disguised by nobody.
        for seen in (folded(line),) if whole else (folded(line), folded(line, leet=True)):
            for known, anywhere in ((self._names, 8), ({} if whole else self._parts, _PART_ANYWHERE)):
                for name, alias in known.items():
                    at = seen.letters.find(name)
                    while at >= 0:
                        end = at + len(name)
                        if (len(name) >= anywhere and not whole) or seen.is_word(at, end, line):
                            spans.add((seen.places[at], seen.places[end - 1] + 1, alias))
                        at = seen.letters.find(name, at + 1)
        kept: list[tuple[int, int, str]] = []
        for start, stop, alias in sorted(spans, key=lambda span: (span[0], -span[1], span[2])):
            if not kept or start >= kept[-1][1]:
                kept.append((start, stop, alias))
        return kept


def _words(text: str) -> list[str]:
    """Tokens that may be sent: words of payments, signs; numbers and other words by what they are."""
    kept = []
    for token in _TOKEN.findall(text):
        if token.isdecimal():
            kept.append(NUMBER)
        elif not token[0].isalpha():
            kept.append(token)
        else:
            letters = folded(token).letters
            kept.append(letters if letters in WORDS else WORD)
    return kept


def _kind_of_name(name: str, role: PartyRole) -> str:
    if role is PartyRole.BANK:
        return "BANK"
    if role is PartyRole.MERCHANT:
        return "MERCHANT"
    parts = [folded(part).letters for part in _PART.findall(name)]
    return "COMPANY" if parts and (parts[-1] in _COMPANY or parts[0] in _COMPANY) else "PERSON"
