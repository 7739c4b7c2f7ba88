"""
The secrets of one installation: made at first start, kept beside the data and never inside PostgreSQL.

Four keys of 32 random bytes lie in `HOLDFAST_HOME/keys`, readable by their owner alone. What they make is stored
elsewhere: the keyed hash of a PAN finds its card, the keyed hash of an SSN finds its customer, the field key seals
names and numbers, the identifier key makes ids that any process makes again after any crash. Lost keys can't be made
again: whoever backs up the database backs up this folder too, separately.

The PAN key rotates. A new one waits as `pan.next.key` until the server starts, which takes it in: the one before stands
beside it as `pan.previous.key`, and `pan.since` says from when on the new one is good. Cards are found by both hashes and
move to the new key when they are seen; the previous key is retired once none stands under it. What a message says (so that
a repeat is told from another message under the same key) is hashed with the PAN key of the moment at which it was sent,
which is the same in every copy of it: so a repeat is one also across a rotation.
"""

import hmac
import os
import shutil
import stat
import struct
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

KEY_SIZE: Final = 32
KEY_NAMES: Final = ("pan", "ssn", "identifier", "field")
NONCE_SIZE: Final = 12
_BLOCK_SIZE: Final = 64
_INNER_PAD, _OUTER_PAD = 0x36, 0x5C
"""HMAC-SHA-256's (RFC 2104)."""

SEAL_VERSION: Final = b"\x01"
"""First byte of every sealed field: AES-256-GCM under the first field key."""

AHEAD_S: Final = 301
"""What a front accepted before a start may have been sent so long after it, by its sender's clock: see `front.fields`."""

REPEATED_S: Final = 3_601
"""So long after it was sent a copy of a message may still come: see `front.fields`."""

_PAN: Final = "pan.key"
_NEXT: Final = "pan.next.key"
_PREVIOUS: Final = "pan.previous.key"
_SINCE: Final = "pan.since"

_FINGERPRINT_LABEL: Final = b"holdfast fingerprint of the PAN key"

_PARTY_LABEL: Final = b"holdfast party: "

_PAIR: Final = struct.Struct("<QQ")


