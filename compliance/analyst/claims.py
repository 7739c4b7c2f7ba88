"""One claim beside the record: why it is struck, or nothing. Pure."""

import re
from collections.abc import Mapping
from typing import Final

from compliance.analyst.record import MONTHS, Number, Record, bare, dates_in, numbers_in
from compliance.analyst.sections import sections_in

_NOUNS: Final[Mapping[str, str]] = {
    "deposit": "deposit", "withdrawal": "withdrawal", "wire": "wire", "transfer": "transfer", "payment": "payment",
    "transaction": "transaction", "movement": "movement", "account": "account", "branch": "branch",
    "branche": "branch", "country": "country", "countrie": "country", "party": "party", "partie": "party",
    "counterparty": "party", "counterpartie": "party", "hit": "hit", "match": "hit", "matche": "hit",
    "person": "party", "people": "party", "recipient": "party", "sender": "party",
}  # fmt: skip
_COUNT: Final = re.compile(
    rf"(?<![\d,.$])(\d{{1,6}})((?:\s+(?!(?:times|the|of|in|on|to|from|and|with|by|days?|hours?|percent|USD)\b)[a-z-]+){{0,3}}?)\s+({'|'.join(_NOUNS)}|cash)s?\b",
    re.I,
)
_IN_WORDS: Final = {
    word: number
    for number, word in enumerate(
        [
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ],
        2,
    )
}
_WORDED: Final = re.compile(rf"\b({'|'.join(_IN_WORDS)})\b", re.I)
_VAGUE: Final = re.compile(r"\b(?:dozens?|hundreds?|thousands|millions?|billions?)\b", re.I)
_RULE_LIKE: Final = re.compile(
    r"\b(?:threshold|limit|requires?|required|rule|section|regulation|or more|and more|report(?:ing|able)? (?:is|at|above|over|for))",
    re.I,
)
_LAW_TIMES: Final = frozenset({10, 15, 30, 45, 60, 90, 120})
_TIME_UNIT: Final = re.compile(r"\s*(?:calendar |business )?(?:days?|hours?|months?|years?)\b", re.I)
_ALIAS: Final = re.compile(r"\b[A-Z]{2,}_\d+\b")
_REFERENCE: Final = re.compile(r"(?<![\d.,$])\d(?:[ -]?\d){5,}(?![\d.,])")
_CAPITALISED: Final = re.compile(r"\b[A-Z][A-Za-z']*[a-z][A-Za-z']*\b|\b[A-Z]{2,}\b")
_ACTS: Final = re.compile(
    r"\s+(?:sent|paid|received|owns|holds|deposited|withdrew|transferred|moved|wired|instructed|controls)\b"
)
_MARKUP: Final = re.compile(r"https?:|www\.|<[a-z!/]|\]\(|```|\bjavascript:", re.I)
_KNOWN: Final = frozenset(
    (
        *MONTHS,
        *(month[:3] for month in MONTHS),
        *("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"),
        *(
            "sar",
            "ctr",
            "edd",
            "cdd",
            "kyc",
            "aml",
            "bsa",
            "ofac",
            "pep",
            "fincen",
            "us",
            "usd",
            "ach",
            "swift",
            "un",
        ),
        *(
            "i",
            "cfr",
            "usc",
            "federal",
            "reserve",
            "united",
            "states",
            "who",
            "what",
            "when",
            "where",
            "why",
            "how",
        ),
        *(
            "suspicious",
            "activity",
            "currency",
            "transaction",
            "report",
            "bank",
            "secrecy",
            "act",
            "regulation",
        ),
    )
)
_LOWERING: Final = re.compile(
    r"\bno (?:further |additional |more )*(?:action|review|report|filing|duty|duties|escalation|investigation|concern|issue"
    r"|risk|suspicion|need|sar|ctr|edd|due diligence|approval|obligation)"
    r"|\b(?:not|n't|never|neither|without|needn't) (?:\w+ ){0,4}(?:require|necessary|need|suspicious|warrant|report|file|filed"
    r"|filing|escalat|review|investigat|block|concern|oblig|appl)"
    r"|\b(?:clos(?:e|ing) (?:the |this )?(?:case|review|alert)|dismiss|waive|exempt|clear(?:ed)? (?:the|of)|whitelist"
    r"|release|unblock|unfreeze|approve the|ignore|disregard|skip|suppress|delay|postpone|defer|wait until|downgrad"
    r"|lower(?:ed|ing)? the|false positive|low(?:er|est)? risk|risk is low|harmless|legitimate|ordinary|benign|routine"
    r"|innocent|nothing (?:to|is|was|unusual|suspicious)|compliant|safe to|already (?:been )?(?:filed|reviewed|approved|cleared))",
    re.I,
)


