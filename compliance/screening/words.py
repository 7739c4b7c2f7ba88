"""
A name as tokens: transliterated to ASCII, particles and titles apart, each with its sound.

Romanised Arabic loses what its servant-of names begin with (Abd al-Rahman, Abdul Rahman, Abdurrahman: all rahman) and drops articles
(al-, el-); a run of Han characters is taken apart by syllable.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from anyascii import anyascii

TOKENS_MAX: Final = 16
"""More words than this of one name are not looked at: strangers write names."""
NAME_CHARS_MAX: Final = 300

PARTICLES: Final = frozenset(
    """al el as ash at ad an ar az bin ibn ben bint de la del der den das dos da di du van von le les y e of the and for
    und et i ul ur abd abdul abdel abdal abdol""".split()  # noqa: SIM905 - words to be read, not punctuation
)
"""Words that bind names: spelled or left out as one likes."""
TITLES: Final = frozenset(
    """mr mrs ms miss dr prof sir sheikh shaykh shaikh sheik haji hajj hajji hadji maulavi mawlawi mullah mulla
    molla maulana qari general gen colonel col major maj captain capt brigadier lt ayatollah sayyid sayed
    seyed imam""".split()  # noqa: SIM905 - words to be read, not punctuation
)
SUFFIXES: Final = frozenset(
    """ltd limited inc incorporated corp corporation co company llc llp lp plc gmbh ag kg sa sas sarl srl spa bv nv oy ab
    as aps jsc pjsc ojsc cjsc oao ooo zao pao ao fze fzco fzc fz dmcc pte pty pvt private bhd sdn kft doo dooel ead eood
    ood sl cv rl de cia ltda eirl tic sti sanayi ve ticaret sirketi anonim jr sr ii iii iv""".split()  # noqa: SIM905 - words to be read, not punctuation
)
"""Legal forms: they tell nobody from anybody."""
ORDINARY: Final = frozenset(
    """international trading trade trader traders general group holding holdings services service bank banco banque
    enterprise enterprises industries industry industrial import export investment investments shipping marine maritime
    technology technologies engineering construction transport logistics foundation charity organization organisation
    institute institution university center centre national state global world management development systems
    solutions consulting commercial commerce business partners capital finance financial insurance exchange money
    airlines airways aviation air oil gas petroleum petrochemical energy power electric electronics steel metal mining
    chemical pharmaceutical medical health food foods agricultural farm products production factory complex plant
    equipment machinery supply tools design research studies science scientific information network communications
    telecom media news press club hotel travel tours tourism real estate properties property first united new north
    south east west central eastern western northern southern city home house store shop market auto motors parts
    islamic people peoples army front movement party republic ministry office department agency security defense
    american america usa""".split()  # noqa: SIM905 - words to be read, not punctuation
)
"""Words of trades: alone, or among themselves, they name nobody."""
FREQUENT: Final = frozenset(
    """aaron adam adams aguilar alberto alexander alfredo allen alvarez amanda amy ana anderson andrea andres andrew
    angel angela anna anthony antonio armando arturo ashley bailey baker barbara barnes bell benjamin bennett betty
    brandon brenda brian brooks brown bryant butler campbell carlos carmen carol carolyn carter castillo castro
    catherine charles chavez christina christine christopher clark cole coleman collins cook cooper cox cruz cynthia
    daniel david davis deborah debra dennis diane diaz diego donald donna dorothy douglas eduardo edward edwards
    elizabeth ellis emily emma enrique eric evans evelyn felipe fernando fisher flores ford foster francisco frank
    garcia gary george gibson gomez gonzales gonzalez graham gray green gregory griffin guillermo gutierrez hall
    hamilton hannah harris hayes heather helen henderson henry hernandez herrera hill howard hughes hugo jack
    jackson jacob jaime james janet jason javier jeffrey jenkins jennifer jerry jessica jesus jimenez joan john
    johnson jonathan jones jordan jorge jose joseph joshua joyce juan judith julie julio justin karen katherine
    kathleen kelly kenneth kevin kim kimberly king kyle larry laura lauren lee lewis linda lisa long lopez luis
    manuel marco margaret maria mario mark marshall martin martinez mary matthew medina melissa mendoza michael
    michelle miguel miller mitchell moore morales moreno morgan morris murphy murray myers nancy nathan nelson
    nicholas nicole olivia ortiz oscar owens pablo pamela parker patricia patrick patterson paul pedro perez perry
    peter peterson phillips powell price rachel rafael ramirez ramon ramos raul raymond rebecca reed reyes reynolds
    ricardo richard richardson rivera robert roberto roberts robinson rodriguez rogers romero ronald rosa ross ruben
    ruiz russell ruth ryan samantha samuel sanchez sanders sandra sarah scott sergio sharon shirley simmons smith
    sofia stephanie stephen steven stevens stewart sullivan susan taylor teresa thomas thompson timothy torres
    turner tyler vasquez victor victoria virginia walker wallace ward watson west white william williams wilson wood
    wright young zachary""".split()  # noqa: SIM905 - words to be read, not punctuation
)
"""Given and family names of very many people, however few of them are listed: one of them tells little, two as much."""

_SERVANT: Final = re.compile(
    r"\babd(?:[aeou]?l|[aeou]?)? ?[- ]?(?:a[lrnsdtz]h?|e[lrnsdtz]|u[lrnsdtz])?[- ](?=\w{3})"
)
_SERVANT_JOINED: Final = re.compile(r"\babd[aeou](?:l|(?=([rnsdtz])h?\1))(?!l*ah)(?=\w{3})")
_ARTICLE: Final = re.compile(r"\b(?:al|el|ul)[-'](?=\w)")
_APART: Final = re.compile(r"[^a-z0-9]+")
_HAN: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DOTTED: Final = re.compile(r"\b(?:[a-z]\.){2,}(?:[a-z]\b)?")
_SCANNED_CHARS_MIN: Final = 4
_MIXED: Final = re.compile(r"[a-z]+[0-9][a-z0-9]*|[0-9]+[a-z][a-z0-9]*")
_ONE: Final = re.compile(r"(?<=[aeiou])1|1(?=[aeiou])")  # beside a vowel l, else i
_DIGITS: Final = str.maketrans("0123589", "oizesbg")
_VOWELS: Final = str.maketrans("", "", "aeiouy")
_SOUNDS: Final = (
    (re.compile(r"tch|tsch|tsh"), "c"),
    (re.compile(r"sch|sh"), "s"),
    (re.compile(r"(?<!^)mc(?=[a-z])"), "mk"),
    (re.compile(r"dzh|dj|zh"), "j"),
    (re.compile(r"kh|ck|q"), "k"),
    (re.compile(r"c(?=[eiy])"), "s"),
    (re.compile(r"ch"), "c"),
    (re.compile(r"c(?!$)(?=[^h])|c$"), "k"),
    (re.compile(r"ph"), "f"),
    (re.compile(r"([gdtbrlw])h"), r"\1"),
    (re.compile(r"ks|x"), "ks"),
    (re.compile(r"w"), "v"),
    (re.compile(r"oo|ou|u|o"), "u"),
    (re.compile(r"ee|ei|ie|iy|yi|y|e|i"), "i"),
    (re.compile(r"z"), "s"),
    (re.compile(r"(?<=[aiu])h(?=$|[^aiu])"), ""),
    (re.compile(r"(.)\1+"), r"\1"),
)


def tokens_of(name: str) -> list[str]:
    """Lower-case ASCII tokens in their order; titles, articles and possessives are gone, legal forms stay."""
    text = unicodedata.normalize("NFC", name[:NAME_CHARS_MAX])
    if not text.isascii():
        text = "".join(
            anyascii(c) + (" " if unicodedata.category(c) == "Lo" and ord(c) >= 0x2E80 else "") for c in text
        )
        text = _HAN.sub(" ", text) if any(ord(c) >= 0x2E80 for c in name) else text
    text = text.lower().replace("`", "'")
    text = _MIXED.sub(lambda found: _read(found.group()), text)
    text = _DOTTED.sub(lambda found: found.group().replace(".", "") + " ", text)
    text = _SERVANT_JOINED.sub("", _SERVANT.sub(" ", text))
    text = _ARTICLE.sub(" ", text).replace("'", "")
    found = [token for token in _APART.split(text) if token]
    kept = [token for token in found if token not in TITLES]
    return (kept or found)[:TOKENS_MAX]


def _read(word: str) -> str:
    """A word as it was before a scanner took some of its letters for digits."""
    if word == "a1":  # the article
        return "al"
    if sum(map(str.isdigit, word)) * 2 > len(word) or len(word) < _SCANNED_CHARS_MIN:
        return word
    return _ONE.sub("l", word).translate(_DIGITS)


@lru_cache(maxsize=200_000)
def sound_of(token: str) -> str:
    """The token as it sounds: ways of writing one name in Latin letters fall together."""
    for pattern, instead in _SOUNDS:
        token = pattern.sub(instead, token)
    return token


def bones_of(sound: str) -> str:
    """The consonants of a sound, its first letter kept: what is left of a name written without its vowels."""
    return sound[:1].replace("i", "").replace("a", "").replace("u", "") + sound[1:].translate(_VOWELS)
