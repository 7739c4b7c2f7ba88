"""
The models in use: as the register says, followed while requests are answered.

A version is verified, parsed and warmed in a thread; what the loop does is one assignment. What can't be loaded leaves
the model in use where it is, and is tried again. The standing is kept in a file beside the models, so that a start
without PostgreSQL knows its champion. A server that never had a sound champion answers unscored, and says so.

A folder that was set by hand (HOLDFAST_MODEL: a replay's, a benchmark's) decides instead, and the register is left
alone.
"""

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from scoring import registry
from scoring.drift import Reference, read_reference
from scoring.manifest import ModelError
from scoring.model import Model
from scoring.registry import RegistryError
from server.store.database import TRANSIENT
from server.store.postgres import StoreError
from server.store.register import Register, Standing

FORMAT: Final = 1
MEND_S: Final = 5.0
"""A version that could not be loaded is tried again this often."""

FORMER_MAX: Final = 8
"""Versions that decided before and are kept, to explain what they decided."""

Use = Callable[[Model | None, Model | None, int], None]
"""Takes champion, challenger, and the challenger's share of the cards in ten thousandths; on the loop's thread."""

_log = structlog.get_logger("models")


class Using(NamedTuple):
    """What is in use: champion None answers unscored; shadows score all traffic on paper, the challenger too."""

    champion: Model | None = None
    reference: Reference | None = None  # what the champion learnt from, where its folder says it
    challenger: Model | None = None
    shadows: tuple[Model, ...] = ()


class _Loaded(NamedTuple):
    sha256: str | None
    model: Model
    reference: Reference | None


class Watch:
    """Keeps the models in use what the register says."""

    def __init__(self, register: Register, use: Use, *, override: Path | None = None) -> None:
        self._register = register
        self._use = use
        self._override = override
        self._loaded: dict[str, _Loaded] = {}
        self._changing = asyncio.Lock()
        self.standing = Standing()
        """What the register says, as far as it is known here."""
        self.using = Using()
        self.faults: Mapping[str, str] = {}
        """Versions that ought to be in use and can't be loaded, with the reason."""
        self.swaps = 0
        """How often another champion took over while requests were answered."""

    async def open(self, *, database_is_there: bool) -> None:
        """The models to start with: from the register, or where PostgreSQL is away, from what was known last."""
        if self._override is not None:
            await self._open_override(self._override)
            return
        standing = None
        if database_is_there:
            try:
                await self._begin()
                standing = await self._register.standing()
            except (StoreError, *TRANSIENT) as error:
                _log.warning("the register of models is away", reason=str(error))
        await self.apply(await asyncio.to_thread(self._remembered) if standing is None else standing)

    async def run(self) -> None:
        """Follows the register until cancelled."""
        if self._override is not None:
            return
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._register.follow(self.apply))
            tasks.create_task(self._mend())

    async def apply(self, standing: Standing) -> None:
        """Loads what the standing names, off the loop, and hands it over; keeps the standing for the next start."""
        async with self._changing:
            faults: dict[str, str] = {}
            found = {
                version: await self._load(version, sha256, faults) for version, sha256 in standing.digests
            }
            champion = found.get(standing.champion or "")
            before = self.using
            if champion is None and standing.champion is not None and before.champion is not None:
                _log.error(
                    "the champion can't be loaded: the one before goes on",
                    version=standing.champion,
                    before=before.champion.version,
                )
                champion = self._loaded[before.champion.version]
            challenger = found.get(standing.challenger or "")
            self.standing, self.faults = standing, faults
            self.using = Using(
                None if champion is None else champion.model,
                None if champion is None else champion.reference,
                None if challenger is None else challenger.model,
                tuple(part.model for version in standing.shadows if (part := found[version]) is not None),
            )
            self._use(self.using.champion, self.using.challenger, 0 if challenger is None else standing.share)
            self._tell(before.champion)
            self._forget()
            await asyncio.to_thread(self._remember, standing)

    async def fetch(self, version: str) -> Model | None:
        """A version that decided once, to explain what it did: loaded off the loop where it has to be. None where it is gone."""
        if not version:
            return None
        found = await self._load(version, dict(self.standing.digests).get(version), {})
        return None if found is None else found.model

    async def _begin(self) -> None:
        try:
            await self._register.begin(registry.shipped())
        except (ModelError, RegistryError) as error:
            _log.error("the model that came with the package can't be registered", reason=str(error))

    async def _open_override(self, folder: Path) -> None:
        faults: dict[str, str] = {}
        found = await self._load(folder.name, None, faults, folder)
        self.faults = faults
        if found is not None:
            self.using = Using(found.model, found.reference)
            _log.warning("a model set by hand decides; the register is not followed", folder=str(folder))
        self._use(self.using.champion, None, 0)
        self._tell(None)

    async def _load(
        self, version: str, sha256: str | None, faults: dict[str, str], folder: Path | None = None
    ) -> _Loaded | None:
        known = self._loaded.get(version)
        if known is not None and sha256 in {None, known.sha256}:
            return known
        try:
            loaded = await asyncio.to_thread(_warmed, folder or self._register.root / version, sha256)
        except ModelError as error:
            faults[version] = str(error)
            if self.faults.get(version) != str(error):
                _log.error("a model can't be loaded", version=version, reason=str(error))
            return None
        self._loaded[loaded.model.version] = loaded
        return loaded

    def _tell(self, before: Model | None) -> None:
        now = self.using.champion
        if now is None:
            _log.error("there is no model: requests go unscored")
        elif before is None or now.version != before.version:
            self.swaps += before is not None
            _log.info("champion", version=now.version, before="" if before is None else before.version)

    def _forget(self) -> None:
        """Of models out of use the longest loaded go."""
        in_use = {model.version for model in (self.using.champion, *self.using.shadows) if model is not None}
        former = [version for version in self._loaded if version not in in_use]
        for version in former[: max(0, len(former) - FORMER_MAX)]:
            del self._loaded[version]

    async def _mend(self) -> None:
        while True:
            await asyncio.sleep(MEND_S)
            if self.faults:
                await self.apply(self.standing)

    def _remember(self, standing: Standing) -> None:
        document = {"format": FORMAT, **asdict(standing)}
        path = self._path()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.with_suffix(".new").open("w", encoding="utf-8") as file:
                json.dump(document, file)
                file.flush()
                os.fsync(file.fileno())
            path.with_suffix(".new").replace(path)
        except OSError as error:
            _log.warning("the models' standing could not be kept for a start alone", reason=str(error))

    def _remembered(self) -> Standing:
        """What the last server knew; nothing where that can't be read."""
        path = self._path()
        try:
            return _standing(json.loads(path.read_bytes()))
        except FileNotFoundError:
            _log.error("no model is known here, and the register can't be asked")
        except (OSError, ValueError, TypeError, KeyError) as error:
            _log.error("the models' standing can't be read", file=str(path), reason=str(error))
        return Standing()

    def _path(self) -> Path:
        return self._register.root / "standing.json"


def _warmed(folder: Path, sha256: str | None) -> _Loaded:
    model = registry.open(folder, sha256)
    model.warm_up()
    return _Loaded(sha256, model, read_reference(folder))


def _standing(document: dict[str, Any]) -> Standing:
    found = document.pop("format")
    if found != FORMAT:
        raise ValueError(f"it has format {found}; this server reads format {FORMAT}")
    digests = tuple((version, sha256) for version, sha256 in document["digests"])
    return Standing(**{**document, "shadows": tuple(document["shadows"]), "digests": digests})
