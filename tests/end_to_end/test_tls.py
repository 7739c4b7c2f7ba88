"""The port in TLS: who comes in, what each may do, and what changes while links stand."""

import functools
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from holdfast.v1 import authorization_pb2 as pb
from holdfast.v1 import transfers_pb2
from loadtest.processes import HOST, free_port
from server.authority import SERVER, Authority
from server.store.portfolio import demo_pan
from tests.end_to_end import serving
from tests.end_to_end.callers import (
    Refused,
    advise,
    calling,
    clear,
    increment,
    linked,
    purchase,
    reversal,
)

ALPHA = "spiffe://bank.example/alpha"
CLIENTS = f"""
[[client]]
identity = "{ALPHA}"
methods = "*"
acquirers = "*"
bins = "*"
tokens = true

[[client]]
identity = "narrow.example"
methods = ["AuthorizationService/Authorize", "AuthorizationService/Link", "AuthorizationService/Advise",
           "AuthorizationService/Clear", "AuthorizationService/Explain"]
acquirers = ["123456"]
bins = ["9999990"]

[[client]]
identity = "slow.example"
methods = "*"
acquirers = "*"
bins = "*"
rate = 0.1
"""
OTHER_BIN = "4111111111111111"
WAIT_S = 30.0
DENIED = grpc.StatusCode.PERMISSION_DENIED
CLOSED = grpc.StatusCode.UNAVAILABLE


class Port:
    """A server in TLS, and whoever may come."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = Authority(folder / "ours")
        self.authority.make("ours", datetime.now(UTC), 30)
        self.certify("127.0.0.1", self.folder / SERVER, server=True)
        self.clients = folder / "clients.toml"
        self.clients.write_text(CLIENTS)
        self.environment = {
            "HOLDFAST_TLS_CERTIFICATE": str(folder / SERVER / "tls.crt"),
            "HOLDFAST_TLS_KEY": str(folder / SERVER / "tls.key"),
            "HOLDFAST_TLS_CLIENT_CA": str(self.authority.certificate),
            "HOLDFAST_CLIENTS": str(self.clients),
        }

    @property
    def target(self):
        return self.server.target

    def certify(self, name, folder, **options):
        """Sign a certificate; where its files are."""
        self.authority.issue([name], folder, datetime.now(UTC), 2, **{"server": False, **options})
        return folder

    @functools.cache  # noqa: B019 - a port lives as long as its module's tests
    def client(self, name):
        """Credentials of this name."""
        return credentials(self.certify(name, self.folder / name.replace("/", "_")))

    def serial(self):
        """Of the certificate that a new connection is shown."""
        known = self.folder / ALPHA.replace("/", "_")
        context = ssl.create_default_context(cafile=self.authority.certificate)
        context.load_cert_chain(known / "tls.crt", known / "tls.key")
        plain = socket.create_connection((HOST, self.server.port), WAIT_S)
        with context.wrap_socket(plain, server_hostname=HOST) as connection:
            return connection.getpeercert()["serialNumber"]


def credentials(folder, ca=None):
    """What a channel is opened with, from a folder's files."""
    parts = [(folder / name).read_bytes() for name in ("tls.key", "tls.crt")]
    return grpc.ssl_channel_credentials((ca or folder / "ca.crt").read_bytes(), *parts)


@pytest.fixture(scope="module")
def port():
    """One server for this module."""
    home = serving.fresh_home()
    folder = home.with_name(f"{home.name}-tls")
    folder.mkdir()
    found = Port(folder)
    options = {"environment": found.environment, "credentials": found.client(ALPHA)}
    with serving.serving(home, **options) as found.server:
        yield found
        assert found.server.stop() == 0, found.server.output
        assert "Traceback" not in found.server.output, found.server.output


@pytest.fixture
def alpha(port):
    """Calls of one who may do everything."""
    with calling(port.target, port.client(ALPHA)) as caller:
        yield caller


@pytest.fixture
def narrow(port):
    """Calls of one who may do little."""
    with calling(port.target, port.client("narrow.example")) as caller:
        yield caller


