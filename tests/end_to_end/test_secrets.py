"""What is secret is in no file, log, metric, trace or answer of a real server; and the PAN key rotates under it."""

import itertools
import json
import threading
import urllib.request
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import grpc
from typer.testing import CliRunner

from holdfast.v1 import accounts_pb2, feedback_pb2, transfers_pb2
from holdfast.v1 import authorization_pb2 as pb
from loadtest.processes import HOST, free_port
from server.cli import app
from server.core.journal_reader import JournalReader
from server.keys import AHEAD_S, REPEATED_S
from server.store.portfolio import demo_pan, luhn_digit
from server.store.postgres import EmbeddedPostgres
from tests.end_to_end.callers import (
    Refused,
    advise,
    calling,
    clear,
    connected,
    linked,
    purchase,
    reversal,
    same,
)
from tests.end_to_end.serving import CARDS, TRUSTED_FROM, execute, fresh_home, serving

FRONTS = ("--fronts", "1")
CARD = TRUSTED_FROM + 300
WITNESS = "Wollemia nobilis"
_canaries = itertools.count(1)


def canary():
    """A card number that nobody has, and no other text of this run."""
    digits = f"49291234{next(_canaries):07d}"
    return digits + luhn_digit(digits)


def holdfast(home, *words, fails=False):
    """`holdfast …` on this home: what it prints."""
    done = CliRunner().invoke(app, [*words, "--home", str(home)])
    assert (done.exit_code != 0) == fails, done.output
    return done.stderr if fails else done.stdout


@contextmanager
def collecting():
    """A collector of traces: its address, and what it was sent."""
    sent = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self):
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            """Say nothing."""

    with ThreadingHTTPServer((HOST, 0), Collector) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}", sent
        finally:
            server.shutdown()


def field_99(text):
    """A protobuf field that the contract does not know."""
    return b"\x9a\x06" + bytes([len(text)]) + text.encode()


def planted(caller, link, channel):
    """Plant card numbers, tracks and PIN blocks wherever a field could carry them; the numbers, and what was answered."""
    numbers, answers = [demo_pan(CARD)], []

    def fresh():
        numbers.append(canary())
        return numbers[-1]

    def told(method, raw):
        try:
            answers.append(caller.raw(method, raw))
        except Refused as refused:
            answers.append(f"{refused} {refused.fields}".encode())

    good = purchase(CARD, 1_000)
    good.merchant.name, good.merchant.city = f"{fresh()}=3012", fresh()
    told("Authorize", good.SerializeToString() + field_99(fresh()))
    witness = purchase(CARD, 1_000)
    witness.merchant.name = WITNESS
    told("Authorize", witness.SerializeToString())
    told("Advise", advise(good).SerializeToString() + field_99(fresh()))
    told("Reverse", reversal(good).SerializeToString() + field_99(fresh()))
    told("Clear", clear(pan=demo_pan(CARD)).SerializeToString() + field_99(fresh()))
    for field in ("pan", "card_token", "currency", "ip_address"):
        told("Authorize", purchase(CARD, **{field: f"{fresh()}77"}).SerializeToString())
    for field in ("acquirer_id", "retrieval_reference", "terminal_id"):
        bad = purchase(CARD)
        setattr(bad.key, field, fresh())
        told("Authorize", bad.SerializeToString())
    for field in ("merchant_id", "name", "country", "category_code"):
        bad = purchase(CARD)
        setattr(bad.merchant, field, f"B{fresh()}^DOE/J^30121010000" if field == "name" else fresh())
        told("Authorize", bad.SerializeToString())
    told("Authorize", purchase(CARD, device_fingerprint=demo_pan(CARD).encode()).SerializeToString())
    told("Clear", clear(pan=demo_pan(CARD), network_reference=f"{demo_pan(CARD)}99").SerializeToString())
    told("Reverse", reversal(authorization_id=fresh()).SerializeToString())
    told("Explain", pb.ExplainRequest(authorization_id=fresh()).SerializeToString())
    told("Authorize", fresh().encode())
    told(fresh(), b"")
    for method, message in (
        ("OpenAccount", accounts_pb2.OpenAccountRequest(idempotency_key=f"{fresh()}\n", currency=fresh())),
        ("GetStatement", accounts_pb2.GetStatementRequest(account_number=1, page_token=fresh())),
    ):
        call = channel.unary_unary(f"/holdfast.v1.AccountService/{method}")
        try:
            answers.append(call(message.SerializeToString(), timeout=30, metadata=[("x-track", fresh())]))
        except grpc.RpcError as error:
            answers.append(f"{error.code()} {error.details()}".encode())
    answers += in_words(channel, pb.AuthorizeResponse.FromString(answers[0]).authorization_id, fresh)
    linkable = purchase(CARD + 1)
    linkable.merchant.name = fresh()
    numbers.append(demo_pan(CARD + 1))
    link.send(
        s1=linkable, s2=purchase(CARD + 1, currency=fresh()), s3=purchase(CARD + 1, pan=f"{fresh()}123")
    )
    answers += [answer.SerializeToString() for answer in link.answers(3).values()]
    link.send_raw(fresh().encode())
    answers.append(link.answers(1).popitem()[1].SerializeToString())
    return numbers, answers


