"""Who a call is from: the names of its certificate, and nothing that a caller writes himself."""

from functools import lru_cache
from typing import Any, Final

from server.core.record import digest

LOCAL: Final = "local"
"""The identity of callers without a certificate: only loopback gets so far."""

_ALTERNATIVE_NAME: Final = "x509_subject_alternative_name"
_KINDS: Final = ("peer_uri", "peer_dns")


@lru_cache(maxsize=1024)
def sender_of(name: str) -> int:
    """Digest of a caller's name. A key is the sender's: two senders may use the same STAN."""
    return digest(name.encode())


def alternative_names(context: Any) -> tuple[bytes, ...] | None:
    """
    The subject alternative names of the caller's certificate, of whatever kind, in its order; quick.

    None where he has no certificate; empty where it names nobody but by its subject, which isn't believed.
    """
    names = context.peer_identities()
    if not names:
        return None
    return tuple(names) if context.peer_identity_key() == _ALTERNATIVE_NAME else ()


def names_of(context: Any) -> list[str]:
    """The URIs and then the DNS names among them."""
    known = context.auth_context()
    return [name.decode(errors="replace") for kind in _KINDS for name in known.get(kind, ())]
