"""
A certificate authority for development: its own certificate, and those of a server and of clients that it signs.

Keys are P-256, files are PEM under the names that Kubernetes and cert-manager use: `ca.crt`, `tls.crt`, `tls.key`. A real
installation takes its certificates from an authority of its own; Holdfast only reads files.
"""

import ipaddress
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_CERTIFICATE: Final = "ca.crt"
CA_KEY: Final = "ca.key"
CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
SERVER: Final = "server"
"""The folder of the server's own."""

_BEFORE: Final = timedelta(minutes=5)
"""Clocks differ: a certificate is good from a little before it was made."""

_SIGNATURE_ONLY: Final = dict.fromkeys(
    (
        *("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"),
        "decipher_only",
    ),
    False,
)


class AuthorityError(Exception):
    """What was asked for can't be made; the text says why and what to do."""


class Told(NamedTuple):
    """What a certificate says of itself."""

    path: Path
    names: list[str]
    use: str
    expires: datetime
    fingerprint: str


class Authority:
    """The authority of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def certificate(self) -> Path:
        """Where its own certificate is."""
        return self.folder / CA_CERTIFICATE

    def make(self, name: str, now: datetime, days: int) -> None:
        """Make it, once. Raises AuthorityError where it is there."""
        if self.certificate.exists() or (self.folder / CA_KEY).exists():
            raise AuthorityError(
                f"{self.folder} has an authority already: what it signed would be worth nothing with another"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = _begun(subject, subject, key.public_key(), now, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **_SIGNATURE_ONLY)
        own = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        self.folder.mkdir(parents=True, exist_ok=True)
        _write(self.folder / CA_KEY, _secret(key), 0o600)
        _write(self.certificate, own.public_bytes(serialization.Encoding.PEM), 0o644)

    def issue(self, names: Sequence[str], folder: Path, now: datetime, days: int, *, server: bool) -> None:
        """
        Sign a certificate that carries `names` as subject alternative names; certificate, key and authority into `folder`.

        A name with a colon is a URI, or an address; others are DNS names. What was in the folder is replaced: a server
        takes it in while it runs. Raises AuthorityError.
        """
        own, secret = self._open()
        alternative = x509.SubjectAlternativeName([_general(name) for name in names])
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        usage = x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **_SIGNATURE_ONLY)
        signed = (
            _begun(subject, own.subject, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
            .add_extension(alternative, critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(secret.public_key()), critical=False
            )
            .sign(secret, hashes.SHA256())
        )
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / KEY, _secret(key), 0o600)
        _write(folder / CERTIFICATE, signed.public_bytes(serialization.Encoding.PEM), 0o644)
        _write(folder / CA_CERTIFICATE, self.certificate.read_bytes(), 0o644)

    def _open(self) -> tuple[x509.Certificate, Any]:
        try:
            own = x509.load_pem_x509_certificate(self.certificate.read_bytes())
            secret = serialization.load_pem_private_key((self.folder / CA_KEY).read_bytes(), None)
        except FileNotFoundError as error:
            raise AuthorityError(
                f"{self.folder} has no authority: make one with `holdfast keys ca`"
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise AuthorityError(f"the authority in {self.folder} can't be read: {error}") from error
        return own, secret


def folder_of(name: str) -> str:
    """The folder of a client's files: the last part of a URI, or the name as it is."""
    last = (urlsplit(name).path.rstrip("/").rpartition("/")[2] if ":" in name else name) or "client"
    return (
        "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in last).strip(".")
        or "client"
    )


def read(path: Path) -> Told:
    """What the first certificate of a PEM file says. Raises AuthorityError."""
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        raise AuthorityError(f"{path} holds no certificate that can be read: {error}") from error
    names: list[str] = []
    use = "any"
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectAlternativeName):
            names = [str(name.value) for name in value]
        elif isinstance(value, x509.ExtendedKeyUsage):
            use = "server" if ExtendedKeyUsageOID.SERVER_AUTH in value else "client"
        elif isinstance(value, x509.BasicConstraints) and value.ca:
            use = "authority"
    return Told(
        path,
        names or [certificate.subject.rfc4514_string()],
        use,
        certificate.not_valid_after_utc.astimezone(UTC),
        certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, key: Any, now: datetime, days: int
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        pass
    try:
        return x509.UniformResourceIdentifier(name) if ":" in name else x509.DNSName(name)
    except ValueError as error:
        raise AuthorityError(f"{name!r} can't stand in a certificate: {error}") from error


def _secret(key: Any) -> bytes:
    return bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


def _write(path: Path, text: bytes, mode: int) -> None:
    """Replace a file at once, so that nobody reads half of it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text)
    fresh.rename(path)
