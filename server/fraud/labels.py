"""
The desk for labels: what became known of authorizations is checked, kept in PostgreSQL, and handed to the core.

    told ── row in `labels` ── waiting ── handed to the core, in the order told ── in its journal ── taken
                                  ▲                                                  │
                                  └── a crash before the row says so: again, and a repeat there

What features know is a function of the core's journal alone: the row is the record for people and for training, the
message that the core journals is what moves them. A label's own id makes a second hand-over a repeat.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import numpy as np
import structlog
from numpy.typing import NDArray

from scoring.attempt import Verdict
from server.core.entries import EntryState
from server.core.journal_reader import JournalReader
from server.core.labels import label_requests
from server.core.parcel import Overloaded, Parcel, Stopped
from server.core.policy import LEDGER_AWAY
from server.core.record import INTENT, NO_ROW, Operation
from server.core.state import State
from server.store.database import TRANSIENT
from server.store.labels import Labels, NewLabel, StoredLabel, WaitingLabel
from server.store.postgres import StoreError

AT_ONCE: Final = 1_000
"""Labels handed over together, and told in one request."""

SWEEP_S: Final = 2.0
"""From one look at what waits to the next."""

AHEAD_MAX: Final = timedelta(minutes=5)
"""How far ahead of our clock a reporter's may be."""

_WORD: Final = 0xFFFF_FFFF_FFFF_FFFF
_log = structlog.get_logger("labels")

Journalled = Callable[[NDArray[np.uint64]], Awaitable[list[NDArray[Any] | None]]]
"""INTENT[1] of each of the authorizations u8[n, 2] that the core still knows."""


@dataclass(frozen=True, slots=True)
class Told:
    """A label as somebody tells it; `learnt_at` None is now."""

    authorization_id: UUID
    verdict: Verdict
    source: str
    reported_by: str
    report_id: str = ""
    learnt_at: datetime | None = None


@dataclass(slots=True)
class Outcome:
    """What became of it: kept, or refused for these fields, each with what is allowed."""

    replayed: bool = False
    standing: Verdict | None = None
    errors: list[tuple[str, str]] = field(default_factory=list)


