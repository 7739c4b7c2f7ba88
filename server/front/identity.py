"""Who a call is from. A key is the sender's: two senders may use the same STAN."""

from functools import lru_cache
from typing import Any

from server.core.record import digest

LOCAL = "local"
"""The identity of callers without a certificate: only loopback gets so far."""


def sender_of(context: Any) -> int:
    """Digest of the caller's identity: the first subject alternative name of its certificate, else LOCAL."""
    identities = context.peer_identities()
    return _digest(min(identities) if identities else LOCAL.encode())


@lru_cache(maxsize=1024)
def _digest(identity: bytes) -> int:
    return digest(identity)


def certified(context: Any) -> str | None:
    """The first subject alternative name of the caller's certificate, else its common name; None without one."""
    identities = context.peer_identities()
    if not identities:
        return None
    first: bytes = next(iter(identities))
    return first.decode(errors="replace")
