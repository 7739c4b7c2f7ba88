"""Who may call here: identities from certificates, what each is permitted, and how both are taken in while we serve."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn, Protocol

import structlog

from holdfast.v1 import accounts_pb2, authorization_pb2, feedback_pb2, transfers_pb2
from server.front.clients_file import ClientsUnreadable, read_clients
from server.front.identity import LOCAL, alternative_names, names_of, sender_of
from server.front.permits import AUTHORIZE, EVERYTHING, NOTHING, Caller, Meter, NotPermitted

_log = structlog.get_logger("front")

LOOK_S: Final = 1.0
"""How often the file is looked at."""

_EXPLAIN: Final = "AuthorizationService/Explain"
_ADVISE: Final = "AuthorizationService/Advise"
_NAMES_CARD: Final = (AUTHORIZE, _ADVISE, "AuthorizationService/Clear")
_KNOWN_MAX: Final = 10_000
_SHOWN_MAX: Final = 200
_CONTRACT: Final = (authorization_pb2, accounts_pb2, transfers_pb2, feedback_pb2)


class Unidentified(Exception):  # noqa: N818 - an answer, told as what it is
    """A caller whose certificate names nobody."""


class Callers(Protocol):
    """Knows who calls."""

    def of(self, context: Any) -> Caller:
        """Who calls. Raises Unidentified, and NotPermitted for somebody who may do nothing here."""
        ...


class Everyone:
    """Without certificates: whoever is heard is on this machine, is called LOCAL and may do everything."""

    def __init__(self) -> None:
        self._local = Caller(sender_of(LOCAL), LOCAL, EVERYTHING)

    def of(self, _context: Any) -> Caller:
        """The same for all."""
        return self._local


def contract() -> dict[str, list[str]]:
    """The methods of each service behind the door."""
    return {
        service.name: [method.name for method in service.methods]
        for module in _CONTRACT
        for service in module.DESCRIPTOR.services_by_name.values()
    }


def check_message(caller: Caller, method: str, message: Any) -> None:
    """Raises NotPermitted where the caller may not send this message of the contract; nothing of it was read yet."""
    if caller.permits.is_everything:
        return
    said = message.original if method == _ADVISE else message
    names_card = method in _NAMES_CARD
    pan, token = (said.pan, said.card_token) if names_card else ("", "")
    caller.check(method, said.key.acquirer_id, pan, token)


def check_explanation(caller: Caller, explanation: Any) -> None:
    """Raises LookupError where an authorization came by an acquirer that is not the caller's: to him there is none."""
    why = caller.permits.forbids(_EXPLAIN, explanation.request.key.acquirer_id, "", "")
    if why is not None:
        raise LookupError(f"there is no authorization {explanation.response.authorization_id}")


@contextmanager
def entered(callers: Callers, context: Any, method: str) -> Iterator[Caller]:
    """A call of `method` by whoever it is, counted while it lasts. Raises Unidentified, NotPermitted and OverLimit."""
    caller = callers.of(context)
    caller.require(method)
    caller.enter()
    try:
        yield caller
    finally:
        caller.done()


class Clients:
    """
    Callers by the file of clients, read again when it changes.

    A caller keeps one Caller for as long as we serve: what changes in the file holds for his open links too, and one who
    is taken out may do nothing more on them. With several fronts each has its `share` of a client's rate and concurrency.
    """

    def __init__(
        self, path: Path, *, share: float = 1.0, clock_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Reads the file. Raises ClientsUnreadable."""
        self._path = path
        self._share = share
        self._clock_s = clock_s
        self._callers: dict[str, Caller] = {}
        self._by_certificate: dict[tuple[bytes, ...], Caller] = {}
        self._seen = self._state()
        self._take(self._read())

    def of(self, context: Any) -> Caller:
        """Who calls. Raises Unidentified, and NotPermitted for somebody who may do nothing here."""
        names = alternative_names(context)
        caller = self._by_certificate.get(names or ())
        if caller is None:
            caller = self._identified(context)
            if len(self._by_certificate) < _KNOWN_MAX:
                self._by_certificate[names or ()] = caller
        if caller.permits is NOTHING:
            self._refuse([caller.name])
        return caller

    def refused(self) -> Iterator[tuple[str, int]]:
        """How many messages of each caller were too many."""
        for name, caller in self._callers.items():
            if caller.meter is not None and caller.meter.refused:
                yield name, caller.meter.refused

    async def follow(self) -> None:
        """Take in what changes, for ever. A file that can't be read changes nothing, and is told of."""
        while True:
            await asyncio.sleep(LOOK_S)
            state = self._state()
            if state != self._seen:
                self._seen = state
                self.look()

    def look(self) -> None:
        """Read the file again."""
        try:
            self._take(self._read())
        except ClientsUnreadable as error:
            _log.error("the file of clients is left aside: those of before hold", reason=str(error))
        else:
            _log.info("the file of clients has been read again", clients=len(self._callers))

    def _identified(self, context: Any) -> Caller:
        names = names_of(context)
        if not names:
            raise Unidentified(
                "the certificate names nobody: it needs a URI or DNS name (subject alternative name)"
            )
        known = [name for name in names if name in self._callers]
        if len(known) > 1:
            raise NotPermitted(f"the certificate names several clients: {', '.join(known)}")
        if not known:
            self._refuse(names)
        return self._callers[known[0]]

    def _refuse(self, names: list[str]) -> NoReturn:
        shown = ", ".join("".join(c if c.isprintable() else "?" for c in name) for name in names)
        raise NotPermitted(f"{shown[:_SHOWN_MAX]} may do nothing here")

    def _take(self, clients: dict[str, Any]) -> None:
        for name, client in clients.items():
            rate, concurrency = client.rate * self._share, max(1, round(client.concurrency * self._share))
            caller = self._callers.get(name)
            if caller is None:
                meter = Meter(rate, concurrency, self._clock_s())
                caller = Caller(sender_of(name), name, client.permits, meter, self._clock_s)
                self._callers[name] = caller
            elif caller.meter is not None:
                caller.meter.set(rate, concurrency)
            caller.permits = client.permits
        for name in self._callers.keys() - clients.keys():
            self._callers[name].permits = NOTHING
        self._by_certificate.clear()

    def _read(self) -> dict[str, Any]:
        try:
            return read_clients(self._path.read_text(encoding="utf-8"), contract())
        except OSError as error:
            raise ClientsUnreadable(f"{self._path} can't be read: {error.strerror}") from error
        except (ClientsUnreadable, UnicodeDecodeError) as error:
            raise ClientsUnreadable(f"{self._path}: {error}") from error

    def _state(self) -> tuple[int, ...]:
        """What changes when the file does."""
        try:
            known = self._path.stat()
        except OSError:
            return ()
        return known.st_mtime_ns, known.st_size, known.st_ino