def ending(port, given, request=None):
    """How an Authorize with these credentials ends: its status, or None with an answer."""
    with calling(port.target, given) as caller:
        try:
            caller.authorize(request or purchase(1))
        except Refused as refused:
            return refused.code
    return None


def test_a_client_that_is_permitted_is_answered_on_calls_and_links(port, alpha):
    """Approved, as without TLS."""
    assert alpha.authorize(purchase(2)).response_code == "00"
    with linked(port.target, port.client(ALPHA)) as link:
        link.send(s1=purchase(3), s2=pb.Echo(text="x"))
        answers = link.answers(2)
    assert answers[1].authorize.response_code == "00" and answers[2].echo.text == "x"


def test_the_key_of_one_sender_is_not_the_key_of_another(alpha, narrow):
    """The same message by two identities is two authorizations; by one, a repeat."""
    request = purchase(4)
    first, other = alpha.authorize(request), narrow.authorize(request)
    assert not first.replayed and not other.replayed
    assert first.authorization_id != other.authorization_id
    assert alpha.authorize(request).replayed


def test_nobody_comes_in_without_a_certificate_that_is_believed(port, tmp_path):
    """None, another authority's, one whose time is over, a server's, or no TLS at all: the handshake fails."""
    ours = port.authority
    other = Authority(tmp_path / "other")
    other.make("other", datetime.now(UTC), 30)
    other.issue([ALPHA], tmp_path / "foreign", datetime.now(UTC), 2, server=False)
    ours.issue([ALPHA], tmp_path / "past", datetime.now(UTC) - timedelta(days=3), 2, server=False)
    ours.issue([ALPHA], tmp_path / "server", datetime.now(UTC), 2, server=True)
    assert ending(port, None) == CLOSED
    assert ending(port, grpc.ssl_channel_credentials(ours.certificate.read_bytes())) == CLOSED
    for folder in ("foreign", "past", "server"):
        assert ending(port, credentials(tmp_path / folder, ours.certificate)) == CLOSED, folder


def test_a_certificate_of_somebody_else_is_told_so(port):
    """Believed, but not in the file: whatever is called, also where the call names another in its metadata."""
    stranger = port.client("stranger.example")
    assert ending(port, stranger) == DENIED
    with linked(port.target, stranger) as link:
        link.send(s1=purchase(5))
        with pytest.raises(Refused, match="PERMISSION_DENIED"):
            link.next_answers()
    with grpc.secure_channel(port.target, stranger) as channel:
        call = channel.unary_unary("/holdfast.v1.AuthorizationService/Authorize")
        metadata = [("x-identity", ALPHA), ("x-forwarded-client-cert", f"URI={ALPHA}")]
        with pytest.raises(grpc.RpcError) as error:
            call(purchase(5).SerializeToString(), timeout=WAIT_S, metadata=metadata)
    assert error.value.code() == DENIED
    assert "stranger.example may do nothing here" in error.value.details()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not on this machine")
@pytest.mark.parametrize(
    ("alternative", "code"),
    [
        (None, grpc.StatusCode.UNAUTHENTICATED),
        ("email:alpha@bank.example", grpc.StatusCode.UNAUTHENTICATED),
        ("DNS:narrow.example,DNS:slow.example", DENIED),
        (f"email:a@b.example,URI:{ALPHA},DNS:host.example", None),
    ],
)
def test_a_certificate_is_read_by_its_uris_and_dns_names(port, tmp_path, alternative, code):
    """Made by openssl: a subject or an e-mail address names nobody, two clients neither; other names beside are let be."""
    run = functools.partial(subprocess.run, check=True, capture_output=True, cwd=tmp_path, timeout=WAIT_S)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    run(
        [
            "openssl",
            "req",
            "-new",
            *curve,
            "-keyout",
            "tls.key",
            "-out",
            "request",
            "-subj",
            f"/CN={ALPHA[:3]}",
        ]
    )
    signing = ["-CA", str(port.authority.certificate), "-CAkey", str(port.authority.folder / "ca.key")]
    extensions = tmp_path / "extensions"
    extensions.write_text(f"subjectAltName={alternative}\n" if alternative else "basicConstraints=CA:FALSE\n")
    arguments = ["-days", "2", "-extfile", str(extensions), "-out", "tls.crt", "-CAcreateserial"]
    run(["openssl", "x509", "-req", "-in", "request", *signing, *arguments, "-CAserial", "serial"])
    assert ending(port, credentials(tmp_path, port.authority.certificate)) == code


