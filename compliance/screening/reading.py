"""Files told apart by what is in them: the Treasury's by their columns and ids, the UN's by its root."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from compliance.screening import ofac, un
from compliance.screening.entries import Edition, ListError

_FILE_BYTES_MAX: Final = 200_000_000
_DATED: Final = re.compile(r"(20\d\d)-(\d\d)(?:-(\d\d))?")

_Part = tuple[Path, list[list[str]]]


def read_lists(paths: Sequence[Path], list_date: str = "") -> list[Edition]:
    """
    The lists in these files. Raises ListError.

    `list_date` (ISO 8601) is that of the Treasury's, else it is in a file's or its folder's name, else it is when the file was written.
    """
    found: list[Edition] = []
    parts: dict[int, list[_Part]] = {width: [] for width in ofac.COLUMNS}
    for path in paths:
        content = _content(path)
        if content.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<"):
            found.append(un.edition_of(path.name, content))
            continue
        rows = [row for _, row in ofac.rows_of(path.name, _decoded(content))]
        parts[len(rows[0])].append((path, rows))
    return found + _treasury(parts, list_date)


def _treasury(parts: dict[int, list[_Part]], list_date: str) -> list[Edition]:
    primaries: dict[str, _Part] = {}
    for path, rows in parts[ofac.PRIMARY]:
        name = _list_name(path) or "ofac_sdn"
        if name in primaries:
            raise ListError(
                f"{path.name} and {primaries[name][0].name} are the same list: import one of them"
            )
        primaries[name] = (path, rows)
    beside: dict[str, dict[int, list[_Part]]] = {
        name: {ofac.ALIASES: [], ofac.ADDRESSES: []} for name in primaries
    }
    for width in (ofac.ALIASES, ofac.ADDRESSES):
        for path, rows in parts[width]:
            name = _owner(path, rows, primaries)
            beside[name][width].append((path, rows))
    found: list[Edition] = []
    for name, (path, rows) in primaries.items():
        aliases, addresses = (beside[name][width] for width in (ofac.ALIASES, ofac.ADDRESSES))
        dated = list_date or _date_of(path)
        found.append(
            ofac.edition_of(
                name,
                dated or _written_on(path),
                rows,
                [row for _, more in aliases for row in more],
                [row for _, more in addresses for row in more],
                [part.name for part in (path, *(p for p, _ in aliases), *(p for p, _ in addresses))],
                date_is_known=bool(dated),
            )
        )
    return found


def _owner(path: Path, rows: Sequence[Sequence[str]], primaries: dict[str, _Part]) -> str:
    named = _list_name(path)
    if named in primaries:
        return named
    resolved = {
        name: len({row[0] for row in rows} & {row[0] for row in primary})
        for name, (_, primary) in primaries.items()
    }
    best = max(resolved, key=lambda name: resolved[name], default="")
    if not best or not resolved[best]:
        raise ListError(
            f"{path.name}: {ofac.COLUMNS[len(rows[0])]} of entries that no given file holds: import it together with"
            " its sdn.csv or cons_prim.csv"
        )
    return best


def _list_name(path: Path) -> str:
    stem = path.name.lower()
    if stem.startswith("cons"):
        return "ofac_consolidated"
    return "ofac_sdn" if stem.startswith("sdn") else ""


def _date_of(path: Path) -> str:
    if dated := _DATED.search(path.name) or _DATED.search(path.absolute().parent.name):
        year, month, day = dated.groups()
        return f"{year}-{month}-{day or '01'}"
    return ""


def _written_on(path: Path) -> str:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()


def _content(path: Path) -> bytes:
    try:
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise ListError(f"{path}: more than {_FILE_BYTES_MAX:,} bytes")
        return path.read_bytes()
    except OSError as error:
        raise ListError(f"{path}: {error.strerror}") from error


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")
