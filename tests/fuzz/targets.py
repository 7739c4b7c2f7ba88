"""
What takes bytes from strangers or from disk, as functions of those bytes: each ends well, or by the errors it names.

A target is fed with its seeds, damaged and mixed: by hypothesis in the tests, by atheris in `python -m tests.fuzz`.
"""

import asyncio
import atexit
import functools
import shutil
import sqlite3
import tempfile
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from google.protobuf.message import DecodeError
from pydantic import ValidationError

from holdfast.v1 import accounts_pb2, feedback_pb2, transfers_pb2
from holdfast.v1 import authorization_pb2 as pb
from loadtest.traffic import Traffic
from server.authority import Authority
from server.core import snapshot
from server.core.formats import UnknownFormat, read_decisions, read_intents
from server.core.journal import Journal, JournalStopped
from server.core.journal_reader import JournalCorrupt, JournalReader
from server.core.names import Names
from server.core.parcel import Overloaded
from server.core.record import DECISION, INTENT, REQUEST, REQUEST_VERSION, Operation
from server.front.asking import asked
from server.front.certificates import Certificates, DoorClosed
from server.front.clients import contract
from server.front.clients_file import ClientsUnreadable, read_clients
from server.front.fields import BadRequest, parse
from server.front.frames import MESSAGES_MAX, FrameDecoder
from server.front.gathering import Singles
from server.front.link import Link
from server.front.permits import EVERYTHING, Caller
from server.front.reading import Reader
from server.front.writing import AnswerWriter
from server.keys import Keys
from server.settings import Settings

NOW_S = 1_790_000_000
SENDER = 7
OPERATIONS = ("authorize", "increment", "reverse", "advise", "clear")
FAULT_CODES = {3, 7, 8}
"""INVALID_ARGUMENT, PERMISSION_DENIED, RESOURCE_EXHAUSTED: never INTERNAL."""


@dataclass(frozen=True)
class Target:
    """Something that takes bytes, and good ones to begin with."""

    run: object
    seeds: object


def named(told):
    """An error says what is wrong."""
    assert told


def clock_ns():
    """The messages' own time."""
    return NOW_S * 1_000_000_000


