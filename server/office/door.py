"""ComplianceService on its port: with mutual TLS and a role for each name, or for this machine alone."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, Self

from compliance.cases.changes import CHANNEL
from compliance.cases.clocks import ServiceLevels
from compliance.cases.desk import CaseDesk
from compliance.ports import Seals
from server.front.callers import Callers
from server.front.certificates import Certificates, DoorClosed, certificates_of, refuse_unsafe
from server.front.compliance import Analyse, ComplianceService
from server.front.compliance_watch import Watches
from server.front.door import Door
from server.office.settings import OfficeSettings
from server.store.bell import Bell
from server.store.database import Database
from server.store.masking import mask_name

_PREFIX: Final = "HOLDFAST_COMPLIANCE_"


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def levels_of(settings: OfficeSettings) -> ServiceLevels:
    """How long cases may take."""
    return ServiceLevels(
        settings.sanctions_case_h, settings.high_case_h, settings.medium_case_days, settings.low_case_days
    )


def desk_of(
    database: Database, seals: Seals, settings: OfficeSettings, clock: Callable[[], datetime] = now
) -> CaseDesk:
    """The desk as the settings have it."""
    return CaseDesk(
        database, seals, clock, mask=mask_name, levels=levels_of(settings), people=settings.people
    )


def tls_of(settings: OfficeSettings) -> Certificates | None:
    """
    What TLS is spoken with; None without.

    Raises DoorClosed where it is set in part or can't be read, and where without it we would be heard beyond this
    machine.
    """
    certificates = certificates_of(
        _PREFIX, settings.tls_certificate, settings.tls_key, settings.tls_client_ca
    )
    if certificates is None:
        refuse_unsafe(_PREFIX, settings.host)
    elif not settings.people:
        raise DoorClosed(
            'HOLDFAST_COMPLIANCE_PEOPLE gives nobody a role: name those who have certificates, such as {"alice": "analyst"}'
        )
    return certificates


class OfficeDoor:
    """The open service. Made by `open`."""

    def __init__(self, door: Door, bell: Bell, port: int) -> None:
        self.port = port
        self._door = door
        self._ringing = asyncio.ensure_future(bell.run())

    @classmethod
    async def open(
        cls,
        database: Database,
        seals: Any,
        settings: OfficeSettings,
        *,
        analyse: Analyse | None = None,
        clock: Callable[[], datetime] = now,
    ) -> Self:
        """Listen, and say that calls are welcome. Raises DoorClosed and PortTaken."""
        tls = tls_of(settings)
        desk = desk_of(database, seals, settings, clock)
        bell = Bell(database, CHANNEL)
        callers = Callers(settings.people, None if tls else settings.local_role)
        service = ComplianceService(
            database, desk, callers, Watches(database, desk, bell, clock), clock, analyse=analyse
        )
        door = Door(service, message_bytes_max=settings.message_bytes_max, reflecting=tls is None)
        try:
            port = await door.open(settings.host, settings.port, tls)
        except BaseException:
            await door.close(0)
            raise
        await door.serve()
        return cls(door, bell, port)

    async def close(self, grace_s: float) -> None:
        """Take nothing new, let what is under way end, and close."""
        await self._door.refuse()
        await self._door.close(grace_s)
        self._ringing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._ringing