def refused_on_link(link, message):
    """The fault that a message gets, beside a good one that is answered."""
    link.send_all({1: message, 2: purchase(6)})
    answers = link.answers(2)
    assert answers[2].authorize.response_code == "00", answers[2]
    return answers[1].fault


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: purchase(7, pan=OTHER_BIN), "pan"),
        (lambda: purchase(7, card_token="card_" + "0" * 32), "card_token"),
        (lambda: other_acquirer(purchase(7)), "key.acquirer_id"),
        (lambda: advise(purchase(7, pan=OTHER_BIN)), "pan"),
        (lambda: advise(other_acquirer(purchase(7))), "key.acquirer_id"),
        (lambda: clear(pan=OTHER_BIN), "pan"),
        (lambda: reversal(purchase(7)), "Reverse is not permitted"),
        (lambda: increment("0" * 32, 5), "Increment is not permitted"),
    ],
)
def test_what_is_not_permitted_is_refused_by_name(port, narrow, make, field):
    """Methods, acquirers, cards by number and by token: of calls, and of one message in a frame of a link."""
    message = make()
    ask = narrow.authorize if isinstance(message, pb.AuthorizeRequest) else narrow.ask
    with pytest.raises(Refused) as refused:
        ask(message)
    assert refused.value.code == DENIED and field in refused.value.details
    with linked(port.target, port.client("narrow.example")) as link:
        fault = refused_on_link(link, make())
    assert fault.status_code == DENIED.value[0] and field in fault.message


def other_acquirer(request):
    """The request by an acquirer of somebody else."""
    request.key.acquirer_id = "654321"
    return request


def test_other_services_are_not_open_to_whoever_may_authorize(port):
    """A transfer is refused before it is read."""
    with grpc.secure_channel(port.target, port.client("narrow.example")) as channel:
        call = channel.unary_unary("/holdfast.v1.TransferService/CreateTransfer")
        with pytest.raises(grpc.RpcError) as error:
            call(transfers_pb2.CreateTransferRequest().SerializeToString(), timeout=WAIT_S)
    assert error.value.code() == DENIED


def test_an_authorization_of_another_acquirer_is_not_explained(alpha, narrow):
    """To him there is none."""
    theirs = alpha.authorize(other_acquirer(purchase(8)))
    own = narrow.authorize(purchase(9))
    assert narrow.explain(own.authorization_id).response.response_code == "00"
    with pytest.raises(Refused, match="NOT_FOUND"):
        narrow.explain(theirs.authorization_id)


def test_the_contract_is_not_told_unless_it_is_allowed(port):
    """Reflection is off where there is TLS."""
    with grpc.secure_channel(port.target, port.client(ALPHA)) as channel:
        ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        with pytest.raises(grpc.RpcError) as error:
            list(ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=WAIT_S))
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_link_lives_on_while_certificates_are_renewed(port):
    """New connections are shown the new one; halves of a pair that don't fit are left aside."""
    with linked(port.target, port.client(ALPHA)) as link:
        link.send(s1=purchase(10))
        assert link.answers(1)[1].authorize.response_code == "00"
        before = port.serial()
        key = port.folder / SERVER / "tls.key"
        good = key.read_bytes()
        key.write_bytes((port.folder / ALPHA.replace("/", "_") / "tls.key").read_bytes())
        assert port.serial() == before
        key.write_bytes(good)
        port.certify("127.0.0.1", port.folder / SERVER, server=True)
        after = port.serial()
        assert after != before
        link.send(s2=purchase(10))
        assert link.answers(1)[2].authorize.response_code == "00"


def until(check):
    """Ask until it is so."""
    deadline_s = time.monotonic() + WAIT_S
    while not check():
        assert time.monotonic() < deadline_s


