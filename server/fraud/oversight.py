"""Everything of this room, put together: what the server opens, feeds, runs and reads its metrics from."""

import asyncio
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from server.fraud.drift import Drift
from server.fraud.floor import FloorKeeper
from server.fraud.onlookers import Onlookers
from server.fraud.shadow import Shadow
from server.fraud.watch import Use, Watch
from server.store.database import Database
from server.store.outcomes import Outcomes
from server.store.register import Register
from server.telemetry import Family

MODELS: Final = "models"
"""Where a home keeps the files of its models."""


class Oversight:
    """
    The models of one home and what watches them. `use` takes champion, challenger and share on the loop's thread.

    `override` is a folder that decides whatever the register says: then nothing is followed, no shadow scores, and no
    floor is judged. `floor_s` 0 judges none either.
    """

    def __init__(
        self,
        database: Database,
        home: Path,
        use: Use,
        *,
        override: Path | None,
        floor_s: float,
        psi_max: float,
    ) -> None:
        register, outcomes = Register(database, home / MODELS), Outcomes(database)
        self._register = register
        self._follows = override is None
        self._floor_s = floor_s
        self.watch = Watch(register, use, override=override)
        self.shadow = Shadow(outcomes, self.watch)
        self.drift = Drift(register, self.watch, time.time, psi_max=psi_max)
        self.floor = FloorKeeper(register, outcomes, every_s=floor_s)
        self.onlookers = Onlookers([self.shadow, self.drift])
        self.offer = self.onlookers.offer
        """Takes INTENT[n] of authorizations and their DECISION[n], once they are answered."""
        self.fetch = self.watch.fetch
        """The model of a version, to explain what it decided."""

    async def open(self, *, database_is_there: bool) -> None:
        """The models to start with."""
        await self.watch.open(database_is_there=database_is_there)

    async def run(self) -> None:
        """Follows, looks on and judges until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.onlookers.run())
            if self._follows:
                tasks.create_task(self.watch.run())
                if self._floor_s:
                    tasks.create_task(self.floor.run())

    def families(self) -> list[Family]:
        """What is worth a metric."""
        return [
            Family("holdfast_model", "Which version is what.", ("version", "role"), self._roles),
            Family(
                "holdfast_model_faults",
                "Versions that ought to be in use and can't be loaded.",
                (),
                lambda: {(): len(self.watch.faults)},
            ),
            Family(
                "holdfast_model_register_away",
                "1 while the register of models can't be followed.",
                (),
                lambda: {(): float(bool(self._register.trouble))},
            ),
            Family(
                "holdfast_champion_recall",
                "Share of the fraud that fresh labels name and the champion found; absent while they are too few.",
                (),
                self._recall,
            ),
            Family(
                "holdfast_champion_recall_floor",
                "What it must find.",
                (),
                lambda: {} if self.floor.floor is None else {(): self.floor.floor},
            ),
            Family(
                "holdfast_champion_fallen",
                "1 from a champion's fall below its floor until people have promoted another.",
                (),
                lambda: {(): float(self.floor.alarm)},
            ),
            Family(
                "holdfast_champion_rollbacks_total",
                "Champions that fell below their floor and were rolled back.",
                (),
                lambda: {(): self.floor.rollbacks},
            ),
            Family("holdfast_drift_psi", "Population stability index of the last day.", ("of",), self._psi),
            Family(
                "holdfast_drift_alarm",
                "1 for what has drifted.",
                ("of",),
                lambda: {(name,): 1.0 for name in self.drift.alarms},
            ),
            Family(
                "holdfast_drift_rows",
                "Authorizations of the last day.",
                (),
                lambda: {(): self.drift.rows},
            ),
            Family(
                "holdfast_shadow_scores_total",
                "Authorizations that shadows scored.",
                ("version",),
                lambda: {(version,): count for version, count in list(self.shadow.scored.items())},
            ),
            Family(
                "holdfast_shadow_dropped_total",
                "Scores that PostgreSQL was away for too long to take.",
                (),
                lambda: {(): self.shadow.dropped},
            ),
            Family(
                "holdfast_onlookers_dropped_total",
                "Authorizations that shadows and drift could not look at in time.",
                (),
                lambda: {(): self.onlookers.dropped},
            ),
        ]

    def _roles(self) -> Mapping[tuple[str, ...], float]:
        using = self.watch.using
        roles = [(model.version, "shadow") for model in using.shadows if model is not using.challenger]
        roles += [(using.challenger.version, "challenger")] if using.challenger is not None else []
        roles += [(using.champion.version, "champion")] if using.champion is not None else []
        return dict.fromkeys(roles, 1.0)

    def _recall(self) -> Mapping[tuple[str, ...], float]:
        found = self.floor.footing
        return {} if found is None or found.recall is None else {(): found.recall}

    def _psi(self) -> Mapping[tuple[str, ...], float]:
        return {(name,): index for name, index in self.drift.indices().items()}
