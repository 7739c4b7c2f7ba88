"""What a checkpoint says, and how it is written and signed. Pure."""

import json
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Final, Self

PREFIX: Final = b"holdfast audit checkpoint\n"
"""Before what is signed: the key signs nothing else by accident."""

NOTHING: Final = bytes(32).hex()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log from one row to another, as it was. Hashes are hexadecimal, times microseconds since 1970."""

    number: int  # from 1, without gaps
    first_row: int
    last_row: int  # first_row - 1 where it seals no row, only that rows were given up
    root: str  # Merkle tree hash of the rows' hashes (RFC 6962)
    chain: str  # hash of last_row
    pruned_to: int  # rows up to this one were given up by age; 0 = none
    made_at_us: int
    previous: str  # digest of the checkpoint before; zeros before the first
    key: str  # public key, Ed25519

    @property
    def document(self) -> str:
        """As it is signed: JSON, keys in order, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def of(cls, document: str) -> Self:
        """Raises ValueError for what is not exactly a document of ours."""
        try:
            found = cls(**json.loads(document))
        except TypeError as error:
            raise ValueError(str(error)) from error
        kinds = (int, int, int, str, str, int, int, str, str)
        if not all(type(value) is kind for value, kind in zip(asdict(found).values(), kinds, strict=True)):
            raise ValueError("a field is of another kind")
        if found.document != document:
            raise ValueError("not canonical")
        return found


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint's document with its signature, as both places keep it."""

    document: str
    signature: bytes

    @property
    def digest(self) -> str:
        """What the next checkpoint names as `previous`."""
        return sha256(self.document.encode() + self.signature).hexdigest()

    @property
    def line(self) -> str:
        """As a line of the second place."""
        return json.dumps({"document": self.document, "signature": self.signature.hex()}) + "\n"

    @classmethod
    def of(cls, line: str) -> Self:
        """Raises ValueError for what is no such line."""
        found = json.loads(line)
        if not isinstance(found, dict) or not isinstance(found.get("document"), str):
            raise ValueError("no document")  # noqa: TRY004 - of the line, not of an argument
        return cls(found["document"], bytes.fromhex(str(found.get("signature"))))
