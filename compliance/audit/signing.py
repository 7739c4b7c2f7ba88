"""The key that signs checkpoints: Ed25519 (RFC 8032), in the keys folder of the home."""

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from compliance.audit.checkpoint import PREFIX, Signed

KEY_SIZE: Final = 32


class AuditKeyError(Exception):
    """A key that can't be used as it is; the message names the path and what to do."""


class Signer:
    """The private key. Its bytes never appear in a representation."""

    def __init__(self, secret: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(secret)
        self.public = self._key.public_key()
        self.public_hex = raw(self.public).hex()

    @classmethod
    def open(cls, keys: Path) -> Self:
        """Reads `audit.key` in the folder `keys`, and makes it where there is none. Raises AuditKeyError."""
        path = keys / "audit.key"
        try:
            if not path.exists():
                _make(path)
            mode = stat.S_IMODE(path.stat().st_mode)
            secret = path.read_bytes()
        except OSError as error:
            raise AuditKeyError(
                f"{path} can't be read or made ({error.strerror}). Check who owns it."
            ) from error
        if mode & 0o077:
            raise AuditKeyError(f"{path} is open to others (mode {mode:04o}). Run: chmod 0600 {path}")
        if len(secret) != KEY_SIZE:
            raise AuditKeyError(
                f"{path} holds {len(secret)} bytes instead of {KEY_SIZE}. Restore it from its backup."
            )
        return cls(secret)

    def sign(self, document: str) -> Signed:
        """The document with its signature."""
        return Signed(document, self._key.sign(PREFIX + document.encode()))


def raw(key: Ed25519PublicKey) -> bytes:
    """The 32 bytes of a public key."""
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def pem(key: Ed25519PublicKey) -> str:
    """A public key as strangers' tools take it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def public_of(path: Path) -> Ed25519PublicKey:
    """The public key in a PEM file. Raises AuditKeyError."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise AuditKeyError(f"{path} is no public key in PEM ({error})") from error
    if not isinstance(key, Ed25519PublicKey):
        raise AuditKeyError(f"{path} is another kind of key: Ed25519 is wanted")
    return key


def is_signed(signed: Signed, key: Ed25519PublicKey) -> bool:
    """Whether `key` signed exactly this document."""
    try:
        key.verify(signed.signature, PREFIX + signed.document.encode())
    except InvalidSignature:
        return False
    return True


def _make(path: Path) -> None:
    """Written aside and linked: of two first uses one wins, whole."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix="audit.key-", dir=path.parent)  # 0600
    with os.fdopen(descriptor, "wb") as file:
        file.write(os.urandom(KEY_SIZE))
        file.flush()
        os.fsync(file.fileno())
    try:
        with contextlib.suppress(FileExistsError):  # another start was faster
            path.hardlink_to(name)
    finally:
        Path(name).unlink()