def faults_of(text: str, record: Record, *, may_lower: bool) -> str:
    """Why a claim doesn't stand, or "". `may_lower`: nothing is due, so that it may say so."""
    if any(ord(char) > 127 and char.isalpha() for char in text) or _MARKUP.search(text):
        return "it isn't plain English"
    if not may_lower and (found := _LOWERING.search(text)):
        return f"it would lower the scrutiny that the rules ask for: “{found[0]}”"
    for fault in (
        _aliases(text, record),
        _sections(text, record),
        _numbers(text, record),
        _names(text, record),
    ):
        if fault:
            return fault
    return ""


def _aliases(text: str, record: Record) -> str:
    unknown = [alias for alias in _ALIAS.findall(text) if alias not in record.aliases]
    return f"{unknown[0]} is nobody in the record" if unknown else ""


def _sections(text: str, record: Record) -> str:
    unknown = [section for section in sections_in(text) if section not in record.sections]
    if unknown:
        return f"{unknown[0]} was not given"
    passages = [cited for cited in re.findall(r"\bP\d{1,3}\b", text) if cited not in record.passages]
    return f"passage {passages[0]} was not given" if passages else ""


def _numbers(text: str, record: Record) -> str:
    dates, rest = dates_in(bare(text))
    unknown = [day for day in dates if day not in record.dates]
    if unknown:
        return f"the date {unknown[0]} is not in the record"
    reference = _REFERENCE.search(rest)
    if reference and not _is_known(reference[0], record):
        return "it names a number that is no amount of the record"
    rest = _WORDED.sub(lambda match: str(_IN_WORDS[match[1].lower()]), rest)
    if found := _VAGUE.search(rest):
        return f"“{found[0]}” can't be compared with the record"
    for match in _COUNT.finditer(rest):
        noun = _NOUNS.get(match[3].lower(), match[3].lower())
        if int(match[1]) not in record.counts.get(noun, frozenset()):
            return f"the record has no {match[1]} of what it counts ({match[3].lower()})"
    numbers = numbers_in(rest)
    for number in numbers:
        if fault := _number(number, rest, record):
            return fault
    return _together(text, dates, numbers, record)


def _number(number: Number, text: str, record: Record) -> str:
    value = number.value
    shown = text[number.start : number.end].strip()
    if number.currency and value in record.numbers:
        priced = {currency for amount, currency in record.priced if amount == value}
        return (
            "" if not priced or number.currency in priced else f"{shown} is in another currency in the record"
        )
    if value in record.numbers and (value >= 100 or value != int(value)):
        return ""
    if value in record.limits and _RULE_LIKE.search(text):
        return ""
    if not number.currency and value < 100:
        if value in record.numbers or value == 1:
            return ""
        counted = frozenset().union(*record.counts.values())
        if value in counted or (value in _LAW_TIMES and _TIME_UNIT.match(text, number.end)):
            return ""
    if not number.currency and value in _LAW_TIMES and _TIME_UNIT.match(text, number.end):
        return ""
    return f"{shown} is no amount of the record"


def _together(text: str, dates: list[str], numbers: list[Number], record: Record) -> str:
    """One amount with one date, or one account, must stand together in the record too."""
    amounts = {n.value for n in numbers if n.value >= 100 and n.value in record.numbers}
    accounts = {alias for alias in _ALIAS.findall(text) if alias.startswith("ACCOUNT_")}
    if len(amounts) != 1:
        return ""
    amount = next(iter(amounts))
    if len(set(dates)) == 1 and not any(
        amount in line.amounts and dates[0] in line.dates for line in record.lines
    ):
        return "the record doesn't have that amount on that date"
    if len(accounts) == 1 and not any(
        amount in line.amounts and accounts <= line.aliases for line in record.lines
    ):
        return "the record doesn't have that amount on that account"
    return ""


def _is_known(reference: str, record: Record) -> bool:
    digits = re.sub(r"\D", "", reference)
    return any(str(int(value)) == digits for value in record.numbers)


def _names(text: str, record: Record) -> str:
    for match in _CAPITALISED.finditer(_ALIAS.sub(" ", text)):
        word = match[0]
        low = word.lower().removesuffix("'s")
        if low in _KNOWN or (low in record.words and not (word.isupper() and len(word) == 2)):
            continue
        if word.isupper() and word in record.capitals:
            continue
        starts = _starts_sentence(_ALIAS.sub(" ", text), match.start())
        if starts and not word.isupper() and not _acts(_ALIAS.sub(" ", text), match.end(), record):
            continue
        return f"“{word}” is nobody and nothing in the record"
    return ""


def _starts_sentence(text: str, at: int) -> bool:
    before = text[:at].rstrip()
    return not before or before[-1] in ".:;!?"


def _acts(text: str, end: int, record: Record) -> bool:
    """Whether what follows a word makes it a name: another unknown name, or an act of somebody's."""
    following = re.match(r"\s+([A-Z][a-z']+)", text[end:])
    if following and following[1].lower() not in record.words | _KNOWN:
        return True
    return bool(_ACTS.match(text, end))
