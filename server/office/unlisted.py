"""No lists: what stands in until screening is there."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from compliance.results import Hit


class Lists:
    """Nobody is listed."""

    versions: Mapping[str, str] = {}

    @classmethod
    async def open(cls, database: Any, seals: Any) -> Self:
        """None."""
        del database, seals
        return cls()

    async def refresh(self) -> bool:
        """Never."""
        return False

    @property
    def screener(self) -> Self:
        """Itself."""
        return self

    def screen(self, name: str, **_: Any) -> list[Hit]:
        """No hits."""
        del name
        return []

    def cleared(self, key: Any, hit: Hit) -> bool:
        """Never."""
        del key, hit
        return False


Listed = Sequence[Hit]
