"""
Drift in service: PSI of every feature, of the champion's score, and of the approval rate, over the last day.

Hours are counted in a ring of them, so that the day moves on. Columns are compared with the reference beside the
champion's trees. The approval rate is compared with the reference's, or where training data knew none, with that of
the champion's first APPROVALS_FIRST authorizations, which the register remembers.

What the clock alone makes has an index only where the span counted could look like the reference's: a day never holds
a whole week, so there is none of weekday and weekend; hour and night have one once every hour of the day is counted.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import structlog

from scoring.drift import BINS, PSI_MAX, SCORE, Reference, histogram, psi, psi_of_rate
from server.fraud.onlookers import Sight
from server.fraud.watch import Using, Watch
from server.store.database import TRANSIENT
from server.store.postgres import StoreError
from server.store.register import Register

HOURS: Final = 24
ROWS_MIN: Final = 2_000
"""Fewer authorizations than this in a day say nothing about drift."""

OF_THE_WEEK: Final = frozenset(("weekday", "is_weekend"))
OF_THE_DAY: Final = frozenset(("hour", "is_night"))

JUDGE_S: Final = 10.0
APPROVALS_FIRST: Final = 10_000
APPROVALS: Final = "approval_rate"

_log = structlog.get_logger("drift")


class Drift:
    """Counts what the champion's day looks like."""

    def __init__(
        self,
        register: Register,
        watch: Watch,
        now_s: Callable[[], float],
        *,
        psi_max: float = PSI_MAX,
    ) -> None:
        self._register = register
        self._watch = watch
        self._now_s = now_s
        self._psi_max = psi_max
        self._version = ""
        self._reference: Reference | None = None
        self._hour = 0
        self._judged_s = float("-inf")
        self._counts = np.zeros((HOURS, 0, BINS + 1), np.int64)
        self._approvals = np.zeros((HOURS, 2), np.int64)  # all, approved
        self._first = np.zeros(2, np.int64)
        self.alarms: frozenset[str] = frozenset()
        """What has drifted."""

    @property
    def rows(self) -> int:
        """Authorizations of the last day."""
        return int(self._approvals[:, 0].sum())

    def look(self, sight: Sight) -> None:
        """Counts; blocks."""
        self._turn_to(self._watch.using)
        place = self._place()
        answered = np.array([len(sight), np.count_nonzero(sight.approved)])
        self._approvals[place] += answered
        if self._first[0] < APPROVALS_FIRST:
            self._first += answered
        if self._reference is not None:
            scores = np.where(sight.models == self._version.encode(), sight.scores, np.nan)
            table = np.column_stack([sight.features, scores])
            self._counts[place] += histogram(self._reference.edges, table)

    async def act(self) -> None:
        """Sounds an alarm where something has begun to drift, and remembers the first approvals."""
        self._judge()
        wanted = self._version and self._watch.standing.champion == self._version
        if wanted and self._first[0] >= APPROVALS_FIRST and self._then() is None:
            try:
                await self._register.set_approval_rate(self._version, float(self._first[1] / self._first[0]))
            except (StoreError, *TRANSIENT) as error:
                _log.info("the first approvals are remembered later", reason=str(error))

    def _judge(self) -> None:
        """Once in JUDGE_S."""
        if self._now_s() < self._judged_s + JUDGE_S:
            return
        self._judged_s = self._now_s()
        indices = self.indices()
        found = {name for name, index in indices.items() if index > self._psi_max}
        if begun := found - self.alarms:
            worst = {name: round(indices[name], 3) for name in sorted(begun, key=lambda name: -indices[name])}
            _log.error("drift", psi=worst, psi_max=self._psi_max, model=self._version)
        if ended := self.alarms - found:
            _log.info("drift has ended", of=sorted(ended), model=self._version)
        self.alarms = frozenset(found)

    def indices(self) -> dict[str, float]:
        """PSI by column, of the last day; empty where there is nothing to compare or too little of it."""
        if self.rows < ROWS_MIN:
            return {}
        indices = {}
        if self._reference is not None:
            counts = self._counts.sum(axis=0)
            scored = counts[-1, :-1].sum() >= ROWS_MIN
            counts[-1, -1] = 0  # of the score, rows that another model decided
            found = psi(self._reference.shares, counts)
            unseen = OF_THE_WEEK if self._approvals[:, 0].all() else OF_THE_WEEK | OF_THE_DAY
            indices = {
                name: float(index)
                for name, index in zip(self._reference.columns, found, strict=True)
                if name not in unseen and (name != SCORE or scored)
            }
        then = self._then()
        if then is not None:
            total, approved = self._approvals.sum(axis=0)
            indices[APPROVALS] = psi_of_rate(then, approved / total)
        return indices

    def _then(self) -> float | None:
        """The approval rate to compare with."""
        if self._reference is not None and self._reference.approval_rate is not None:
            return self._reference.approval_rate
        standing = self._watch.standing
        return standing.approval_rate if standing.champion == self._version else None

    def _turn_to(self, using: Using) -> None:
        """Another champion has another reference: counting begins anew."""
        version = "" if using.champion is None else using.champion.version
        if version == self._version:
            return
        self._version, self._reference = version, using.reference
        if version and using.reference is None:
            _log.info(
                "the champion carries no reference: drift of its features is not measured", model=version
            )
        columns = 0 if using.reference is None else len(using.reference.columns)
        self._counts = np.zeros((HOURS, columns, BINS + 1), np.int64)
        self._approvals[:] = 0
        self._first[:] = 0

    def _place(self) -> int:
        """Where this hour is counted; hours that have gone since are emptied."""
        hour = int(self._now_s() // 3_600)
        gone = range(max(self._hour + 1, hour - HOURS + 1), hour + 1)
        for old in gone:
            self._counts[old % HOURS] = 0
            self._approvals[old % HOURS] = 0
        self._hour = max(hour, self._hour)
        return self._hour % HOURS