class LabelDesk:
    """
    Takes labels, and hands them on.

    `submit` is the core's; `now_s` the clock of messages. With `message_time` a label is received at the time at which
    it says it was learnt: so a replay tells labels as the days did.
    """

    def __init__(
        self,
        labels: Labels,
        journalled: Journalled,
        submit: Callable[[Parcel], None],
        now_s: Callable[[], float],
        arrival_ns: Callable[[], int],
        *,
        message_time: bool,
    ) -> None:
        self._labels = labels
        self._journalled = journalled
        self._submit = submit
        self._now_s = now_s
        self._arrival_ns = arrival_ns
        self._message_time = message_time
        self._turn = asyncio.Lock()

    async def tell(self, told: list[Told], sender: int) -> list[Outcome]:
        """
        Keep labels in their order, each by itself, and hand them to the core; what became of each.

        `sender` is the digest of who sends, signed. Raises StoreError and PostgreSQL's errors: then nothing was kept,
        and the same may be told again.
        """
        async with self._turn:
            now = datetime.fromtimestamp(max(0.0, self._now_s()), UTC)
            intents = await self._intents([label.authorization_id for label in told])
            outcomes = [Outcome() for _ in told]
            good: list[tuple[Outcome, NewLabel]] = []
            for label, outcome in zip(told, outcomes, strict=True):
                outcome.errors = self._errors(label, intents.get(label.authorization_id), now)
                if not outcome.errors:
                    good.append((outcome, self._new(label, now)))
            await self._keep(good, sender)
        try:
            await self.hand_over()
        except (Overloaded, Stopped, StoreError, *TRANSIENT) as error:
            _log.info("labels wait for the core", reason=str(error))
        return outcomes

    async def history(self, authorization: UUID) -> list[StoredLabel]:
        """What was told of an authorization, the oldest first."""
        return await self._labels.history(authorization)

    async def run(self) -> None:
        """Hand over what a crash, or a core that was busy, left waiting: at once, then again and again. Until cancelled."""
        while True:
            try:
                await self.hand_over()
            except Stopped:
                return
            except (Overloaded, StoreError, *TRANSIENT) as error:
                _log.info("labels wait for the core", reason=str(error))
            await asyncio.sleep(SWEEP_S)

    async def hand_over(self) -> None:
        """
        Hand to the core what it has yet to take, in order, and note what it took.

        Raises Overloaded, Stopped, StoreError and PostgreSQL's errors: the rest waits.
        """
        async with self._turn:
            while waiting := await self._labels.waiting(AT_ONCE):
                taken = await self._taken(waiting)
                if taken:
                    await self._labels.take(taken)
                if len(taken) < len(waiting) or len(waiting) < AT_ONCE:
                    return

    async def _keep(self, good: list[tuple[Outcome, NewLabel]], sender: int) -> None:
        labels = [label for _, label in good]
        fresh = await self._labels.put(labels, sender) if labels else set()
        standing = await self._labels.standing([label.authorization_id for label in labels])
        for outcome, label in good:
            outcome.replayed = label.key not in fresh
            fresh.discard(label.key)
            outcome.standing = standing[label.authorization_id]

    def _errors(self, told: Told, intent: NDArray[Any] | None, now: datetime) -> list[tuple[str, str]]:
        if intent is None:
            return [("authorization_id", "there is no such authorization")]
        if told.learnt_at is None:
            return []
        sent_s = int(intent["request"]["transmission_s"][0])
        if told.learnt_at.timestamp() < sent_s:
            return [("learnt_time", "must not be before the authorization")]
        if not self._message_time and told.learnt_at > now + AHEAD_MAX:
            return [
                ("learnt_time", f"must not be in the future: it is {now.isoformat(timespec='seconds')} here")
            ]
        return []

    def _new(self, told: Told, now: datetime) -> NewLabel:
        learnt_at = now if told.learnt_at is None else told.learnt_at
        received_at = learnt_at if self._message_time else now
        return NewLabel(
            told.authorization_id,
            told.verdict,
            told.report_id,
            learnt_at,
            received_at.replace(microsecond=0),
            told.source,
            told.reported_by,
        )

    async def _taken(self, waiting: list[WaitingLabel]) -> list[int]:
        """Hand these over; the numbers of those that the core has, or need not have."""
        intents = await self._intents([label.authorization_id for label in waiting])
        learnt = [label for label in waiting if _is_attempt(intents.get(label.authorization_id))]
        taken = [label.number for label in waiting if not _is_attempt(intents.get(label.authorization_id))]
        if not learnt:
            return taken
        requests = label_requests(
            np.concatenate([intents[label.authorization_id] for label in learnt]),
            np.array([label.number for label in learnt], np.int64),
            np.array([label.verdict for label in learnt], np.uint8),
            np.array([label.superseded for label in learnt], np.uint8),
            np.array([label.received_s for label in learnt], np.int64),
            self._arrival_ns(),
        )
        codes = await self._answers(requests)
        # 91 is no answer: it is journalled and under way, and a repeat tells.
        return taken + [
            label.number for label, code in zip(learnt, codes.tolist(), strict=True) if code != LEDGER_AWAY
        ]

    async def _answers(self, requests: NDArray[Any]) -> NDArray[np.bytes_]:
        """The core's response codes, S2[n], to REQUEST[n]."""
        codes = np.zeros(len(requests), "S2")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def deliver(places: list[int], decisions: NDArray[Any]) -> None:
            codes[places] = decisions["response_code"]
            if (codes != b"").all() and not done.done():
                done.set_result(None)

        def fail(error: Exception) -> None:
            if not done.done():
                done.set_exception(error)

        self._submit(Parcel(requests.tobytes(), list(range(len(requests))), deliver, fail))
        await done
        return codes

    async def _intents(self, authorizations: list[UUID]) -> dict[UUID, NDArray[Any]]:
        """INTENT[1] of each authorization that there is: from PostgreSQL, the newest from the journal."""
        wanted = list(dict.fromkeys(authorizations))
        found = await self._labels.intents(wanted)
        missing = [authorization for authorization in wanted if authorization not in found]
        if missing:
            pairs = np.array([(value.int & _WORD, value.int >> 64) for value in missing], np.uint64)
            for authorization, intent in zip(missing, await self._journalled(pairs), strict=True):
                if intent is not None:
                    found[authorization] = intent
        return found


def journalled_intents(state: State, reader: JournalReader) -> Journalled:
    """Looks authorizations up in the core's memory and its journal."""

    async def find(identifiers: NDArray[np.uint64]) -> list[NDArray[Any] | None]:
        entries = state.repeats.find(identifiers)
        answers = entries["answer"]
        known = (entries["state"] != EntryState.FREE) & (answers["sequence"] != 0)
        known &= answers["operation"] == Operation.AUTHORIZE
        found: list[NDArray[Any] | None] = [None] * len(identifiers)
        batches: dict[int, NDArray[Any]] = {}
        for i in np.flatnonzero(known).tolist():
            number, place = int(answers["intent_batch"][i]), int(answers["intent_index"][i])
            if number not in batches:
                batches[number] = await asyncio.to_thread(reader.read_intents, number)
            if place < len(batches[number]):
                found[i] = batches[number][place : place + 1]
        return found

    return find


def _is_attempt(intent: NDArray[Any] | None) -> bool:
    """Whether features have seen it: an authorization that we were asked for, of a card that we know."""
    if intent is None:
        return False
    assert intent.dtype == INTENT
    return bool(intent["request"]["operation"][0] == Operation.AUTHORIZE and intent["card_row"][0] != NO_ROW)
