"""System calls: an answer leaves only after the fdatasync that covers its records. A kill alone can't prove that."""

import re
import select
import shutil
import signal
import subprocess
from dataclasses import dataclass

import pytest

from tests.end_to_end.callers import calling, purchase, reversal
from tests.end_to_end.serving import NOWHERE, fresh_home, serving

CALLS = "recvmsg,recvfrom,read,sendmsg,sendto,write,writev,pwrite64,pwritev,pwritev2,fdatasync,fsync"
RECEIVING = {"recvmsg", "recvfrom", "read"}
SENDING = {"sendmsg", "sendto", "write", "writev"}
SYNCING = {"fdatasync", "fsync"}
ATTACH_TIMEOUT_S = 30
JOURNAL, LEDGER = "/journal.sqlite-wal", "/ledger/journal.sqlite-wal"

_LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$")
_RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.DOTALL)
_DESCRIPTOR = re.compile(r"^\d+<((?:\\x[0-9a-f]{2})*)>")


def _plain(text):
    """The bytes that strace -xx wrote."""
    return bytes.fromhex("".join(re.findall(r"\\x([0-9a-f]{2})", text)))


@dataclass
class Call:
    """One system call: when it began and ended, its file, what it carried, and what it returned."""

    name: str
    begun: int
    ended: int
    text: str

    @property
    def path(self):
        """What its descriptor is, by strace -y."""
        found = _DESCRIPTOR.match(self.text)
        return _plain(found[1]).decode() if found else ""

    @property
    def result(self):
        """What it returned; None where it did not end."""
        found = re.search(r"\) += (-?\d+)[^)]*$", self.text)
        return int(found[1]) if found else None

    @property
    def carried(self):
        """The bytes it read or wrote."""
        return _plain(_DESCRIPTOR.sub("", self.text, count=1))


def parsed(trace):
    """The calls of a trace in the order in which they began; positions in the trace are the time."""
    calls, open_calls = [], {}
    for place, line in enumerate(trace.splitlines()):
        found = _LINE.match(line)
        if found is None:
            continue
        thread, _, text = found.groups()
        resumed = _RESUMED.match(text)
        if resumed is not None:
            call = open_calls.pop(thread, None)
            if call is not None:
                call.ended = place
                call.text += resumed[2]
            continue
        name, _, rest = text.partition("(")
        call = Call(name, place, place, rest.replace("<unfinished ...>", ""))
        calls.append(call)
        if rest.endswith("<unfinished ...>"):
            call.ended = 10**12
            open_calls[thread] = call
    return calls


@pytest.fixture(scope="module")
def traced(tmp_path_factory):
    """The calls of a server that answered a few requests one at a time, and those requests with their answers."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (Debian package strace)")
    log = tmp_path_factory.mktemp("strace") / "trace"
    said = []
    # Without PostgreSQL: what the server writes for its cardholders stands alone in the trace.
    with (
        serving(fresh_home(), environment={"HOLDFAST_DATABASE_URL": NOWHERE}) as server,
        calling(server.target) as caller,
    ):
        caller.authorize(purchase(1))
        strace = subprocess.Popen(
            [
                *("strace", "-f", "-ttt", "-y", "-xx", "-s", "1000000", "-e", f"trace={CALLS}"),
                *("-o", str(log), "-p", str(server.process.pid)),
            ],
            stderr=subprocess.PIPE,
        )
        try:
            if not attached(strace):
                pytest.skip("strace may not attach here (ptrace is not allowed)")
            for k in range(6):
                request = purchase(10 + k)
                answer = caller.authorize(request)
                said.append(
                    (request.key.retrieval_reference, answer.authorization_id, answer.authorization_code)
                )
            request = purchase(20, expiry_yymm=3011)
            answer = caller.authorize(request)
            said.append((request.key.retrieval_reference, answer.authorization_id, ""))
            caller.reverse(reversal(request))
        finally:
            strace.send_signal(signal.SIGINT)
            strace.communicate(timeout=ATTACH_TIMEOUT_S)
    return parsed(log.read_text()), said


def attached(strace):
    """Whether strace says so; bounded."""
    if not select.select([strace.stderr], [], [], ATTACH_TIMEOUT_S)[0]:
        return False
    return b"attached" in strace.stderr.readline()


def spans(traced):
    """For each request: its calls, its receiving call, its sending call, its authorization code."""
    calls, said = traced
    for reference, identifier, code in said:
        received = next(c for c in calls if c.name in RECEIVING and reference.encode() in c.carried)
        sent = next(c for c in calls if c.name in SENDING and identifier.encode() in c.carried)
        between = [c for c in calls if received.begun <= c.begun < sent.begun]
        yield between, sent, code


def covered(calls, sent, path):
    """Whether the file was written, and each write was followed by a sync that had ended before `sent` began."""
    writes = [c for c in calls if c.name.startswith("pwrite") and c.path.endswith(path)]
    syncs = [
        c
        for c in calls
        if c.name in SYNCING and c.path.endswith(path) and c.result == 0 and c.ended < sent.begun
    ]
    return bool(writes) and all(any(sync.begun > write.ended for sync in syncs) for write in writes)


def is_ledger(call):
    """Whether a call is on the ledger's write-ahead log rather than the journal's."""
    return call.path.endswith(LEDGER)


def test_answer_leaves_after_the_sync_that_covers_its_journal_records(traced):
    """Between a request and its answer the journal's log is written, and every write is synced before the answer."""
    for calls, sent, _ in spans(traced):
        assert covered([c for c in calls if not is_ledger(c)], sent, JOURNAL)


def test_approval_leaves_after_the_sync_that_covers_its_hold(traced):
    """The same for the ledger's log, for each approval."""
    for calls, sent, code in spans(traced):
        if code:
            assert covered(calls, sent, LEDGER)


def test_decision_is_among_what_was_synced(traced):
    """The approval's own authorization code stands in the journal's log before the answer leaves."""
    approvals = 0
    for calls, sent, code in spans(traced):
        if not code:
            continue
        written = b"".join(
            c.carried
            for c in calls
            if c.name.startswith("pwrite")
            and c.path.endswith(JOURNAL)
            and not is_ledger(c)
            and c.ended < sent.begun
        )
        assert code.encode() in written
        approvals += 1
    assert approvals >= 5
