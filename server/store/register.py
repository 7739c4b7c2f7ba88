"""
The register of models in PostgreSQL: every version, its state, who moved it there and why.

States and moves are those of `scoring.registry`; the files of a version lie under `root`, one folder each. Every move
is one transaction under one lock, and leaves a row in `model_changes`. A version whose files are not what was
registered goes nowhere but to rest.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from scoring import registry
from scoring.floor import Floor, floor_of
from scoring.registry import NEEDS_TWO, SHADOWS_MAX, SHARE_MAX, Action, RegistryError, State, after
from server.store.database import TRANSIENT, Database
from server.store.postgres import StoreError
from server.store.queries import query

CHANNEL: Final = "holdfast_models"
POLL_S: Final = 0.5
"""A change is looked for this often although none was announced."""

RETRY_S: Final = 0.5
WHO_MAX: Final = 64
WHY_MAX: Final = 500
INSTALLATION: Final = "holdfast"
"""Who does what no person asked for: the first start, and a champion's floor."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """What one person wants of a shadow, and another may approve. `share` is a challenger's, in ten thousandths."""

    action: Action
    share: int
    by: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Registered:
    """A version as the register has it. `replaced` is the champion before it; `share` is a challenger's."""

    version: str
    state: State
    share: int
    replaced: str | None
    sha256: str
    manifest: dict[str, Any]
    floor: Floor
    proposal: Proposal | None
    approval_rate: float | None
    champion_since: datetime | None
    changed_by: str
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Change:
    """One thing done to a version."""

    version: str
    action: str
    from_state: str | None
    to_state: str
    share: int
    who: str
    proposed_by: str | None
    why: str
    happened_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server does with which version: the part of the register that it follows, and keeps for a start alone."""

    champion: str | None = None
    challenger: str | None = None
    share: int = 0
    shadows: tuple[str, ...] = ()  # the challenger too
    digests: tuple[tuple[str, str], ...] = ()  # version and SHA-256 of each of them
    approval_rate: float | None = None  # the champion's
    champion_since_s: float = 0.0  # of our clock


class Register:
    """The register, and the folder with the files of each version."""

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self.root = root
        self.trouble = ""
        """Why the register can't be followed at present; empty while it can."""

    async def add(self, folder: Path, *, by: str, why: str = "") -> str:
        """
        Takes a trained model's folder in as a candidate; returns its version. Taking it in again changes nothing.

        Raises ModelError where its files are damaged, RegistryError where its name is taken.
        """
        by, why = _named(by), _told(why)
        manifest, sha256 = await asyncio.to_thread(registry.install, folder, self.root)
        floor = floor_of(manifest.metrics)
        async with self._database.acquire() as connection, connection.transaction():
            done = await connection.execute(
                query("add_model"),
                manifest.version,
                sha256,
                json.dumps(asdict(manifest)),
                floor.recall,
                by,
            )
            if done == "INSERT 0 1":
                await _note(connection, manifest.version, "add", None, State.CANDIDATE, 0, by, why)
        found = await self.find(manifest.version)
        if found.sha256 != sha256:
            raise RegistryError(f"{manifest.version} is registered with other files than these")
        return manifest.version

    async def begin(self, shipped: Path) -> None:
        """Takes in the model that came with the package; where there never was a champion, it becomes it."""
        version = await self.add(shipped, by=INSTALLATION, why="comes with the package")
        async with self._moving() as (connection, models):
            if any(model.champion_since is not None for model in models.values()):
                return
            why = "the first model of this installation"
            await self._move(connection, models[version], Action.BEGIN, INSTALLATION, why)

    async def shadow(self, version: str, *, by: str, why: str = "") -> None:
        """Lets a candidate, or a retired version, score all traffic on paper. Raises RegistryError, ModelError."""
        by, why = _named(by), _told(why)
        async with self._moving() as (connection, models):
            model = _model(models, version)
            after(version, model.state, Action.SHADOW)
            if sum(other.state == State.SHADOW for other in models.values()) >= SHADOWS_MAX:
                raise RegistryError(f"{SHADOWS_MAX} versions are shadow already: retire one first")
            await self._check(model)
            await self._move(connection, model, Action.SHADOW, by, why)

    async def propose(self, version: str, action: Action, *, by: str, share: int = 0, why: str = "") -> None:
        """
        Asks that a shadow be promoted, or decide as challenger for `share` ten thousandths of the cards.

        Replaces what was proposed of it before. Raises RegistryError.
        """
        assert action in NEEDS_TWO
        by, why = _named(by), _told(why)
        if action == Action.CHALLENGE and not 1 <= share <= SHARE_MAX:
            raise RegistryError(f"share must be 1 to {SHARE_MAX} ten thousandths, not {share}")
        async with self._moving() as (connection, models):
            model = _model(models, version)
            after(version, model.state, action)
            await self._check(model)
            wanted = share if action == Action.CHALLENGE else None
            await connection.execute(query("propose_model"), version, action, wanted, by)
            await _note(connection, version, f"propose {action}", model.state, model.state, share, by, why)

    async def withdraw(self, version: str, *, by: str, why: str = "") -> None:
        """Takes back what is proposed of a version; anybody may. Raises RegistryError where nothing is."""
        by, why = _named(by), _told(why)
        async with self._moving() as (connection, models):
            model = _model(models, version)
            proposal = _proposal_of(model)
            await connection.execute(query("forget_proposal"), version, by)
            what = f"withdraw {proposal.action}"
            await _note(
                connection, version, what, model.state, model.state, model.share, by, why, proposal.by
            )

    async def approve(self, version: str, *, by: str, why: str = "") -> Proposal:
        """
        Does what another person proposed; returns it. Raises RegistryError where nothing is proposed, where `by` is who
        proposed it, or where it can't be any more; ModelError where the version's files are not what was registered.
        """
        by, why = _named(by), _told(why)
        async with self._moving() as (connection, models):
            model = _model(models, version)
            proposal = _proposal_of(model)
            if proposal.by.casefold() == by.casefold():
                raise RegistryError(f"{by} proposed this: it needs somebody else to approve it (--by)")
            after(version, model.state, proposal.action)
            await self._check(model)
            if proposal.action == Action.PROMOTE:
                await self._promote(connection, models, model, proposal, by, why)
                return proposal
            rival = next(
                (other.version for other in models.values() if other.share and other is not model), None
            )
            if rival is not None:
                raise RegistryError(f"{rival} is challenger already: end that first, by --share 0")
            await self._move(
                connection, model, Action.CHALLENGE, by, why, share=proposal.share, proposal=proposal
            )
            return proposal

    async def end_challenge(self, version: str, *, by: str, why: str = "") -> None:
        """The challenger decides nothing any more, at once; it stays shadow. Raises RegistryError."""
        by, why = _named(by), _told(why)
        async with self._moving() as (connection, models):
            model = _model(models, version)
            if not model.share:
                raise RegistryError(f"{version} is no challenger")
            await self._move(connection, model, Action.CHALLENGE, by, why)

    async def retire(self, version: str, *, by: str, why: str = "") -> None:
        """Puts a candidate or shadow to rest. Raises RegistryError; a champion is replaced or rolled back."""
        by, why = _named(by), _told(why)
        async with self._moving() as (connection, models):
            await self._move(connection, _model(models, version), Action.RETIRE, by, why)

    async def roll_back(self, *, by: str, why: str = "", champion: str | None = None) -> tuple[str, str]:
        """
        The champion before takes over again, at once; returns who went and who came.

        With `champion`, only from that one. Raises RegistryError where there is none before it, or the champion is
        another by now; ModelError where the files of the one before are not what was registered.
        """
        by, why = _named(by), _told(why)
        async with self._moving() as (connection, models):
            current = next((model for model in models.values() if model.state == State.CHAMPION), None)
            if current is None:
                raise RegistryError("there is no champion to roll back from")
            if champion not in {None, current.version}:
                raise RegistryError(f"the champion is {current.version} by now, not {champion}")
            if current.replaced is None:
                raise RegistryError(
                    f"there was no champion before {current.version}: promote another version"
                )
            before = models[current.replaced]
            await self._check(before)
            await self._move(connection, current, Action.ROLL_BACK, by, why, replaced=None)
            await self._move(connection, before, Action.RETURN, by, why, replaced=before.replaced)
            await connection.execute(query("forget_promotions"), by)
            return current.version, before.version

    async def set_floor(self, version: str, floor: Floor, *, by: str, why: str = "") -> None:
        """Below what a version rolls back by itself. Raises RegistryError where there is no such version."""
        by, why = _named(by), _told(why)
        async with self._moving() as (connection, models):
            model = _model(models, version)
            parts = (floor.recall, floor.false_positive_rate, floor.days, floor.frauds)
            await connection.execute(query("set_model_floor"), version, *parts, by)
            what = f"floor {floor}"
            await _note(connection, version, what, model.state, model.state, model.share, by, why)

    async def set_approval_rate(self, version: str, rate: float) -> None:
        """Remembers what share of its first authorizations a champion saw approved; what is remembered stays."""
        async with self._database.acquire() as connection:
            await connection.execute(query("set_approval_rate"), version, rate, INSTALLATION)

    async def note(self, version: str, action: str, why: str) -> None:
        """Leaves a row about a version that nothing was done to: an alarm."""
        async with self._moving() as (connection, models):
            model = _model(models, version)
            await _note(connection, version, action, model.state, model.state, model.share, INSTALLATION, why)

    async def find(self, version: str) -> Registered:
        """One version. Raises RegistryError where there is none."""
        async with self._database.acquire() as connection:
            row = await connection.fetchrow(query("find_model"), version)
        return _model({} if row is None else {version: _registered(row)}, version)

    async def versions(self) -> list[Registered]:
        """Every version, the newest name first."""
        async with self._database.acquire() as connection:
            return [_registered(row) for row in await connection.fetch(query("list_models"))]

    async def changes(self, version: str | None = None, *, count: int = 100) -> list[Change]:
        """What was done to a version, or to any, the newest first."""
        async with self._database.acquire() as connection:
            rows = await connection.fetch(query("model_changes"), version, count)
        return [Change(**row) for row in rows]

    async def standing(self) -> Standing:
        """What a server is to do now."""
        return _standing(await self.versions())

    async def follow(self, apply: Callable[[Standing], Awaitable[None]]) -> None:
        """
        Hands over the standing, and again each time it changes: as it is announced, or found every POLL_S.

        Never returns until cancelled. While PostgreSQL is away it tries again, and `trouble` says why.
        """
        known: Standing | None = None
        while True:
            connection = None
            try:
                await self._database.open()
                connection = await self._database.connect()
                announced = asyncio.Event()
                await connection.add_listener(CHANNEL, lambda *_, event=announced: event.set())
                connection.add_termination_listener(lambda *_, event=announced: event.set())
                while True:
                    announced.clear()
                    rows = await connection.fetch(query("list_models"))
                    standing = _standing([_registered(row) for row in rows])
                    self.trouble = ""
                    if standing != known:
                        await apply(standing)
                        known = standing
                    # Not wait_for: in Python 3.11 it can swallow a cancellation that comes with the event.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(POLL_S):
                            await announced.wait()
            except (*TRANSIENT, StoreError) as error:
                self.trouble = f"{type(error).__name__}: {error}"
                await asyncio.sleep(RETRY_S)
            finally:
                if connection is not None:
                    connection.terminate()

    @contextlib.asynccontextmanager
    async def _moving(self) -> Any:
        """A transaction in which nobody else moves a model, and every version as it is in there."""
        async with self._database.acquire() as connection, connection.transaction():
            await connection.execute(query("lock_models"))
            rows = await connection.fetch(query("list_models"))
            yield connection, {row["version"]: _registered(row) for row in rows}

    async def _check(self, model: Registered) -> None:
        """Raises ModelError where a version's files are not what was registered, or don't fit this program."""
        await asyncio.to_thread(registry.open, self.root / model.version, model.sha256)

    async def _promote(
        self,
        connection: Any,
        models: dict[str, Registered],
        model: Registered,
        proposal: Proposal,
        by: str,
        why: str,
    ) -> None:
        before = next((other for other in models.values() if other.state == State.CHAMPION), None)
        await connection.execute(query("leave_succession"), model.version, by)
        if before is not None:
            replaced = model.replaced if before.replaced == model.version else before.replaced
            await self._move(
                connection, before, Action.REPLACE, by, f"{model.version} was promoted", replaced=replaced
            )
        name = None if before is None else before.version
        await self._move(connection, model, Action.PROMOTE, by, why, replaced=name, proposal=proposal)
        await connection.execute(query("forget_promotions"), by)

    async def _move(
        self,
        connection: Any,
        model: Registered,
        action: Action,
        by: str,
        why: str,
        *,
        share: int = 0,
        replaced: str | None = None,
        proposal: Proposal | None = None,
    ) -> None:
        state = after(model.version, model.state, action)
        kept = replaced if State.CHAMPION in {state, model.state} else model.replaced
        await connection.execute(query("move_model"), model.version, state, share, kept, by)
        proposer = None if proposal is None else proposal.by
        await _note(connection, model.version, action, model.state, state, share, by, why, proposer)


