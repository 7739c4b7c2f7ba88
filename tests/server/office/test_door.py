"""Who comes through the office's door: certificates and their roles, or this machine alone."""

import asyncio
import ipaddress
from datetime import UTC, datetime, timedelta

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from holdfast.v1 import compliance_pb2 as pb
from server.office.door import DoorClosed, OfficeDoor, tls_of
from server.office.settings import OfficeSettings
from server.store.database import Database
from tests.end_to_end.any_message import bytes_of, unary_methods

TIMEOUT_S = 60
CALL_S = 20


class Authority:
    """An authority of the test's own that writes certificates."""

    def __init__(self, folder):
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        self.certificate = self._sign(self._name, self._key.public_key(), ca=True)
        self.path = self._write("ca.pem", self.certificate)

    def issue(self, name, *, alternative=None):
        """Certificate and key of `name`, in PEM, and where they are."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._sign(subject, key.public_key(), alternative=alternative)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return (
            certificate,
            secret,
            self._write(f"{name}.pem", certificate),
            self._write(f"{name}.key", secret),
        )

    def _sign(self, subject, public_key, *, ca=False, alternative=None):
        begin = datetime.now(UTC) - timedelta(hours=1)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=2))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if alternative:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternative), critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _write(self, name, text):
        path = self._folder / name
        path.write_bytes(text)
        return path


@pytest.fixture
def authority(tmp_path):
    """An authority."""
    return Authority(tmp_path)


def _settings(authority, **fields):
    here = [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    _, _, certificate, key = authority.issue("office", alternative=here)
    return OfficeSettings(
        port=0,
        tls_certificate=certificate,
        tls_key=key,
        tls_client_ca=authority.path,
        people={"alice": "viewer", "bob@bank.example": "officer"},
        **fields,
    )


def _answers(database_url, keys, settings, authority, *clients):
    """What a list of cases is answered to each client: a code, and whom the audit log names."""

    async def work():
        async with Database(database_url) as database:
            door = await OfficeDoor.open(database, keys, settings)
            codes = []
            try:
                for client in clients:
                    pair = authority.issue(client[0], alternative=client[1])[:2] if client else (None, None)
                    believed = grpc.ssl_channel_credentials(authority.certificate, pair[1], pair[0])
                    async with grpc.aio.secure_channel(f"127.0.0.1:{door.port}", believed) as channel:
                        call = channel.unary_unary("/holdfast.v1.ComplianceService/ReopenCase")
                        request = pb.ReopenCaseRequest(case_id="0" * 32, reason="x")
                        try:
                            await call(request.SerializeToString(), timeout=CALL_S)
                        except grpc.aio.AioRpcError as error:
                            codes.append(error.code().name)
            finally:
                await door.close(1)
            async with database.acquire() as connection:
                rows = await connection.fetch("SELECT actor, action FROM audit ORDER BY number")
            return codes, [tuple(row) for row in rows]

    return asyncio.run(asyncio.wait_for(work(), TIMEOUT_S))


def test_a_certificate_gives_its_name_the_role_of_the_settings(database_url, keys, authority):
    """By an alternative name, never the common name; a stranger and a denied one are on record."""
    codes, audit = _answers(
        database_url,
        keys,
        _settings(authority),
        authority,
        ("a", [x509.DNSName("alice")]),
        ("robert", [x509.DNSName("robert.example"), x509.RFC822Name("bob@bank.example")]),
        ("bob@bank.example", None),
        ("bob@bank.example", [x509.DNSName("mallory")]),
    )
    assert codes == ["PERMISSION_DENIED", "NOT_FOUND", "PERMISSION_DENIED", "PERMISSION_DENIED"]
    assert audit == [("alice", "denied.decide"), ("", "denied.stranger"), ("mallory", "denied.stranger")]


@pytest.mark.parametrize("is_certified", [False, True])
def test_the_contract_is_told_on_this_machine_alone(database_url, keys, authority, is_certified):
    """With TLS grpcurl is told nothing of it."""

    async def work():
        settings = _settings(authority) if is_certified else OfficeSettings(port=0)
        certificate, key = authority.issue("a", alternative=[x509.DNSName("alice")])[:2]
        believed = grpc.ssl_channel_credentials(authority.certificate, key, certificate)
        async with Database(database_url) as database:
            door = await OfficeDoor.open(database, keys, settings)
            address = f"127.0.0.1:{door.port}"
            opened = (
                grpc.aio.secure_channel(address, believed)
                if is_certified
                else grpc.aio.insecure_channel(address)
            )
            try:
                async with opened as channel:
                    ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
                    asked = ask(
                        iter([reflection_pb2.ServerReflectionRequest(list_services="")]), timeout=CALL_S
                    )
                    return [answer async for answer in asked]
            finally:
                await door.close(1)

    if not is_certified:
        assert asyncio.run(asyncio.wait_for(work(), TIMEOUT_S))
        return
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        asyncio.run(asyncio.wait_for(work(), TIMEOUT_S))
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("method", unary_methods("ComplianceService"))
@settings(
    max_examples=8,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_anything_is_answered_or_refused_as_the_callers_fault(database_url, keys, method, data):
    """Whatever stands in a message, or is none: never INTERNAL, never UNKNOWN."""
    raws = data.draw(st.lists(bytes_of(unary_methods("ComplianceService")[method]), min_size=4, max_size=12))

    async def work():
        codes = []
        async with Database(database_url) as database:
            door = await OfficeDoor.open(database, keys, OfficeSettings(port=0))
            try:
                async with grpc.aio.insecure_channel(f"127.0.0.1:{door.port}") as channel:
                    for raw in raws:
                        call = channel.unary_unary(f"/holdfast.v1.ComplianceService/{method}")(
                            raw, timeout=CALL_S
                        )
                        codes.append(await call.code())
            finally:
                await door.close(1)
        return codes

    codes = asyncio.run(asyncio.wait_for(work(), TIMEOUT_S))
    assert not {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL} & set(codes), list(
        zip(codes, raws, strict=True)
    )


def test_a_caller_without_a_certificate_is_not_let_in(database_url, keys, authority):
    """The handshake fails: nothing is read of him."""
    codes, audit = _answers(database_url, keys, _settings(authority), authority, None)
    assert codes == ["UNAVAILABLE"]
    assert audit == []


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"host": "0.0.0.0"}, "HOLDFAST_COMPLIANCE_HOST=0.0.0.0 is heard beyond this machine"),
        ({"host": "office.example"}, "HOLDFAST_COMPLIANCE_HOST"),
        ({"tls_key": "a.key"}, "HOLDFAST_COMPLIANCE_TLS_CERTIFICATE is missing"),
        ({"tls_certificate": "x", "tls_key": "y", "tls_client_ca": "z"}, "HOLDFAST_COMPLIANCE_TLS_CERTIFICATE: x can't"),
    ],
)  # fmt: skip
def test_a_door_that_is_not_safe_is_refused_by_the_name_of_its_setting(fields, said):
    """Before anything listens."""
    with pytest.raises(DoorClosed, match=said):
        tls_of(OfficeSettings(**fields))


def test_tls_without_people_is_refused(authority):
    """Nobody could call."""
    settings = _settings(authority).model_copy(update={"people": {}})
    with pytest.raises(DoorClosed, match="HOLDFAST_COMPLIANCE_PEOPLE"):
        tls_of(settings)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_without_tls_this_machine_alone_is_heard(host):
    """Loopback needs nothing."""
    assert tls_of(OfficeSettings(host=host)) is None


@pytest.mark.parametrize(
    "people",
    [
        {"olaf": "officer", "Olaf": "officer"},
        {"olaf": "officer", "\uff4flaf": "admin"},
        {"olaf": "officer", "o laf": "officer"},
        {"olaf ": "officer"},
        {"": "viewer"},
        {"Worker": "officer"},
    ],
)
def test_people_who_can_not_be_told_apart_are_refused(people):
    """One person under two names would be his own second pair of eyes; nobody is the worker."""
    with pytest.raises(ValidationError, match=r"told apart|is no name"):
        OfficeSettings(people=people)