class KeysError(Exception):
    """Keys that can't be used as they are; the message names the path and what to do."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of one installation, in memory. Their bytes never appear in a representation."""

    pan: bytes = field(repr=False)
    ssn: bytes = field(repr=False)
    identifier_key: bytes = field(repr=False)
    sealing: AESGCM = field(repr=False)
    previous_pan: bytes | None = field(default=None, repr=False)
    """The PAN key before this one, while cards may stand under it."""
    since_s: int = field(default=0, repr=False)
    """From when on `pan` is good; messages that were sent before are hashed as they were then."""
    _pan_states: tuple[Any, Any] = field(init=False, repr=False)
    """SHA-256 that has taken in the PAN key: HMAC's inner and outer hash."""

    def __post_init__(self) -> None:
        padded = self.pan.ljust(_BLOCK_SIZE, b"\0")
        states = tuple(sha256(bytes(byte ^ pad for byte in padded)) for pad in (_INNER_PAD, _OUTER_PAD))
        object.__setattr__(self, "_pan_states", states)

    @classmethod
    def open(cls, home: Path) -> Self:
        """
        Reads the keys under `home`, and makes them where there is no `keys` folder yet.

        Raises KeysError where the folder or a file is open to others, missing or of another size.
        """
        folder = home / "keys"
        try:
            if not folder.exists():
                _make(home, folder)
        except PermissionError as error:
            raise KeysError(
                f"{error.filename} may not be written by this user. Choose another HOLDFAST_HOME."
            ) from error
        _refuse_wider(folder, 0o700)
        secrets = {name: _read(folder / f"{name}.key") for name in KEY_NAMES}
        sealing = AESGCM(secrets["field"])
        previous, since_s = _previous(folder)
        return cls(secrets["pan"], secrets["ssn"], secrets["identifier"], sealing, previous, since_s)

    @property
    def fingerprint(self) -> str:
        """16 hex digits that tell PAN keys apart and reveal nothing of them."""
        return fingerprint_of(self.pan)

    @property
    def previous_fingerprint(self) -> str | None:
        """That of the PAN key before this one; None where there is none."""
        return None if self.previous_pan is None else fingerprint_of(self.previous_pan)

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the PAN keys that cards may stand under, today's first."""
        return (
            (self.fingerprint,)
            if self.previous_pan is None
            else (self.fingerprint, fingerprint_of(self.previous_pan))
        )

    def pan_hashes(self, pan: str) -> list[bytes]:
        """Every `pan_hash` that PostgreSQL may know a PAN under, today's first."""
        keys = (self.pan,) if self.previous_pan is None else (self.pan, self.previous_pan)
        return [hmac.digest(key, pan.encode(), "sha256")[:16] for key in keys]

    def renewal(self, pan: bytes) -> bytes:
        """`pan_key_bytes` by today's PAN key and by the one before, which must be there: 32 bytes."""
        assert self.previous_pan is not None
        return self.pan_key_bytes(pan) + hmac.digest(self.previous_pan, pan, "sha256")[:16]

    def said_key(self, pan: bytes, sent_s: int) -> bytes:
        """`pan_key_bytes` by the PAN key of the moment at which a message was sent (its transmission time)."""
        if self.previous_pan is None or sent_s >= self.since_s:
            return self.pan_key_bytes(pan)
        return hmac.digest(self.previous_pan, pan, "sha256")[:16]

    def pan_hash(self, pan: str) -> bytes:
        """The 16 bytes under which PostgreSQL knows a PAN: the first half of its HMAC-SHA-256."""
        return hmac.digest(self.pan, pan.encode(), "sha256")[:16]

    def pan_key(self, pan: str) -> tuple[int, int]:
        """`pan_hash` as the u128 (low, high) of a request's `card_key`, little-endian."""
        low, high = _PAIR.unpack(self.pan_key_bytes(pan.encode()))
        return low, high

    def pan_key_bytes(self, pan: bytes) -> bytes:
        """The 16 bytes of `pan_hash`, from ASCII digits, as the answer path takes them."""
        # HMAC by its definition (RFC 2104), from states that know the key: half the time of `hmac`'s own copy. And it
        # keeps the interpreter's lock; hmac.digest lets it go, and waits to get it back.
        inner, outer = self._pan_states
        inner, outer = inner.copy(), outer.copy()
        inner.update(pan)
        outer.update(inner.digest())
        digest: bytes = outer.digest()
        return digest[:16]

    def pan_keys(self, pans: Iterable[str]) -> NDArray[np.uint64]:
        """`pan_key` of many: u8[n, 2]."""
        digests = b"".join([hmac.digest(self.pan, pan.encode(), "sha256")[:16] for pan in pans])
        return np.frombuffer(digests, "<u8").reshape(-1, 2)

    def ssn_hash(self, ssn: str) -> bytes:
        """32 bytes that find a customer by SSN (nine digits) and can't be turned back without the key."""
        return hmac.digest(self.ssn, ssn.encode(), "sha256")

    def party_key(self, text: str) -> bytes:
        """16 bytes that find the same party again and tell nothing of it without the key."""
        return hmac.digest(self.identifier_key, _PARTY_LABEL + text.encode(), "sha256")[:16]

    def seal(self, name: str, text: str) -> bytes:
        """Encrypts a field's text: version, nonce, ciphertext and tag. `name` binds it to its column."""
        nonce = os.urandom(NONCE_SIZE)
        return SEAL_VERSION + nonce + self.sealing.encrypt(nonce, text.encode(), name.encode())

    def seal_many(self, name: str, texts: Sequence[str]) -> list[bytes]:
        """`seal` of a column."""
        random = os.urandom(NONCE_SIZE * len(texts))
        associated, encrypt = name.encode(), self.sealing.encrypt
        sealed = []
        for index, text in enumerate(texts):
            nonce = random[index * NONCE_SIZE : (index + 1) * NONCE_SIZE]
            sealed.append(SEAL_VERSION + nonce + encrypt(nonce, text.encode(), associated))
        return sealed

    def unseal(self, name: str, sealed: bytes) -> str:
        """The text that `seal` was given. Raises KeysError for another key, column, version or a changed byte."""
        if sealed[:1] != SEAL_VERSION:
            raise KeysError(
                f"{name} is sealed in format {sealed[:1].hex() or 'empty'}, which this version does not know"
            )
        nonce, rest = sealed[1 : 1 + NONCE_SIZE], sealed[1 + NONCE_SIZE :]
        try:
            return self.sealing.decrypt(nonce, rest, name.encode()).decode()
        except (InvalidTag, ValueError) as error:
            raise KeysError(
                f"{name} can't be decrypted: it was sealed with another field.key, or changed since. "
                "Restore the keys folder that belongs to this database."
            ) from error