async def _note(  # as many as a row of model_changes has
    connection: Any,
    version: str,
    action: str,
    from_state: State | None,
    to_state: State,
    share: int,
    who: str,
    why: str,
    proposed_by: str | None = None,
) -> None:
    await connection.execute(
        query("note_model_change"), version, action, from_state, to_state, share, who, proposed_by, why
    )


def _model(models: dict[str, Registered], version: str) -> Registered:
    found = models.get(version)
    if found is None:
        raise RegistryError(f"no version {version!r} is registered: `holdfast models list` shows which are")
    return found


def _proposal_of(model: Registered) -> Proposal:
    if model.proposal is None:
        raise RegistryError(
            f"nothing is proposed for {model.version}: it may be done, withdrawn, or overtaken by another champion"
        )
    return model.proposal


def _named(by: str) -> str:
    by = by.strip()
    if not by or len(by) > WHO_MAX or not by.isprintable():
        raise RegistryError(f"by must name a person in 1 to {WHO_MAX} characters, not {by!r}")
    return by


def _told(why: str) -> str:
    why = why.strip()
    if len(why) > WHY_MAX:
        raise RegistryError(f"why may have {WHY_MAX} characters, not {len(why)}")
    return why


def _registered(row: Any) -> Registered:
    proposal = None
    if row["proposed"] is not None:
        share = row["proposed_share"] or 0
        proposal = Proposal(Action(row["proposed"]), share, row["proposed_by"], row["proposed_at"])
    floor = Floor(row["floor_recall"], row["floor_fpr"], row["floor_days"], row["floor_frauds"])
    same = (
        "version",
        "share",
        "replaced",
        "sha256",
        "approval_rate",
        "champion_since",
        "changed_by",
        "changed_at",
    )
    return Registered(
        **{name: row[name] for name in same},
        state=State(row["state"]),
        manifest=json.loads(row["manifest"]),
        floor=floor,
        proposal=proposal,
    )


def _standing(models: list[Registered]) -> Standing:
    champion = next((model for model in models if model.state == State.CHAMPION), None)
    challenger = next((model for model in models if model.share), None)
    shadows = [model for model in models if model.state == State.SHADOW]
    named = shadows if champion is None else [champion, *shadows]
    return Standing(
        champion=None if champion is None else champion.version,
        challenger=None if challenger is None else challenger.version,
        share=0 if challenger is None else challenger.share,
        shadows=tuple(sorted(model.version for model in shadows)),
        digests=tuple(sorted((model.version, model.sha256) for model in named)),
        approval_rate=None if champion is None else champion.approval_rate,
        champion_since_s=0.0
        if champion is None or champion.champion_since is None
        else champion.champion_since.timestamp(),
    )
