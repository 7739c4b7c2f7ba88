"""Who may do what. Every call and every row is checked against this one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Role(StrEnum):
    """From the least to the most."""

    VIEWER = "viewer"  # sees, masked
    ANALYST = "analyst"  # analyses, reports
    OFFICER = "officer"  # approves, files, sees the audit log
    ADMIN = "admin"  # settings, lists, retention; and what an officer may


class Permission(StrEnum):
    """What is asked for."""

    SEE_CASES = "see_cases"  # masked
    SEE_PERSONAL_DATA = "see_personal_data"  # unmasked; every view is an audit row
    WORK_CASES = "work_cases"  # assign, comment, evidence, analyse, open, propose a decision
    DECIDE = "decide"  # decide, reopen, approve as the second pair of eyes
    SEE_FILINGS = "see_filings"  # that there is a SAR, and what is in it (31 CFR 1020.320(e))
    PREPARE_FILINGS = "prepare_filings"
    APPROVE_FILINGS = "approve_filings"
    SEE_AUDIT = "see_audit"
    SCREEN = "screen"  # ask the lists
    CHANGE_LISTS = "change_lists"  # sanctions and country lists, exceptions, policies
    ADMINISTER = "administer"  # retention, legal hold, checkpoints


class Denied(Exception):  # noqa: N818 - an answer, told as what it is
    """The actor may not; what was asked for is in `permission`."""

    def __init__(self, actor: "Actor", permission: Permission) -> None:
        super().__init__(f"{actor.name} ({actor.role}) may not {permission.replace('_', ' ')}")
        self.actor = actor
        self.permission = permission


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a name from a client certificate or from the settings, and the role it has."""

    name: str
    role: Role


WORKER: Final = Actor("worker", Role.ANALYST)
"""The compliance worker itself: it analyses; it never approves."""

_VIEWER: Final = frozenset({Permission.SEE_CASES})
_ANALYST: Final = _VIEWER | {
    Permission.SEE_PERSONAL_DATA,
    Permission.WORK_CASES,
    Permission.SEE_FILINGS,
    Permission.PREPARE_FILINGS,
    Permission.SCREEN,
}
_OFFICER: Final = _ANALYST | {
    Permission.DECIDE,
    Permission.APPROVE_FILINGS,
    Permission.SEE_AUDIT,
    Permission.CHANGE_LISTS,
}
GRANTS: Final[Mapping[Role, frozenset[Permission]]] = {
    Role.VIEWER: _VIEWER,
    Role.ANALYST: _ANALYST,
    Role.OFFICER: _OFFICER,
    Role.ADMIN: _OFFICER | {Permission.ADMINISTER},
}


def may(actor: Actor, permission: Permission) -> bool:
    """Whether this actor may."""
    return permission in GRANTS[actor.role]


def require(actor: Actor, permission: Permission) -> None:
    """Raises Denied where this actor may not. Whoever catches it writes the audit row."""
    if not may(actor, permission):
        raise Denied(actor, permission)
