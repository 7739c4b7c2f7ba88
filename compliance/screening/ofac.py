"""
The Treasury's files: sdn or cons_prim (12 columns), alt (5), add (6).

No header, `-0-` for null, Latin-1 or UTF-8, and a 0x1A after the last line. Source: OFAC, "SDN data formats"
(dat_spec.txt).
"""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Final

from compliance.screening.entries import Birth, Edition, ListEntry, ListError, Name
from compliance.screening.places import countries_of

PRIMARY: Final = 12
ALIASES: Final = 5
ADDRESSES: Final = 6
COLUMNS: Final = {PRIMARY: "names", ALIASES: "aliases", ADDRESSES: "addresses"}
_FIELD_CHARS_MAX: Final = 100_000
_KINDS: Final = frozenset({"individual", "vessel", "aircraft"})
_BIRTH: Final = re.compile(r"\bDOB ([^;]+?)(?=;|\.?$|\. )")
_WEAK: Final = re.compile(r"a\.k\.a\. '([^']+)'")
_OTHER: Final = re.compile(r'(?:f\.k\.a\.|n\.k\.a\.) (?:\'([^\']+)\'|"([^"]+)")')
_NATION: Final = re.compile(r"\b(?:nationality|citizen) ([A-Z][^;.]+)")
_IMO: Final = re.compile(r"\bIMO (\d{7})\b")
_YEAR: Final = re.compile(r"\b(1[89]\d\d|20\d\d)\b")
_DAY: Final = re.compile(r"^\d{2} [A-Z][a-z]{2} \d{4}$")

Row = Sequence[str]


def rows_of(name: str, text: str) -> list[tuple[int, list[str]]]:
    """Lines with their numbers, nulls as "". Raises ListError for one whose columns aren't those of the first."""
    reader = csv.reader(io.StringIO(text.rstrip("\x1a\r\n ")), strict=True)
    found: list[tuple[int, list[str]]] = []
    csv.field_size_limit(_FIELD_CHARS_MAX)
    try:
        for row in reader:
            if not row:
                continue
            if len(row) not in COLUMNS or (found and len(row) != len(found[0][1])):
                raise ListError(
                    f"{name}, line {reader.line_num}: {len(row)} columns, where OFAC's files have 12 (names), 5 (aliases) or 6"
                    " (addresses): cut short, or another file"
                )
            if not row[0].strip().isdigit():
                raise ListError(f"{name}, line {reader.line_num}: {row[0][:20]!r} is no entry number")
            found.append((reader.line_num, ["" if v.strip() == "-0-" else v.strip() for v in row]))
    except csv.Error as error:
        raise ListError(f"{name}, line {reader.line_num}: {error}: cut short, or another file") from error
    if not found:
        raise ListError(f"{name}: holds no lines")
    return found


def edition_of(
    list_name: str,
    list_date: str,
    primary: Sequence[Row],
    aliases: Sequence[Row],
    addresses: Sequence[Row],
    files: Sequence[str],
    *,
    date_is_known: bool = True,
) -> Edition:
    """The list of a primary file and its aliases and addresses; what resolves to no entry is counted."""
    known = {row[0] for row in primary}
    other: dict[str, list[Name]] = defaultdict(list)
    places: dict[str, list[str]] = defaultdict(list)
    for row in aliases:
        other[row[0]].append(Name(row[3], row[2].startswith("weak") or "weak" in row[4].lower()))
    for row in addresses:
        places[row[0]].append(row[4])
    return Edition(
        list_name,
        list_date,
        tuple(_entry(row, other[row[0]], places[row[0]]) for row in primary),
        len(aliases),
        len(addresses),
        sum(row[0] not in known for row in (*aliases, *addresses)),
        tuple(files),
        date_is_known,
    )


def _entry(row: Row, aliases: Sequence[Name], places: Sequence[str]) -> ListEntry:
    kind = row[2].lower() if row[2].lower() in _KINDS else "entity"
    remarks = row[11]
    names = [
        Name(row[1]),
        *aliases,
        *(Name(text, is_weak=True) for text in _WEAK.findall(remarks)),
        *(Name(a or b) for a, b in _OTHER.findall(remarks)),
    ]
    identifiers = [row[5], *_IMO.findall(remarks)]
    if kind == "aircraft":
        identifiers.append(row[1])
    return ListEntry(
        row[0],
        kind,
        row[3],
        tuple(_once(name for name in names if name.text)),
        tuple(birth for text in _BIRTH.findall(remarks) for birth in births_of(text)),
        countries_of([*places, *_NATION.findall(remarks), row[9]]),
        tuple(re.sub(r"[^A-Z0-9]", "", text.upper()) for text in identifiers if text),
    )


def _once(names: Iterator[Name]) -> Iterator[Name]:
    seen = set()
    for name in names:
        if name.text.casefold() not in seen:
            seen.add(name.text.casefold())
            yield name


def births_of(text: str) -> Iterator[Birth]:
    """Of `03 May 1938`, `May 1938`, `1938`, `circa 1938`, `1936 to 1938`, as OFAC writes them."""
    years = [int(year) for year in _YEAR.findall(text)]
    if not years:
        return
    if _DAY.match(text):
        try:
            day: date = datetime.strptime(text, "%d %b %Y").replace(tzinfo=UTC).date()
        except ValueError:
            pass  # such as 31 Feb: only its year is known
        else:
            yield Birth.on(day)
            return
    yield Birth(min(years), max(years), is_circa="circa" in text)
