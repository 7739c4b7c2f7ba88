"""How fast a card and a merchant spend: counters by the hour and the day in Redis, one round trip a request."""

from typing import Any, Final, NamedTuple

_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


class Past(NamedTuple):
    """Attempts and minor units, this one included."""

    card_hour: int
    card_day: int
    card_hour_minor: int
    card_day_minor: int
    merchant_hour: int


class Counters:
    """Counters by a `redis.asyncio` client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def count(self, card: bytes, merchant_id: str, amount_minor: int, time_s: int) -> Past:
        """Enter an attempt, and tell what there is with it."""
        hour, day = time_s // _HOUR_S, time_s // _DAY_S
        name = card.hex()
        entries = (
            (f"n:{name}:h{hour}", 1, _HOUR_S),
            (f"n:{name}:d{day}", 1, _DAY_S),
            (f"a:{name}:h{hour}", amount_minor, _HOUR_S),
            (f"a:{name}:d{day}", amount_minor, _DAY_S),
            (f"m:{merchant_id}:h{hour}", 1, _HOUR_S),
        )
        async with self._client.pipeline(transaction=False) as pipeline:
            for key, by, span_s in entries:
                pipeline.incrby(key, by)
                pipeline.expire(key, span_s)
            told = await pipeline.execute()
        return Past(*told[::2])