def in_words(channel, authorization_id, fresh):
    """Plant numbers in what clerks write of good messages; what was answered."""

    def ask(service, method, request):
        call = channel.unary_unary(f"/holdfast.v1.{service}/{method}")
        return call(request.SerializeToString(), timeout=30)

    paid = transfers_pb2.CreateTransferRequest(
        idempotency_key="a-wire",
        kind=transfers_pb2.TRANSFER_KIND_WIRE,
        direction=transfers_pb2.TRANSFER_DIRECTION_IN,
        account_number=CARD,
        amount_minor=5_000,
        currency="USD",
        purpose=f"for {fresh()}",
        holder_address=f"{fresh()} Main Street",
        counterparty=transfers_pb2.Counterparty(
            name=f"J DOE {fresh()}",
            account="1234567",
            bank_id="021000021",
            bank_name=f"BANK {fresh()}",
            address=f"{fresh()} High Street",
        ),
    )
    answers = [ask("TransferService", "CreateTransfer", paid)]
    transfer_id = transfers_pb2.Transfer.FromString(answers[0]).transfer_id
    back = transfers_pb2.ReverseTransferRequest(transfer_id=transfer_id, reason=f"{fresh()}=3012 called")
    label = feedback_pb2.Label(
        authorization_id=authorization_id,
        verdict=feedback_pb2.VERDICT_DISPUTE,
        source=f"call of {fresh()}",
        reported_by=f"J DOE {fresh()}",
    )
    told = ask("FeedbackService", "LabelTransactions", feedback_pb2.LabelTransactionsRequest(labels=[label]))
    assert feedback_pb2.LabelTransactionsResponse.FromString(told).results[0].accepted
    ask(
        "TransferService", "ReverseTransfer", back
    )  # its answer has the transfer, whose purpose may be read again
    return [told]


def stored(home):
    """Everything that a home's files hold, by path; its journal also as records."""
    files = {
        path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.parent.name != "keys"
    }
    reader = JournalReader(home / "journal.sqlite")
    files[Path("journal's intents")] = b"".join(chunk.intents.tobytes() for chunk in reader.read_chunks(0))
    reader.close()
    return files


def core_limits(process_id):
    """The soft and the hard limit of a core file's size."""
    lines = Path(f"/proc/{process_id}/limits").read_text(encoding="ascii").splitlines()
    return next(line.split()[4:6] for line in lines if line.startswith("Max core file size"))


def children(process_id):
    """Ids of a process's own processes of ours."""
    told = Path(f"/proc/{process_id}/task/{process_id}/children").read_text(encoding="ascii").split()
    return [int(one) for one in told if b"server." in Path(f"/proc/{one}/cmdline").read_bytes()]


def shipped(home):
    """Wait until PostgreSQL has the witness's row, and has written it out."""
    waiting = threading.Event()
    for _ in range(600):
        if (
            execute(
                EmbeddedPostgres(home).url,
                f"UPDATE authorizations SET merchant_name = merchant_name WHERE merchant_name = '{WITNESS}'",
            )
            != "UPDATE 0"
        ):
            break
        waiting.wait(0.1)
    execute(EmbeddedPostgres(home).url, "CHECKPOINT")


