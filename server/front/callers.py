"""Who calls the office, and in which role: by his certificate; without certificates, whoever is on this machine."""

import re
from collections.abc import Mapping
from typing import Any, Final
from uuid import uuid4

from compliance.cases.records import By
from compliance.roles import Actor, Role
from server.front.fields import BadRequest, Violation
from server.front.identity import LOCAL, alternative_names

CORRELATION: Final = "x-correlation-id"
_FIT: Final = re.compile(r"[!-~]{1,64}")
_SHOWN_MAX: Final = 100


class Stranger(Exception):  # noqa: N818 - an answer, told as what it is
    """A certificate that is believed, of somebody who has no role here."""

    def __init__(self, name: str) -> None:
        shown = "".join(letter if letter.isprintable() else "?" for letter in name)[:_SHOWN_MAX]
        super().__init__(f"{shown!r} has no role here")
        self.name = shown


class Callers:
    """
    Knows `people` by the subject alternative names of their certificates, the first that has a role.

    `local_role` is the role of callers without one; None where everybody has to have one.
    """

    def __init__(self, people: Mapping[str, Role], local_role: Role | None) -> None:
        self._people = people
        self._local_role = local_role

    def by(self, context: Any) -> By:
        """Who calls, and the id of his call. Raises Stranger, and BadRequest for an id that can't be one."""
        correlation_id = self.correlation_id(context)
        if not _FIT.fullmatch(correlation_id):
            raise BadRequest([Violation(CORRELATION, "must be 1 to 64 printable ASCII characters")])
        certified = alternative_names(context)
        if certified is None:
            if self._local_role is None:
                raise Stranger("")
            return By(Actor(LOCAL, self._local_role), correlation_id)
        names = [name.decode(errors="replace") for name in certified]
        for name in names:
            if (role := self._people.get(name)) is not None:
                return By(Actor(name, role), correlation_id)
        raise Stranger(names[0] if names else "")

    def correlation_id(self, context: Any) -> str:
        """The call's own id, or a fresh one."""
        for key, value in context.invocation_metadata() or ():
            if key == CORRELATION:
                return str(value)[:_SHOWN_MAX]
        return uuid4().hex