@functools.cache
def scratch():
    """A folder of this process, removed at its end."""
    folder = Path(tempfile.mkdtemp(prefix="holdfast-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@functools.cache
def keys():
    """Keys of an installation."""
    return Keys.open(scratch() / "home")


@functools.cache
def reader():
    """The reader of messages."""
    return Reader(keys(), clock_ns, message_time=False)


@functools.cache
def decoder():
    """The decoder of frames."""
    return FrameDecoder(keys().pan_key_bytes, keys().identifier_key, clock_ns, message_time=False)


@functools.cache
def requests():
    """Some ordinary AuthorizeRequests, as bytes."""
    return Traffic(3, 100, run=1).serialized(4, NOW_S)


def messages():
    """One message of each kind."""
    original = pb.AuthorizeRequest.FromString(requests()[0])
    about = {"key": original.key, "authorization_id": "0" * 32}
    return {
        "authorize": original,
        "increment": pb.IncrementRequest(**about, amount_minor=5),
        "reverse": pb.ReverseRequest(key=original.key, original=original.key, remaining_minor=1),
        "advise": pb.AdviseRequest(original=original, response_code="00"),
        "clear": pb.ClearRequest(**about, amount_minor=5, merchant=original.merchant, pan=original.pan),
    }


def frames():
    """A frame of one of each, and one of ordinary messages."""
    mixed = [pb.LinkMessage(sequence=n, **{name: body}) for n, (name, body) in enumerate(messages().items())]
    plain = [pb.LinkMessage(authorize=pb.AuthorizeRequest.FromString(raw)) for raw in requests()]
    echo = pb.LinkMessage(sequence=9, echo=pb.Echo(text="x"))
    return [pb.LinkRequest(messages=part).SerializeToString() for part in (plain, [*mixed, echo])]


def read_frame(data):
    """A frame's ordinary messages make the records that the reader makes of them; the others are left whole."""
    frame = decoder().decode(data, SENDER)
    assert len(frame.records) == len(frame.sequences) <= MESSAGES_MAX
    if frame.unread or not any(frame.records):
        return
    try:
        parsed = pb.LinkRequest.FromString(data).messages
    except DecodeError:
        return  # one that is left is no message at all: the link refuses the frame
    for message, record in zip(parsed, frame.records, strict=True):
        if record is not None:
            assert reader().authorize(message.authorize, SENDER) == record


def read_message(data):
    """The first byte chooses what the rest is parsed as; it becomes a record, or every bad field is named."""
    operation = OPERATIONS[data[0] % len(OPERATIONS)] if data else OPERATIONS[0]
    kind = type(messages_once()[operation])
    try:
        record = getattr(reader(), operation)(parse(kind, data[1:]), SENDER)
    except BadRequest as error:
        named(error.violations)
    else:
        assert len(record) == REQUEST.itemsize


messages_once = functools.cache(messages)


class Answering:
    """A core that approves whatever comes, refuses every fifth parcel, and keeps what it was given."""

    def __init__(self):
        self.parcels = 0

    next_turn_s = 0.0

    def is_full(self, _source=0):
        return self.parcels % 7 == 6

    def note_refused(self, _count):
        self.parcels += 1

    def submit(self, parcel):
        self.parcels += 1
        if self.parcels % 5 == 0:
            raise Overloaded("too many wait")
        records = np.frombuffer(parcel.records, REQUEST)
        assert len(records) == len(parcel.places)
        decisions = np.zeros(len(records), DECISION)
        decisions["operation"], decisions["response_code"] = records["operation"], b"00"
        parcel.deliver(parcel.places, decisions)


def use_link(data):
    """Frames with a length before each, on one link: every message has one answer, or a fault that is not ours."""

    async def run():
        core = Answering()
        caller = Caller(SENDER, "fuzz", EVERYTHING)
        writer = AnswerWriter(Names())
        singles = Singles(core, decoder(), writer)
        link = Link(core, decoder(), reader(), writer, singles, caller, source=1, in_flight_max=1_024)
        at = 0
        while at < len(data):
            size = int.from_bytes(data[at : at + 2], "big")
            link._take(data[at + 2 : at + 2 + size])
            at += 2 + size
        singles.flush()
        while link._ready:
            for answer in pb.LinkResponse.FromString(link._next_frame()).answers:
                assert not answer.HasField("fault") or answer.fault.status_code in FAULT_CODES, answer
        assert link._in_flight == 0

    asyncio.run(run())


def use_services(data):
    """The messages of the other services: checked, or every bad field is named."""
    for kind in (
        transfers_pb2.CreateTransferRequest,
        accounts_pb2.OpenAccountRequest,
        feedback_pb2.LabelTransactionsRequest,
    ):
        try:
            message = parse(kind, data)
            if kind is transfers_pb2.CreateTransferRequest:
                asked(message)
        except BadRequest as error:
            named(error.violations)


def transfer():
    """A transfer that is good."""
    return transfers_pb2.CreateTransferRequest(
        idempotency_key="k", kind=1, account_number=1, amount_minor=5, currency="USD"
    ).SerializeToString()


def read_records(data):
    """Records of the journal, of whatever count the first byte says."""
    count = data[0] if data else 0
    for read in (read_intents, read_decisions):
        try:
            assert len(read(bytearray(data[1:]), count)) == count
        except UnknownFormat:
            pass


def records():
    """One intent, and one decision."""
    intent, decision = np.zeros(1, INTENT), np.zeros(1, DECISION)
    intent["request"]["version"] = decision["version"] = REQUEST_VERSION
    intent["request"]["operation"] = decision["operation"] = Operation.AUTHORIZE
    return [b"\x01" + intent.tobytes(), b"\x01" + decision.tobytes()]


@functools.cache
def journal():
    """The bytes of a journal with four rows, all of them in its file."""
    path = scratch() / "journal.sqlite"

    async def write():
        made = Journal(path)
        intent, decision = (
            np.frombuffer(raw[1:], kind) for raw, kind in zip(records(), (INTENT, DECISION), strict=True)
        )
        for _ in range(2):
            await asyncio.gather(made.append_intents(intent), made.append_decisions(decision))
        made.close()

    asyncio.run(write())
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=DELETE")
    connection.close()
    return path.read_bytes()


def damaged_journal(data):
    """A journal whose file is changed in places: read to its end, or refused by name."""
    whole = bytearray(journal())
    for at in range(0, len(data) - 4, 5):
        whole[int.from_bytes(data[at : at + 4], "big") % len(whole)] = data[at + 4]
    path = scratch() / "damaged.sqlite"
    path.write_bytes(whole)
    _read_journal(path)


def journal_rows(data):
    """Rows that nobody of ours wrote, with a checksum that holds: number, kind, count, then the records."""
    path = scratch() / "rows.sqlite"
    path.write_bytes(journal())
    connection = sqlite3.connect(path)
    rest = data[4:]
    number, kind, count = (int.from_bytes(data[at : at + 1], "big", signed=True) for at in range(3))
    try:
        row = (4 + number, kind, count, zlib.crc32(rest), rest)
        connection.execute("INSERT OR REPLACE INTO batches VALUES (?, ?, ?, ?, ?)", row)
        connection.commit()
    except sqlite3.Error:
        pass
    finally:
        connection.close()
    _read_journal(path)


def _read_journal(path):
    try:
        reading = JournalReader(path)
    except (JournalCorrupt, JournalStopped):
        return
    try:
        for _ in reading.read_chunks(0):
            pass
        for _ in reading.read_all(0):
            pass
        reading.read_intents(1)
    except (JournalCorrupt, JournalStopped):
        pass
    finally:
        reading.close()


@functools.cache
def snapshot_bytes():
    """A snapshot's file."""
    path = scratch() / "snapshot.npz"
    snapshot.write_arrays(path, 3, {"entries": np.zeros(3, DECISION), "numbers": np.arange(5)})
    return path.read_bytes()


def read_snapshot(data):
    """A snapshot: the arrays as written, or SnapshotUnreadable."""
    path = scratch() / "damaged.npz"
    path.write_bytes(data)
    try:
        snapshot.read_arrays(path, 3)
    except snapshot.SnapshotUnreadable:
        pass


def read_settings(data):
    """Settings from lines NAME=VALUE: taken, or refused by name."""
    given = {}
    for line in data.decode(errors="replace").splitlines():
        name, _, value = line.partition("=")
        if name in Settings.model_fields:
            given[name] = value
    try:
        Settings(**given)
    except ValidationError as error:
        named(error.errors())


def settings():
    """Every setting as a line."""
    fields = Settings.model_fields.items()
    return "\n".join(
        f"{name}={field.get_default(call_default_factory=True)}" for name, field in fields
    ).encode()


def clients_file(data):
    """A file of clients: believed, or refused."""
    try:
        assert read_clients(data.decode(errors="replace"), contract())
    except ClientsUnreadable as error:
        named(str(error))


def clients():
    """A file of clients that is good."""
    return b"""[[client]]
identity = "spiffe://bank.example/alpha"
methods = ["AuthorizationService", "FeedbackService/ListLabels"]
acquirers = ["123456"]
bins = ["999999", "400000-400999"]
tokens = false
rate = 5000
concurrency = 7
"""


@functools.cache
def certificate():
    """A certificate and its key, one after the other."""
    authority = Authority(scratch() / "tls")
    authority.make("fuzz", datetime.now(UTC), 30)
    authority.issue(["localhost"], scratch() / "server", datetime.now(UTC), 30, server=True)
    return (scratch() / "server/tls.crt").read_bytes() + (scratch() / "server/tls.key").read_bytes()


def read_certificates(data):
    """PEM of a certificate, a key and an authority, all in one file: spoken with, or refused by the setting's name."""
    path = scratch() / "damaged.pem"
    path.write_bytes(data)
    try:
        Certificates("X_", dict.fromkeys(("tls_certificate", "tls_key", "tls_client_ca"), path))
    except DoorClosed as error:
        named(str(error).startswith("X_TLS_"))


TARGETS = {
    "frames": Target(read_frame, frames),
    "messages": Target(
        read_message,
        lambda: [bytes([n]) + body.SerializeToString() for n, body in enumerate(messages().values())],
    ),
    "links": Target(use_link, lambda: [b"".join(len(raw).to_bytes(2, "big") + raw for raw in frames())]),
    "services": Target(use_services, lambda: [transfer()]),
    "records": Target(read_records, records),
    "journal": Target(damaged_journal, lambda: [b"", bytes([0, 0, 0, 18, 1])]),
    "rows": Target(journal_rows, lambda: [bytes([0, 1]) + raw for raw in records()]),
    "snapshot": Target(read_snapshot, lambda: [snapshot_bytes()]),
    "settings": Target(read_settings, lambda: [settings()]),
    "clients": Target(clients_file, lambda: [clients()]),
    "certificates": Target(read_certificates, lambda: [certificate()]),
}
