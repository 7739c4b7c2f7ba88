"""
The champion's floor: where fresh labels say that it finds too little of the fraud, the one before takes over by itself.

It is judged only by what it decided itself since it became champion, so that nobody falls for what another did, and a
version that returned is not sent away again for old times. Each fall is an alarm: a log line, a metric that stays up
until people have promoted another version, and a row in the register.
"""

import asyncio
from typing import Final

import structlog

from scoring.floor import Footing, footing
from scoring.manifest import ModelError
from scoring.registry import RegistryError, State
from server.store.database import TRANSIENT
from server.store.outcomes import Outcomes
from server.store.postgres import StoreError
from server.store.register import INSTALLATION, Register, Registered

_log = structlog.get_logger("models")

FALL: Final = "fall below floor"


class FloorKeeper:
    """Judges the champion every `every_s` seconds."""

    def __init__(self, register: Register, outcomes: Outcomes, *, every_s: float) -> None:
        self._register = register
        self._outcomes = outcomes
        self._every_s = every_s
        self._returned = ""  # who came back when the last one fell
        self._fallen = ""  # who fell and is still champion: there is nobody before it
        self.footing: Footing | None = None
        """How the champion stood when it was judged last."""
        self.floor: float | None = None
        """The recall it must have; None = no floor."""
        self.rollbacks = 0
        self.champion = ""

    @property
    def alarm(self) -> bool:
        """Whether a champion fell, and people have not promoted another since."""
        return self.champion != "" and self.champion in {self._returned, self._fallen}

    async def run(self) -> None:
        """Judges until cancelled. While PostgreSQL is away, nothing happens."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.judge()
            except (StoreError, *TRANSIENT) as error:
                _log.info("the champion's floor is judged later", reason=str(error))

    async def judge(self) -> None:
        """Judges the champion once; rolls back where it has fallen."""
        models = await self._register.versions()
        model = next((model for model in models if model.state == State.CHAMPION), None)
        self.champion = "" if model is None else model.version
        self.footing, self.floor = None, None
        if model is None:
            return
        self.footing, self.floor = await stand(self._outcomes, model), model.floor.recall
        if not self.footing.fallen:
            self._fallen = ""
        elif self._fallen != model.version:
            await self._fall(model, self.footing)

    async def _fall(self, model: Registered, footing: Footing) -> None:
        why = (
            f"recall {footing.recall:.4f} on {footing.frauds} frauds, beside {footing.genuine} genuine: "
            f"below the floor, {model.floor}"
        )
        try:
            _, came = await self._register.roll_back(by=INSTALLATION, why=why, champion=model.version)
        except (RegistryError, ModelError) as error:
            self._fallen = model.version
            _log.error(
                "the champion is below its floor and stays", version=model.version, why=why, reason=str(error)
            )
            await self._register.note(model.version, FALL, f"{why}; it stays: {error}"[:500])
            return
        self.rollbacks += 1
        self._returned = self.champion = came
        _log.error(
            "the champion fell below its floor and was rolled back", version=model.version, to=came, why=why
        )


async def stand(outcomes: Outcomes, model: Registered) -> Footing:
    """How a champion stands by its own decisions and fresh labels."""
    since_s = 0.0 if model.champion_since is None else model.champion_since.timestamp()
    fraud, genuine = await outcomes.champion(model.version, since_s=since_s, days=model.floor.days)
    return footing(model.floor, fraud, genuine)