class PanKey:
    """The files of the PAN key in a home's keys folder: made anew, taken in by a start, retired."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "keys"

    @property
    def waits(self) -> bool:
        """Whether a new one waits for the next start."""
        return (self._folder / _NEXT).exists()

    @staticmethod
    def draw() -> bytes:
        """A new one."""
        return os.urandom(KEY_SIZE)

    def put(self, secret: bytes) -> None:
        """Have it wait for the next start. Raises KeysError where one waits already."""
        try:
            _write(self._folder / _NEXT, secret)
        except FileExistsError:
            raise KeysError("a new PAN key waits already: the next start of the server takes it in") from None
        _sync_folder(self._folder)

    def take_in(self) -> bool:
        """Before anything is opened: the key that waits becomes the one in use. Whether there was one."""
        if not self.waits:
            return False
        _read(self._folder / _NEXT)
        # Killed anywhere in here, the next start does it again: until the last step nothing was hashed with the new one.
        for name in (_PREVIOUS, _SINCE):
            (self._folder / name).unlink(missing_ok=True)
        _write(self._folder / _PREVIOUS, _read(self._folder / _PAN))
        _write(self._folder / _SINCE, b"%d\n" % (time.time() + AHEAD_S))
        _sync_folder(self._folder)
        (self._folder / _NEXT).rename(self._folder / _PAN)
        _sync_folder(self._folder)
        return True

    def retire(self) -> None:
        """Forget the previous one, for good. Nothing may stand under it."""
        for name in (_SINCE, _PREVIOUS):
            (self._folder / name).unlink(missing_ok=True)
        _sync_folder(self._folder)


def fingerprint_of(secret: bytes) -> str:
    """16 hex digits that tell PAN keys apart and reveal nothing of them."""
    return hmac.digest(secret, _FINGERPRINT_LABEL, "sha256")[:8].hex()


def _previous(folder: Path) -> tuple[bytes | None, int]:
    """The PAN key before today's, if there is one, and from when on today's is good."""
    path = folder / _PREVIOUS
    if not path.exists():
        return None, 0
    try:
        return _read(path), int((folder / _SINCE).read_text())
    except (FileNotFoundError, ValueError):
        raise KeysError(
            f"{folder / _SINCE} must tell, in seconds since 1970, from when on {_PAN} is good. Restore it from the backup "
            "of the keys folder."
        ) from None


def _make(home: Path, folder: Path) -> None:
    """Writes a whole new folder beside `folder` and renames it: a start killed half-way leaves no half set."""
    home.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix="keys.new-", dir=home))  # 0700
    for name in KEY_NAMES:
        _write(fresh / f"{name}.key", os.urandom(KEY_SIZE))
    _sync_folder(fresh)
    try:
        fresh.rename(folder)
    except OSError:
        # Another start was faster: its keys are the installation's.
        shutil.rmtree(fresh)
        if not folder.exists():
            raise
    _sync_folder(home)


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_wider(path: Path, mode: int) -> None:
    found = stat.S_IMODE(path.stat().st_mode)
    if found & ~mode:
        raise KeysError(f"{path} is open to others (mode {found:04o}). Run: chmod {mode:o} {path}")


def _read(path: Path) -> bytes:
    if not path.exists():
        raise KeysError(
            f"{path} is missing. Restore it from the backup of the keys folder: without it, stored data can't be read. "
            "For a new, empty installation choose another HOLDFAST_HOME."
        )
    _refuse_wider(path, 0o600)
    secret = path.read_bytes()
    if len(secret) != KEY_SIZE:
        raise KeysError(
            f"{path} holds {len(secret)} bytes instead of {KEY_SIZE}. Restore it from its backup."
        )
    return secret
