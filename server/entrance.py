"""Who is let in at the port of authorizations: by certificates and the file of clients, or this machine alone."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from server.front.certificates import Certificates, DoorClosed, certificates_of, is_loopback, refuse_unsafe
from server.front.clients import Callers, Clients, Everyone
from server.front.clients_file import ClientsUnreadable
from server.settings import Settings
from server.telemetry import Family

_log = structlog.get_logger("server")

PREFIX: Final = "HOLDFAST_"


class Entrance:
    """What the settings say of it, checked before anything listens."""

    certificates: Certificates | None
    """What TLS is spoken with; None without."""

    callers: Callers

    def __init__(self, settings: Settings, *, share: float = 1.0) -> None:
        """Raises DoorClosed, which names the setting. `share` is this front's of every client's rate and concurrency."""
        self.certificates = certificates_of(
            PREFIX, settings.tls_certificate, settings.tls_key, settings.tls_client_ca
        )
        self._clients: Clients | None = None
        if self.certificates is None:
            if settings.clients is not None:
                raise DoorClosed(
                    f"{PREFIX}CLIENTS is set without TLS: clients are known by their certificates alone"
                )
            if settings.insecure and not is_loopback(settings.host):
                _log.warning("served without TLS beyond this machine: whoever reaches it may do everything")
            elif not settings.insecure:
                refuse_unsafe(
                    PREFIX, settings.host, otherwise=", or --insecure where something else protects it"
                )
            self.callers = Everyone()
        else:
            if settings.clients is None:
                raise DoorClosed(
                    f"{PREFIX}CLIENTS is missing: with TLS nobody may do anything that a file of clients does not permit"
                )
            try:
                self._clients = Clients(settings.clients, share=share)
            except ClientsUnreadable as error:
                raise DoorClosed(f"{PREFIX}CLIENTS: {error}") from error
            self.callers = self._clients
        on_this_machine = self.certificates is None and is_loopback(settings.host)
        self.reflecting = on_this_machine if settings.reflection is None else settings.reflection
        """Whether the contract may be asked for."""

    async def follow(self) -> None:
        """Take in changes of the file of clients, for ever."""
        if self._clients is None:
            await asyncio.Event().wait()
        else:
            await self._clients.follow()

    def seen(self) -> dict[str, Any]:
        """What operators see of it: `client_refused` by client, and `certificate_expires_s`, None without TLS."""
        return {
            "client_refused": {} if self._clients is None else dict(self._clients.refused()),
            "certificate_expires_s": None if self.certificates is None else self.certificates.expires_s,
        }


def families_of(seen: Callable[[], Mapping[str, Any]]) -> list[Family]:
    """As metrics, what is `seen` of an entrance: our own, or the fronts'."""

    def expires() -> dict[tuple[str, ...], float]:
        expires_s = seen().get("certificate_expires_s")
        return {} if expires_s is None else {(): expires_s}

    return [
        Family(
            "holdfast_client_refused_total",
            "Messages that were more than a client may send.",
            ("client",),
            lambda: {(name,): float(count) for name, count in seen().get("client_refused", {}).items()},
        ),
        Family(
            "holdfast_certificate_expires_seconds",
            "When our certificate's time is over, in seconds since 1970.",
            (),
            expires,
        ),
    ]