def test_no_card_number_is_found_where_numbers_were_planted_in_every_field_and_error():
    """PostgreSQL, journal, ledger, directory, logs, metrics, traces and answers; no process of ours leaves a core file."""
    home = fresh_home()
    with collecting() as (collector, traces):
        environment = {
            "HOLDFAST_TRACES_SHARE": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
        }
        with serving(
            home, arguments=(*FRONTS, "--verbose"), metrics_port=free_port(), environment=environment
        ) as server:
            with (
                calling(server.target) as caller,
                linked(server.target) as link,
                connected(server.target) as channel,
            ):
                numbers, answers = planted(caller, link, channel)
            processes = [server.process.pid, *children(server.process.pid)]
            limits = [core_limits(process_id) for process_id in processes]
            with urllib.request.urlopen(f"http://{HOST}:{server.metrics_port}/metrics", timeout=30) as page:
                metrics = page.read()
            shipped(home)
            assert server.stop() == 0, server.output
    assert len(processes) >= 3 and limits == [["0", "0"]] * len(processes)
    places = stored(home) | {
        Path("log"): server.output.encode(),
        Path("metrics"): metrics,
        Path("traces"): b"".join(traces),
        Path("answers"): b"".join(answers),
    }
    assert len(set(numbers)) > 30
    held = [str(path) for path, content in places.items() if WITNESS.encode() in content]
    assert any("postgres" in path for path in held) and "journal's intents" in held, (
        "the search looks into the right files"
    )
    assert b"holdfast.authorization_id" in places[Path("traces")] and b"holdfast_" in metrics
    found = {
        (number, str(path))
        for path, content in places.items()
        for number in numbers
        if number.encode() in content
    }
    assert not found


def test_the_pan_key_rotates_under_cards_and_repeats():
    """A restart takes the new key in; a repeat is one across it; cards move, and the key before is retired at the end."""
    home = fresh_home()
    request, other = purchase(CARD), purchase(CARD + 1)
    with serving(home, arguments=FRONTS) as server, calling(server.target) as caller:
        first = caller.authorize(request)
        assert first.response_code == "00"
        holdfast(home, "keys", "rotate-pan", "--by", "ada")
        assert "waits already" in holdfast(home, "keys", "rotate-pan", "--by", "ada", fails=True)
        assert same(caller.authorize(request), first)
        assert server.stop() == 0, server.output
    with serving(home, arguments=FRONTS) as server, calling(server.target) as caller:
        again = caller.authorize(request)
        assert again.replayed and same(again, first)
        assert caller.authorize(other).response_code == "00"
        with linked(server.target) as link:
            link.send(s1=purchase(CARD + 2))
            assert link.answers(1)[1].authorize.response_code == "00"
        counted = None
        waiting = threading.Event()
        for _ in range(100):
            counted = {
                line["key"]: line["cards"] for line in json.loads(holdfast(home, "keys", "pan", "--json"))
            }
            if counted["today's"] >= 3:
                break
            waiting.wait(0.1)
        assert counted["today's"] >= 3 and sum(counted.values()) == CARDS
        assert f"{counted['previous']:,} cards stand" in holdfast(home, "keys", "rotate-pan", fails=True)
        assert f"{counted['previous']:,} cards stand" in holdfast(home, "keys", "retire-pan", fails=True)
        with linked(server.target) as link:
            for begin in range(0, CARDS, 100):
                link.send_all({number + 1: purchase(number, 1) for number in range(begin, begin + 100)})
                link.answers(100)
        for _ in range(100):
            told = holdfast(home, "keys", "retire-pan", fails=True)
            if "repeats" in told:
                break
            waiting.wait(0.1)
        assert "no card is left" in told
        since = home / "keys/pan.since"
        since.write_text(str(int(since.read_text()) - AHEAD_S - REPEATED_S - 3_600))
        holdfast(home, "keys", "retire-pan", "--by", "ada")
        assert server.stop() == 0, server.output
    assert not (home / "keys/pan.previous.key").exists()