def test_a_client_that_is_taken_out_may_do_nothing_more_on_its_open_link(port):
    """And is let in again when it is back in the file: the server follows it."""
    newcomer = port.client("newcomer.example")
    entry = '\n[[client]]\nidentity = "newcomer.example"\nmethods = "*"\nacquirers = "*"\nbins = "*"\n'
    assert ending(port, newcomer) == DENIED
    port.clients.write_text(CLIENTS + entry)
    until(lambda: ending(port, newcomer) is None)
    with linked(port.target, newcomer) as link:
        link.send(s1=purchase(11))
        assert link.answers(1)[1].authorize.response_code == "00"
        port.clients.write_text(CLIENTS)
        until(lambda: ending(port, newcomer) == DENIED)
        link.send(s2=purchase(11))
        assert link.answers(1)[2].fault.status_code == DENIED.value[0]


def test_a_client_gets_no_more_than_its_rate_and_others_all_of_theirs(port, alpha):
    """What is too much is refused at once, of calls and on a link, which lives on."""
    slow = port.client("slow.example")
    with linked(port.target, slow) as link:
        link.send_all({k: purchase(12, 0) for k in range(1, 101)})
        answers = link.answers(100)
        faults = {k for k, answer in answers.items() if answer.HasField("fault")}
        assert len(faults) >= 98
        assert {answers[k].fault.status_code for k in faults} == {grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]}
        assert alpha.authorize(purchase(13)).response_code == "00"
        assert ending(port, slow, purchase(12, 0)) == grpc.StatusCode.RESOURCE_EXHAUSTED
        link.send(s101=purchase(12, 0))
        assert 101 in link.answers(1)


def metrics(server):
    """Every sample of a scrape."""
    with urllib.request.urlopen(f"http://{HOST}:{server.metrics_port}/metrics", timeout=WAIT_S) as page:
        lines = page.read().decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


def test_fronts_tell_the_core_what_they_refuse_and_when_their_certificate_ends():
    """Operators see both, and that requests are welcome, on the one port for metrics."""
    home = serving.fresh_home()
    folder = home.with_name(f"{home.name}-tls")
    folder.mkdir()
    port = Port(folder)
    options = {"environment": port.environment, "credentials": port.client(ALPHA)}
    with serving.serving(home, arguments=("--fronts", "2"), metrics_port=free_port(), **options) as server:
        port.server = server
        slow = port.client("slow.example")
        with linked(port.target, slow) as link:
            link.send_all({k: purchase(12, 0) for k in range(1, 101)})
            refused = sum(answer.HasField("fault") for answer in link.answers(100).values())
        name = 'holdfast_client_refused_total{client="slow.example"}'
        until(lambda: float(metrics(server).get(name, 0)) == refused >= 98)
        ends_s = float(metrics(server)["holdfast_certificate_expires_seconds"])
        assert abs(ends_s - time.time() - 2 * 86_400) < 600
        with urllib.request.urlopen(f"http://{HOST}:{server.metrics_port}/readyz", timeout=WAIT_S) as page:
            assert page.read() == b"ready\n"
        assert server.stop() == 0, server.output


def holdfast(environment, *arguments):
    """A command's output and error; it must have ended well."""
    command = [sys.executable, "-m", "server.cli", *arguments]
    whole = {**os.environ, **environment}
    done = subprocess.run(
        command, cwd=serving.ROOT, env=whole, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_commands_make_certificates_and_speak_tls(port, tmp_path):
    """An authority, a client of it, what they say; an authorization with the folder of a client."""
    home = {"HOLDFAST_HOME": str(tmp_path / "home")}
    holdfast(home, "keys", "ca")
    holdfast(home, "keys", "issue", "spiffe://dev.example/teller")
    told = holdfast(home, "keys", "show", "--json")
    assert '"authority"' in told and '"spiffe://dev.example/teller"' in told
    known = port.certify(ALPHA, tmp_path / "alpha")
    pan = demo_pan(14)
    answer = holdfast({}, "authorize", pan, "1.00", "--target", port.target, "--tls", str(known), "--json")
    assert '"response_code": "00"' in answer
