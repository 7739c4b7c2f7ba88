"""
The models there are: folders named by version, and the states a version goes through.

A version's folder never changes once it is registered: `digest` is taken of everything in it, kept apart from it, and
compared before it is loaded.

    candidate ── shadow ──► shadow ── promote ──► champion ── replace, roll back ──► retired

and beside that line: candidate ── begin ──► champion; retired ── return ──► champion, retired ── shadow ──► shadow;
candidate, shadow ── retire ──► retired; shadow ── challenge ──► shadow. What causes each:

    shadow      somebody wants to see its scores; it decides nothing
    challenge   two people let a shadow decide for a share of the cards, or one ends that
    promote     two people make it the champion: it decides
    begin       an installation without a champion takes the model that came with it
    replace     another one was promoted
    roll back   somebody, or its floor, took it away
    return      it takes over again from the one that was rolled back
    retire      nobody wants it any more
"""

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Final

from scoring.manifest import MANIFEST_FILE, Manifest, ModelError, read_model
from scoring.model import Model

VERSION_MAX: Final = 24
"""Bytes of a version's name, as decisions keep it."""

_VERSION: Final = re.compile(rf"[\w-][\w.-]{{0,{VERSION_MAX - 1}}}", re.ASCII)

SHARE_MAX: Final = 10_000
"""A challenger's share of the cards is counted in ten thousandths."""

SHADOWS_MAX: Final = 4
"""Versions that may be shadow at once: each of them scores all traffic."""


class State(StrEnum):
    """What a version is for."""

    CANDIDATE = "candidate"
    SHADOW = "shadow"
    CHAMPION = "champion"
    RETIRED = "retired"


class Action(StrEnum):
    """What moves a version from state to state."""

    SHADOW = "shadow"
    CHALLENGE = "challenge"
    PROMOTE = "promote"
    BEGIN = "begin"
    REPLACE = "replace"
    ROLL_BACK = "roll back"
    RETURN = "return"
    RETIRE = "retire"


TRANSITIONS: Final[Mapping[tuple[State, Action], State]] = MappingProxyType(
    {
        (State.CANDIDATE, Action.SHADOW): State.SHADOW,
        (State.CANDIDATE, Action.BEGIN): State.CHAMPION,
        (State.CANDIDATE, Action.RETIRE): State.RETIRED,
        (State.SHADOW, Action.CHALLENGE): State.SHADOW,
        (State.SHADOW, Action.PROMOTE): State.CHAMPION,
        (State.SHADOW, Action.RETIRE): State.RETIRED,
        (State.CHAMPION, Action.REPLACE): State.RETIRED,
        (State.CHAMPION, Action.ROLL_BACK): State.RETIRED,
        (State.RETIRED, Action.RETURN): State.CHAMPION,
        (State.RETIRED, Action.SHADOW): State.SHADOW,
    }
)
"""Every move there is."""

NEEDS_TWO: Final = frozenset({Action.CHALLENGE, Action.PROMOTE})
"""Moves that one person proposes and another approves: they let a model decide."""


class RegistryError(ValueError):
    """What was asked of the registry can't be; the text says why and what to do."""


def after(version: str, state: State, action: Action) -> State:
    """The state that an action leads to. Raises RegistryError where it leads nowhere from here."""
    found = TRANSITIONS.get((state, action))
    if found is None:
        allowed = sorted(now for now, move in TRANSITIONS if move == action)
        raise RegistryError(f"{version} is {state}: {action} is for what is {' or '.join(allowed)}")
    return found


def versions(root: Path) -> list[str]:
    """The versions under a folder, oldest first: names begin with the day of training."""
    return sorted(path.parent.name for path in root.glob(f"*/{MANIFEST_FILE}") if path.parent.name[0] != ".")


def shipped() -> Path:
    """The folder of the model that comes with the package. Raises ModelError where it was removed."""
    root = Path(__file__).parent / "models"
    found = versions(root)
    if not found:
        raise ModelError("no model comes with this installation: train one with `holdfast train`")
    return root / found[-1]


def digest(folder: Path) -> str:
    """
    SHA-256, hexadecimal, of the names and contents of a version's files. Raises ModelError where they can't be read.

    The manifest vouches for the trees; this, kept elsewhere, vouches for the manifest too.
    """
    whole = hashlib.sha256()
    try:
        for path in sorted(path for path in folder.iterdir() if path.is_file()):
            whole.update(f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    except OSError as error:
        raise ModelError(f"{folder.name}: its files can't be read: {error.strerror}") from error
    return whole.hexdigest()


def open(path: Path, sha256: str | None = None) -> Model:  # noqa: A001 - read as registry.open
    """
    Loads the model of a version's folder, whose `digest` is to be `sha256` where one is given. Raises ModelError where
    it is missing, changed or truncated, or was trained on other features.
    """
    if sha256 is not None and digest(path) != sha256:
        raise ModelError(f"{path.name}: its files were changed or truncated since it was registered")
    return Model.load(path)


def install(folder: Path, root: Path) -> tuple[Manifest, str]:
    """
    Copies a version's folder under `root`, whole or not at all; returns its manifest and digest. Blocks.

    A version that is there already stays as it is. Raises ModelError where the model is damaged, and RegistryError
    where its name doesn't fit or another model has it.
    """
    manifest, _ = read_model(folder)
    version, sha256 = manifest.version, digest(folder)
    if not _VERSION.fullmatch(version):
        raise RegistryError(
            f"{version!r} can't name a version: 1 to {VERSION_MAX} letters, digits, - . _, no dot in front"
        )
    target = root / version
    if target.exists():
        if digest(target) != sha256:
            raise RegistryError(f"{target} holds another model of the same version: its files are not these")
        return manifest, sha256
    fresh = root / f".{version}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with (fresh / path.name).open("wb") as file:
            file.write(path.read_bytes())
            file.flush()
            os.fsync(file.fileno())
    if digest(fresh) != sha256:
        raise ModelError(f"{version}: its files changed while they were copied")
    fresh.rename(target)
    return manifest, sha256
