"""
The labels of a replay: frauds of the history told when their days had come, and not a row earlier.

A label becomes known a fixed delay after its transaction. It is told when every row before that moment is answered, and
before the first row of that second or a later one is sent: so the server learns it in the place where a training on the
same history does.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from holdfast.v1 import feedback_pb2 as pb
from loadtest.histories import History

TELL: Final = "/holdfast.v1.FeedbackService/LabelTransactions"
LABELS_MAX: Final = 1_000
REFUSED_KEPT_MAX: Final = 5
_TIMEOUT_S: Final = 30.0


class Labelling:
    """What is to be told of a history, and how far that has come. `delay_s` is from a transaction to its label."""

    def __init__(self, history: History, delay_s: int) -> None:
        frauds = np.flatnonzero(history.is_fraud)
        known_s = history.time_s[frauds] + max(1, delay_s)
        order = np.argsort(known_s, kind="stable")
        self._rows: NDArray[np.int64] = frauds[order]
        self._known_s: NDArray[np.int64] = known_s[order]
        self._before: NDArray[np.int64] = np.searchsorted(history.time_s, self._known_s, side="left")
        self._next = 0
        self.told = 0
        """Labels that the server took."""
        self.refused: list[str] = []
        """Why it took others not: the first few."""

    def is_due(self, row: int) -> bool:
        """Whether something is to be told before `row` that was not told yet."""
        return self._next < len(self._before) and bool(self._before[self._next] <= row)

    def until(self, start: int, end: int) -> int:
        """How far rows from `start` go, at most to `end`, before something is to be told again."""
        later = int(np.searchsorted(self._before, start, side="right"))
        return end if later == len(self._before) else min(end, int(self._before[later]))

    async def tell(self, channel: Any, up_to: int, identifiers: NDArray[np.uint64]) -> None:
        """
        Tell what is due before row `up_to`, whose earlier rows have their answers' `identifiers` (u8[n, 2]).

        Raises grpc.aio.AioRpcError where the server can't be told: what it took is a repeat the next time.
        """
        call = channel.unary_unary(TELL)
        while (due := int(np.searchsorted(self._before, up_to, side="right"))) > self._next:
            last = min(due, self._next + LABELS_MAX)
            request = pb.LabelTransactionsRequest()
            for row, known_s in zip(
                self._rows[self._next : last].tolist(), self._known_s[self._next : last].tolist(), strict=True
            ):
                low, high = identifiers[row].tolist()
                label = request.labels.add(
                    authorization_id=f"{high:016x}{low:016x}",
                    verdict=pb.VERDICT_FRAUD,
                    source="replay",
                    reported_by="replay",
                )
                label.learnt_time.seconds = known_s
            raw = await call(request.SerializeToString(), timeout=_TIMEOUT_S)
            self._take(pb.LabelTransactionsResponse.FromString(raw))
            self._next = last

    def _take(self, response: Any) -> None:
        for result in response.results:
            if result.accepted:
                self.told += 1
            elif len(self.refused) < REFUSED_KEPT_MAX:
                why = "; ".join(f"{error.field}: {error.description}" for error in result.errors)
                self.refused.append(f"{result.authorization_id}: {why}")

    def summary(self) -> dict[str, Any]:
        """What came of it, ready for JSON; labels whose day is after the last row are not due."""
        return {"due": self._next, "told": self.told, "refused": self.refused}
