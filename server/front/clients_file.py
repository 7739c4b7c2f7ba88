"""
Who may call, and what each may do, as a TOML file. Whoever isn't in it may do nothing.

    [[client]]
    identity = "spiffe://bank.example/processor"  # a URI or DNS name of his certificate (subject alternative name)
    methods = ["AuthorizationService", "FeedbackService/LabelTransactions"]  # services, or single methods; "*" for all
    acquirers = ["123456"]                        # DE32 of his messages; "*" for all
    bins = ["999999", "400000-400999"]            # how his cards begin, 1 to 8 digits, or from-to; "*" for all
    tokens = false                                # whether he may name cards by token: a token doesn't tell its range
    rate = 5000                                   # messages a second, of all his connections
    concurrency = 1000                            # messages that may wait for answers at once

What is left out is not permitted; `rate` and `concurrency` left out are the defaults below.
"""

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from server.front.identity import LOCAL
from server.front.permits import (
    EVERY_ACQUIRER,
    EVERY_BIN,
    Permits,
    Ranges,
    acquirer_number,
    bin_range,
    joined,
)

RATE: Final = 50_000.0
CONCURRENCY: Final = 4_096
RATE_MAX: Final = 1e7
CONCURRENCY_MAX: Final = 1_000_000
IDENTITY_SIZE_MAX: Final = 255
CLIENTS_MAX: Final = 10_000
EVERY: Final = "*"

_KEYS: Final = ("identity", "methods", "acquirers", "bins", "tokens", "rate", "concurrency")
_DNS: Final = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)*"
    r"(?=[^.]*[A-Za-z])[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")

T = TypeVar("T")


class ClientsUnreadable(ValueError):  # noqa: N818 - told as what it is
    """A file of clients that can't be believed; the text names every bad entry and what is allowed."""


@dataclass(frozen=True, slots=True)
class Client:
    """What the file says of one identity."""

    permits: Permits
    rate: float = RATE
    concurrency: int = CONCURRENCY


def is_identity(text: str) -> bool:
    """Whether a text is a URI or a DNS name that a certificate may carry."""
    fits = len(text) <= IDENTITY_SIZE_MAX and text != LOCAL
    return fits and bool(_URI.fullmatch(text) or _DNS.fullmatch(text))


def read_clients(text: str, contract: Mapping[str, Iterable[str]]) -> dict[str, Client]:
    """
    The clients of a file by identity; `contract` is the methods of each service.

    Raises ClientsUnreadable, which names whatever is wrong, line by line.
    """
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ClientsUnreadable(f"it is no TOML: {error}") from error
    entries = document.pop("client", [])
    bad = [f"{key} is not known: the file holds [[client]] alone" for key in document]
    if not isinstance(entries, list) or not 0 < len(entries) <= CLIENTS_MAX:
        bad.append(f"it must hold 1 to {CLIENTS_MAX} times [[client]]")
        entries = []
    found: dict[str, Client] = {}
    for place, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict):
            bad.append(f"client {place}: must be a table")
            continue
        reading = _Entry(entry, f"client {place}", bad)
        identity = reading.identity()
        if identity in found:
            bad.append(f"client {place}: identity: {identity} is there twice")
        found[identity] = reading.client(contract)
    if bad:
        raise ClientsUnreadable("; ".join(bad))
    return found


class _Entry:
    """One [[client]], read key by key; what is wrong is told to `bad`."""

    def __init__(self, entry: Mapping[str, Any], where: str, bad: list[str]) -> None:
        self._entry = entry
        self._where = where
        self._bad = bad
        for key in entry:
            if key not in _KEYS:
                self._say(key, f"is none of {', '.join(_KEYS)}")

    def identity(self) -> str:
        text = self._entry.get("identity")
        if isinstance(text, str) and is_identity(text):
            self._where += f" ({text})"
            return text
        self._say("identity", "must be a URI or DNS name as it stands in the certificate")
        return ""

    def client(self, contract: Mapping[str, Iterable[str]]) -> Client:
        every = frozenset(
            f"{service}/{method}" for service, methods in contract.items() for method in methods
        )

        def methods_of(name: str) -> frozenset[str]:
            found = {method for method in every if method == name or method.startswith(f"{name}/")}
            if not found:
                raise ValueError(
                    f"{name!r} is none of {', '.join(contract)}, nor a method of one as Service/Method"
                )
            return frozenset(found)

        methods = self._listed("methods", methods_of)
        permits = Permits(
            None if methods is None else frozenset().union(*methods),
            self._ranges("acquirers", lambda text: (acquirer_number(text),) * 2, EVERY_ACQUIRER),
            self._ranges("bins", bin_range, EVERY_BIN),
            self._tokens(),
        )
        rate = self._number("rate", RATE, RATE_MAX, (int, float))
        return Client(
            permits, float(rate), int(self._number("concurrency", CONCURRENCY, CONCURRENCY_MAX, (int,)))
        )

    def _ranges(self, key: str, read: Callable[[str], tuple[int, int]], every: Ranges) -> Ranges:
        listed = self._listed(key, read)
        return every if listed is None else joined(listed)

    def _listed(self, key: str, read: Callable[[str], T]) -> list[T] | None:
        """What `read` makes of each entry of a list; None where all are meant."""
        given = self._entry.get(key, [])
        if given in (EVERY, [EVERY]):
            return None
        if not isinstance(given, list) or not all(isinstance(text, str) for text in given):
            self._say(key, f'must be a list of texts, or "{EVERY}" for all')
            return []
        found = []
        for text in given:
            try:
                found.append(read(text))
            except ValueError as error:
                self._say(key, str(error))
        return found

    def _tokens(self) -> bool:
        given = self._entry.get("tokens", False)
        if not isinstance(given, bool):
            self._say("tokens", "must be true or false")
            return False
        return given

    def _number(self, key: str, otherwise: float, most: float, kinds: tuple[type, ...]) -> float:
        given = self._entry.get(key, otherwise)
        is_number = isinstance(given, kinds) and not isinstance(given, bool)
        if not is_number or not 0 < given <= most:
            whole = "whole " if float not in kinds else ""
            self._say(key, f"must be a {whole}number above 0, at most {most:.0f}")
            return otherwise
        return float(given)

    def _say(self, key: str, text: str) -> None:
        self._bad.append(f"{self._where}: {key}: {text}")
