"""
Authorizations with what became known of them, as training reads them: the attempts that features saw, in their order.

Beside the server, not in it: a whole history is read at once.
"""

from datetime import datetime
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from scoring.attempt import empty_attempts
from server.core.attempts import attempts_again
from server.core.formats import INTENTS, intents_of
from server.core.packing import unpack_each
from server.store.database import Database
from server.store.queries import query

ROWS_AT_ONCE: Final = 10_000


class Labelled(NamedTuple):
    """
    Authorizations in order of time, those of one second in the order in which the core took them.

    attempts ATTEMPT[n], card rows counting through `cards`; verdicts u1[n] (`Verdict`), 0 where nobody told anything;
    known_s i8[n]: when the label that counts was received, 0 where there is none; cards u4[..]: each row's
    cards.number. Of several labels on one authorization only the last is here.
    """

    attempts: NDArray[Any]
    verdicts: NDArray[np.uint8]
    known_s: NDArray[np.int64]
    cards: NDArray[np.uint32]


async def read_labelled(
    database: Database, since: datetime | None = None, until: datetime | None = None
) -> Labelled:
    """
    What was authorized from `since` to before `until`, by the senders' times, declines included.

    Homes and countries are those of today. Raises StoreError and PostgreSQL's own errors.
    """
    attempts, verdicts, known_s = [empty_attempts(0)], [np.zeros(0, np.uint8)], [np.zeros(0, np.int64)]
    async with database.acquire() as connection, connection.transaction(readonly=True):
        cursor = await connection.cursor(query("labelled_authorizations"), since, until)
        while rows := await cursor.fetch(ROWS_AT_ONCE):
            attempts.append(_attempts(rows))
            verdicts.append(np.array([row["verdict"] for row in rows], np.uint8))
            known_s.append(
                np.array(
                    [0 if row["received_at"] is None else row["received_at"].timestamp() for row in rows],
                    np.int64,
                )
            )
    whole = np.concatenate(attempts)
    cards, whole["card_row"] = np.unique(whole["card_row"], return_inverse=True)
    return Labelled(whole, np.concatenate(verdicts), np.concatenate(known_s), cards)


def _attempts(rows: list[Any]) -> NDArray[Any]:
    """ATTEMPT[n] of these rows."""
    attempts = empty_attempts(len(rows))
    versions = np.array([row["record_version"] for row in rows])
    for version in np.unique(versions).tolist():
        places = np.flatnonzero(versions == version)
        intents = intents_of(unpack_each([rows[i]["intent"] for i in places.tolist()], INTENTS[version]))
        attempts[places] = attempts_again(intents)
    for name in ("home_latitude_deg", "home_longitude_deg", "home_country"):
        attempts[name] = [row[name] for row in rows]
    return attempts
