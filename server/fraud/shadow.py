"""Shadow models: they score what was decided, off the answer path, and their scores are kept beside the deciding ones."""

import time
from typing import Final

import structlog

from server.fraud.onlookers import Sight
from server.fraud.watch import Watch
from server.store.database import TRANSIENT
from server.store.outcomes import Outcomes, ShadowScores
from server.store.postgres import StoreError

WAITING_MAX: Final = 100_000
"""Scores that wait for PostgreSQL while it is away; more are dropped."""

FORGET_S: Final = 3_600.0

_log = structlog.get_logger("models")


class Shadow:
    """Scores every sight with every shadow there is at the time."""

    def __init__(self, outcomes: Outcomes, watch: Watch) -> None:
        self._outcomes = outcomes
        self._watch = watch
        self._waiting: list[ShadowScores] = []
        self._forgot_s = float("-inf")
        self.scored: dict[str, int] = {}
        """Authorizations by version."""
        self.dropped = 0
        """Scores that PostgreSQL was away for too long to take."""
        self.trouble = ""
        """Why nothing can be kept at present; empty while it can."""

    def look(self, sight: Sight) -> None:
        """Scores; blocks."""
        for model in self._watch.using.shadows:
            scores = model.score(sight.features)
            self._take(
                ShadowScores(model.version, sight.decided_ns, sight.ids, scores, sight.scores, sight.models)
            )

    async def act(self) -> None:
        """Keeps what waits; while PostgreSQL is away it goes on waiting."""
        waiting = list(self._waiting)
        try:
            if waiting:
                await self._outcomes.keep(waiting)
            if time.monotonic() - self._forgot_s > FORGET_S:
                await self._outcomes.forget()
                self._forgot_s = time.monotonic()
        except (StoreError, *TRANSIENT) as error:
            if not self.trouble:
                _log.info("shadows' scores wait for PostgreSQL", reason=str(error))
            self.trouble = f"{type(error).__name__}: {error}"
            return
        self.trouble = ""
        del self._waiting[: len(waiting)]

    def _take(self, part: ShadowScores) -> None:
        self.scored[part.version] = self.scored.get(part.version, 0) + len(part)
        if sum(map(len, self._waiting)) + len(part) > WAITING_MAX:
            self.dropped += len(part)
        elif len(part):
            self._waiting.append(part)
