"""Who acts: a name and its role, from the settings."""

import getpass

from compliance.roles import Actor, Role
from server.office.settings import OfficeSettings


class NobodyError(Exception):
    """Nobody that the settings know; the message says what to set."""


def actor_of(settings: OfficeSettings, name: str) -> Actor:
    """The actor of that name. Raises NobodyError where the settings give it no role."""
    role = settings.people.get(name)
    if role is None:
        known = ", ".join(sorted(settings.people)) or "nobody"
        raise NobodyError(f"{name!r} has no role: HOLDFAST_COMPLIANCE_PEOPLE names {known}")
    return Actor(name, role)


def actor_here(settings: OfficeSettings) -> Actor:
    """
    Who acts on the command line.

    Where no people are set, whoever can open this home and its keys is its admin. Raises NobodyError.
    """
    name = settings.user
    if not name:
        try:
            name = getpass.getuser()
        except (KeyError, OSError) as error:
            raise NobodyError("this machine's user has no name: set HOLDFAST_COMPLIANCE_USER") from error
    if not settings.people:
        return Actor(name, Role.ADMIN)
    return actor_of(settings, name)
