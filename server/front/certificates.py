"""
What TLS is spoken with: our certificate, its key, and whose clients' certificates we believe; renewed while we serve.

gRPC asks at each handshake. What has changed on disk by then is taken in, where it fits together: connections that stand go
on with what they began with, so a rotation drops no link.
"""

import ipaddress
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import grpc
import structlog
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

_log = structlog.get_logger("front")

_PARTS: Final = ("tls_certificate", "tls_key", "tls_client_ca")


class DoorClosed(RuntimeError):  # noqa: N818 - told as what it is
    """The service can't be opened; the text names the setting and says what to do."""


def certificates_of(
    prefix: str, certificate: Path | None, key: Path | None, client_ca: Path | None
) -> "Certificates | None":
    """
    The certificates of these settings, whose names begin with `prefix` in the environment; None where none is set.

    Raises DoorClosed.
    """
    if certificate is None and key is None and client_ca is None:
        return None
    found: dict[str, Path] = {}
    for name, path in zip(_PARTS, (certificate, key, client_ca), strict=True):
        if path is None:
            raise DoorClosed(f"{prefix}{name.upper()} is missing: TLS needs all of {', '.join(_PARTS)}")
        found[name] = path
    return Certificates(prefix, found)


def refuse_unsafe(prefix: str, host: str, *, otherwise: str = "") -> None:
    """Raises DoorClosed where without TLS we would be heard beyond this machine."""
    if not is_loopback(host):
        settings = ", ".join(f"{prefix}{name.upper()}" for name in _PARTS)
        raise DoorClosed(
            f"{prefix}HOST={host} is heard beyond this machine: set {settings}, or take 127.0.0.1{otherwise}"
        )


def is_loopback(host: str) -> bool:
    """Whether an address is this machine's alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Certificates:
    """Certificate, key and clients' authority as they stand on disk. May be asked from any thread."""

    def __init__(self, prefix: str, paths: Mapping[str, Path]) -> None:
        """Reads them; `prefix` begins the settings' names. Raises DoorClosed."""
        self._prefix = prefix
        self._paths = dict(paths)
        self._lock = threading.Lock()
        self._seen = self._left_aside = self._state()
        self._current = self._given = self._load()

    @property
    def expires_s(self) -> float:
        """When our certificate's time is over, in seconds since 1970: of the one that the next handshake gets."""
        self._look()
        return self._expires_s

    def credentials(self) -> Any:
        """What a secure port is opened with: clients must show a certificate, and every handshake takes the newest."""
        self._given = self._current
        return grpc.dynamic_ssl_server_credentials(
            self._given, self._renewed, require_client_authentication=True
        )

    def _renewed(self) -> Any | None:
        """The configuration where it has changed since it was given last; None where that one holds."""
        self._look()
        with self._lock:
            if self._current is self._given:
                return None
            self._given = self._current
            return self._given

    def _look(self) -> None:
        """Take in what has changed on disk."""
        with self._lock:
            state = self._state()
            if state == self._seen:
                return
            try:
                self._current = self._load()
            except DoorClosed as error:
                # Files are renewed one after the other: they are looked at again, and complained of once.
                if state != self._left_aside:
                    _log.warning("certificates that changed are left aside for now", reason=str(error))
                self._left_aside = state
                return
            self._seen = state
            _log.info("certificates have been renewed", expires_s=self._expires_s)

    def _load(self) -> Any:
        certificate, key, client_ca = (self._read(name) for name in _PARTS)
        own = self._parse("tls_certificate", certificate)[0]
        try:
            secret = load_pem_private_key(key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise DoorClosed(
                self._said("tls_key", f"is no PEM of a private key without a password: {error}")
            ) from error
        try:
            public = own.public_key()
        except (ValueError, UnsupportedAlgorithm) as error:
            text = f"has a public key that can't be read: {error}"
            raise DoorClosed(self._said("tls_certificate", text)) from error
        if _public(secret.public_key()) != _public(public):
            raise DoorClosed(self._said("tls_key", "is not the key of the certificate"))
        self._parse("tls_client_ca", client_ca)
        expires = own.not_valid_after_utc
        if expires.timestamp() <= time.time():
            raise DoorClosed(
                self._said("tls_certificate", f"its time is over since {expires:%Y-%m-%d %H:%M} UTC")
            )
        self._expires_s = expires.timestamp()
        return grpc.ssl_server_certificate_configuration([(key, certificate)], client_ca)

    def _parse(self, name: str, pem: bytes) -> list[x509.Certificate]:
        try:
            return x509.load_pem_x509_certificates(pem)
        except ValueError as error:
            raise DoorClosed(self._said(name, f"is no PEM of a certificate: {error}")) from error

    def _read(self, name: str) -> bytes:
        try:
            return self._paths[name].read_bytes()
        except OSError as error:
            raise DoorClosed(self._said(name, f"can't be read: {error.strerror}")) from error

    def _said(self, name: str, text: str) -> str:
        return f"{self._prefix}{name.upper()}: {self._paths[name]} {text}"

    def _state(self) -> tuple[tuple[int, ...] | None, ...]:
        """What changes when a file does."""
        return tuple(_stamp(path) for path in self._paths.values())


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        known = path.stat()
    except OSError:
        return None
    return known.st_mtime_ns, known.st_size, known.st_ino


def _public(key: Any) -> bytes:
    return bytes(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
