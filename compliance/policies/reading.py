"""Files as works: which reader takes which, and what a work is called."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Final

from compliance.policies.codified import amended, code_sections, is_codified, is_statute, merged
from compliance.policies.edition import DocumentKind, PolicyError, Work
from compliance.policies.markdown import front_matter, headed_sections, title_of
from compliance.policies.register import regulation

SUFFIXES: Final = frozenset({".md", ".markdown", ".txt", ".text", ".xml"})
FILE_BYTES_MAX: Final = 32 << 20
FILES_MAX: Final = 5000


@dataclass(frozen=True, slots=True)
class Told:
    """What somebody says of the files, over what these say themselves; None = as they say."""

    title: str | None = None
    kind: DocumentKind | None = None
    jurisdiction: str | None = None
    effective: date | None = None


def read(paths: Sequence[Path], told: Told | None = None) -> list[Work]:
    """
    The works in these files and folders. Files of one work, as the sections of a code, are one edition of it.

    Raises PolicyError, naming the file, where one can't be read; then nothing was read.
    """
    told = told or Told()
    if not paths:
        raise PolicyError("no path was given")
    works: dict[str, Work] = {}
    for path in _files(paths):
        for work in _works(path, told):
            before = works.get(work.name)
            works[work.name] = work if before is None else _joined(before, work)
    if not works:
        raise PolicyError(f"nothing to import: no text under {', '.join(path.name for path in paths)}")
    if told.title and len(works) > 1:
        raise PolicyError(
            f"title: the paths hold {len(works)} works ({', '.join(list(works)[:3])}); a title is for one"
        )
    return list(works.values())


def _files(paths: Iterable[Path]) -> list[Path]:
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            inside = [one for one in path.rglob("*") if one.suffix.lower() in SUFFIXES and one.is_file()]
            found |= dict.fromkeys(sorted(inside, key=_reading_order))
        elif not path.exists():
            raise PolicyError(f"{path}: there is no such file or folder")
        elif path.suffix.lower() not in SUFFIXES:
            raise PolicyError(
                f"{path.name}: {path.suffix or 'no suffix'} is none of {', '.join(sorted(SUFFIXES))}"
            )
        else:
            found[path] = None
    if len(found) > FILES_MAX:
        raise PolicyError(f"{len(found)} files: at most {FILES_MAX} are imported at once")
    return list(found)


def _reading_order(path: Path) -> list[tuple[int, str]]:
    """Numbers in names count as numbers."""
    return [
        (int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", str(path).lower())
    ]


def _works(path: Path, told: Told) -> list[Work]:
    if path.stat().st_size > FILE_BYTES_MAX:
        raise PolicyError(f"{path.name}: {path.stat().st_size} bytes; at most {FILE_BYTES_MAX} are read")
    if path.suffix.lower() == ".xml":
        return [_as_told(work, told, {}) for work in regulation(path)]
    try:
        text = path.read_text("utf-8-sig").replace("\r\n", "\n").replace("\x00", "")
    except UnicodeDecodeError as error:
        raise PolicyError(f"{path.name}: not UTF-8 text (byte {error.start})") from error
    try:
        stated, text = front_matter(text)
        work = _codified(path, text) if is_codified(text) else _headed(path, text, stated, told)
        work = _as_told(work, told, stated)
    except PolicyError as error:
        raise PolicyError(f"{path.name}: {error}") from error
    return [work] if work.sections else []


def _codified(path: Path, text: str) -> Work:
    if is_statute(text):
        title = re.search(r"^#+\s+Title (\d+)", text, re.MULTILINE)
        chapter = re.search(r"CHAPTER (\w+)\s*—\s*(.*)", text)
        assert title is not None  # as is_statute saw
        name = (
            f"{title.group(1)} U.S.C. Chapter {chapter.group(1)}" if chapter else f"{title.group(1)} U.S.C."
        )
        subject = chapter.group(2).strip().title() if chapter else ""
        code, kind = f"{title.group(1)} U.S.C.", DocumentKind.STATUTE
    else:
        number = re.search(r"(\d+)[_ -]?cfr", path.stem.lower()) or re.search(r"(\d+) CFR", text)
        if number is None:
            raise PolicyError(
                "its sections are of a code whose title is not named: call the file 31_cfr_….md"
            )
        code, kind = f"{number.group(1)} CFR", DocumentKind.REGULATION
        whole = re.search(r"^#+\s+CHAPTER (\w+)\s*—\s*(.*)", text, re.MULTILINE)
        part = re.search(r"^#+\s+PART (\d+)(?:\s*—\s*(.*))?", text, re.MULTILINE | re.IGNORECASE)
        name = (
            f"{code} Chapter {whole.group(1)}"
            if whole
            else f"{code} Part {part.group(1) if part else ''}".strip()
        )
        subject = (whole.group(2) if whole else (part and part.group(2)) or "").title()
    return Work(name, subject or name, kind, "US", amended(text), tuple(code_sections(text, code)))


def _headed(path: Path, text: str, stated: dict[str, str], told: Told) -> Work:
    manual = "ffiec" in str(path).lower()
    title = title_of(text)
    name = stated.get("name") or told.title or stated.get("title")
    if not name:
        name = "FFIEC BSA/AML Manual" if manual else title or path.stem.replace("_", " ").replace("-", " ")
    kind = DocumentKind.MANUAL if manual else DocumentKind.POLICY
    whole = "FFIEC BSA/AML Examination Manual" if manual else stated.get("title") or name
    sections = headed_sections(text, name, marked=path.suffix.lower() in {".md", ".markdown"})
    return Work(name, whole, kind, "US", None, tuple(sections))


def _as_told(work: Work, told: Told, stated: dict[str, str]) -> Work:
    kind = told.kind
    if kind is None and (given := stated.get("kind")):
        if given not in set(DocumentKind):
            raise PolicyError(f"kind: {given!r} is none of {', '.join(DocumentKind)}")
        kind = DocumentKind(given)
    effective = told.effective
    if effective is None and (given := stated.get("effective")):
        try:
            effective = date.fromisoformat(given)
        except ValueError as error:
            raise PolicyError(f"effective: {given!r} is no date like 2025-01-31") from error
    return replace(
        work,
        title=told.title or stated.get("title") or work.title,
        kind=kind or work.kind,
        jurisdiction=told.jurisdiction or stated.get("jurisdiction") or work.jurisdiction,
        effective=effective or work.effective,
    )


def _joined(before: Work, more: Work) -> Work:
    dates = [work.effective for work in (before, more) if work.effective]
    return replace(
        before, sections=tuple(merged(before.sections + more.sections)), effective=max(dates, default=None)
    )
