"""
What became of scored authorizations, as arrays: for the floor of a champion, and for a shadow beside who decided.

Genuine is what nobody called fraud. A label counts as it was told last.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from server.store.binary_copy import Column, numbers, read_rows, row_layout, stream_of, texts, uuids
from server.store.database import Database
from server.store.queries import query

GENUINE_MAX: Final = 200_000
"""About so many genuine payments are looked at for a floor: a sample of pages beyond that."""

COMPARED_MAX: Final = 1_000_000
KEPT_DAYS: Final = 92
POSTGRES_EPOCH_US: Final = 946_684_800 * 1_000_000  # 2000-01-01
TIMEOUT_S: Final = 300.0

_SCORE_ROW: Final = row_layout([("score", ">f4")])
_COMPARED_ROW: Final = row_layout(
    [("score", ">f4"), ("decided_score", ">f4"), ("is_fraud", "?"), ("decided_by", "S24")]
)


@dataclass(frozen=True, slots=True)
class Compared:
    """
    Authorizations that a shadow scored, the newest first: scores f4[n]; decided_scores f4[n], NaN = unscored;
    is_fraud bool[n], as far as labels say; decided_by U24[n], the version that decided.
    """

    scores: NDArray[np.float32]
    decided_scores: NDArray[np.float32]
    is_fraud: NDArray[np.bool_]
    decided_by: NDArray[np.str_]

    def decided(self, version: str) -> "Compared":
        """Only what that version decided."""
        chosen = self.decided_by == version
        return Compared(
            self.scores[chosen], self.decided_scores[chosen], self.is_fraud[chosen], self.decided_by[chosen]
        )


@dataclass(frozen=True, slots=True)
class ShadowScores:
    """
    What one version says of n authorizations: decided_ns i8[n], authorization_ids u8[n, 2], scores f4[n], and of who
    decided its decided_scores f4[n], NaN = unscored, and decided_by S24[n].
    """

    version: str
    decided_ns: NDArray[np.int64]
    authorization_ids: NDArray[np.uint64]
    scores: NDArray[np.float32]
    decided_scores: NDArray[np.float32]
    decided_by: NDArray[np.bytes_]

    def __len__(self) -> int:
        return len(self.scores)


class Outcomes:
    """Reads and keeps scores in PostgreSQL. Raises PostgreSQL's own errors and StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, parts: list[ShadowScores]) -> None:
        """Writes shadows' scores, all or none."""
        async with self._database.acquire() as connection, connection.transaction():
            for part in parts:
                await connection.copy_to_table(
                    "shadow_scores", source=_whole(stream_of(_columns(part))), format="binary"
                )

    async def forget(self) -> None:
        """Lets go of shadows' scores of before KEPT_DAYS."""
        async with self._database.acquire() as connection:
            await connection.execute(query("forget_shadow_scores"), KEPT_DAYS, timeout=TIMEOUT_S)

    async def compared(self, version: str, *, days: int = 28) -> Compared:
        """What a shadow said of the last days' traffic, at most COMPARED_MAX authorizations, beside who decided."""
        rows = await self._rows("compared_scores", _COMPARED_ROW, version, days, COMPARED_MAX)
        return Compared(
            rows["score"].astype(np.float32),
            rows["decided_score"].astype(np.float32),
            rows["is_fraud"].astype(np.bool_),
            np.char.rstrip(rows["decided_by"].astype(np.str_)),
        )

    async def champion(
        self, version: str, *, since_s: float, days: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """
        Scores f4[n] of the frauds that a champion decided on since then and that labels of the last days name, and
        f4[m] of genuine payments, a sample where they are more than GENUINE_MAX.
        """
        since = datetime.fromtimestamp(since_s, UTC)
        fraud = await self._rows("found_frauds", _SCORE_ROW, version, since, days)
        async with self._database.acquire() as connection:
            count = await connection.fetchval(query("count_authorizations"))
        percent = min(100.0, 100.0 * GENUINE_MAX / max(count, 1))
        genuine = await self._rows("sampled_genuine", _SCORE_ROW, version, since, days, percent)
        return fraud["score"].astype(np.float32), genuine["score"].astype(np.float32)

    async def _rows(self, name: str, row: np.dtype[Any], *arguments: Any) -> NDArray[Any]:
        stream = bytearray()

        async def take(data: bytes) -> None:
            stream.extend(data)

        async with self._database.acquire() as connection:
            await connection.copy_from_query(
                query(name), *arguments, output=take, format="binary", timeout=TIMEOUT_S
            )
        return read_rows(stream, row)


def _columns(part: ShadowScores) -> list[Column]:
    """The columns of `shadow_scores`, in their order."""
    unscored = np.isnan(part.decided_scores)
    return [
        numbers(part.decided_ns // 1_000 - POSTGRES_EPOCH_US, ">i8"),
        uuids(part.authorization_ids),
        numbers(part.scores, ">f4"),
        numbers(part.decided_scores, ">f4", unscored),
        texts(np.full(len(part), part.version.encode())),
        texts(part.decided_by),
    ]


async def _whole(stream: bytes) -> Any:
    yield stream
