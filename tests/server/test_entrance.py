"""Which settings open the door, and which keep it closed, before anything listens."""

import ssl
from datetime import UTC, datetime, timedelta

import pytest

from server.authority import Authority, AuthorityError, folder_of, read
from server.entrance import Entrance, families_of
from server.front.certificates import DoorClosed
from server.settings import Settings

CLIENTS = '[[client]]\nidentity = "a.example"\nmethods = "*"\n'
NOW = datetime.now(UTC)
P256 = b"\x2a\x86\x48\xce\x3d\x03\x01\x07"
"""The curve's name, 1.2.840.10045.3.1.7, in DER (RFC 5480)."""


@pytest.fixture
def files(tmp_path):
    """Settings of a whole entrance in TLS, by name."""
    authority = Authority(tmp_path / "tls")
    authority.make("test", NOW, 30)
    authority.issue(["localhost", "127.0.0.1"], tmp_path / "server", NOW, 2, server=True)
    clients = tmp_path / "clients.toml"
    clients.write_text(CLIENTS)
    return {
        "tls_certificate": tmp_path / "server/tls.crt",
        "tls_key": tmp_path / "server/tls.key",
        "tls_client_ca": tmp_path / "server/ca.crt",
        "clients": clients,
    }


def entrance(**fields):
    """The entrance of these settings."""
    return Entrance(Settings(**fields))


def test_this_machine_alone_is_heard_without_tls():
    """Another address only where somebody says so."""
    for host in ("127.0.0.1", "::1", "localhost"):
        assert entrance(host=host).certificates is None
    for host in ("0.0.0.0", "::", "10.1.2.3", "holdfast.example"):
        with pytest.raises(
            DoorClosed, match=f"HOLDFAST_HOST={host} is heard beyond this machine.*--insecure"
        ):
            entrance(host=host)
        assert entrance(host=host, insecure=True).certificates is None


def test_with_tls_any_address_may_be_heard(files):
    """And the contract is told only where that is allowed."""
    assert entrance(host="0.0.0.0", **files).reflecting is False
    assert entrance(**files, reflection=True).reflecting is True
    assert entrance().reflecting is True
    assert entrance(host="0.0.0.0", insecure=True).reflecting is False
    assert entrance(reflection=False).reflecting is False


@pytest.mark.parametrize("name", ["tls_certificate", "tls_key", "tls_client_ca", "clients"])
def test_a_part_that_is_missing_or_can_not_be_read_is_named(files, tmp_path, name):
    """Left out, absent, or rubbish."""
    without = {key: path for key, path in files.items() if key != name}
    with pytest.raises(DoorClosed, match=f"HOLDFAST_{name.upper()} is missing"):
        entrance(**without)
    with pytest.raises(DoorClosed, match=f"HOLDFAST_{name.upper()}: .*can't be read: No such file"):
        entrance(**without, **{name: tmp_path / "nowhere"})
    rubbish = tmp_path / "rubbish"
    rubbish.write_bytes(b"\x00\xffrubbish")
    with pytest.raises(DoorClosed, match=f"HOLDFAST_{name.upper()}: "):
        entrance(**without, **{name: rubbish})


def test_clients_without_tls_are_refused(files):
    """Nobody would be one of them."""
    with pytest.raises(DoorClosed, match="HOLDFAST_CLIENTS is set without TLS"):
        entrance(clients=files["clients"])


def test_a_key_of_another_certificate_and_a_time_that_is_over_are_refused(files, tmp_path):
    """Before a client finds out."""
    authority = Authority(tmp_path / "tls")
    authority.issue(["localhost"], tmp_path / "other", NOW, 2, server=True)
    with pytest.raises(DoorClosed, match=r"HOLDFAST_TLS_KEY: .* is not the key of the certificate"):
        entrance(**{**files, "tls_key": tmp_path / "other/tls.key"})
    authority.issue(["localhost"], tmp_path / "server", NOW - timedelta(days=3), 2, server=True)
    with pytest.raises(DoorClosed, match=r"HOLDFAST_TLS_CERTIFICATE: .* its time is over since"):
        entrance(**files)


def test_a_certificate_with_a_key_of_no_known_kind_is_named(files):
    """One bit of its curve's name has fallen over."""
    pem = files["tls_certificate"].read_text()
    damaged = bytearray(ssl.PEM_cert_to_DER_cert(pem))
    damaged[damaged.index(P256)] ^= 1
    files["tls_certificate"].write_text(ssl.DER_cert_to_PEM_cert(bytes(damaged)))
    with pytest.raises(DoorClosed, match=r"HOLDFAST_TLS_CERTIFICATE: .* has a public key that can't be read"):
        entrance(**files)


def test_operators_see_when_the_certificate_ends(files):
    """As a metric; without TLS there is none."""
    shown = {family.name: family.read() for family in families_of(entrance(**files).seen)}
    ends_s = shown["holdfast_certificate_expires_seconds"][()]
    assert abs(ends_s - (NOW + timedelta(days=2)).timestamp()) < 5
    assert all(not family.read() for family in families_of(entrance().seen))


def test_an_authority_is_made_once_and_signs_nothing_before(tmp_path):
    """Another one would make worthless what the first has signed."""
    authority = Authority(tmp_path)
    with pytest.raises(AuthorityError, match="holdfast keys ca"):
        authority.issue(["a.example"], tmp_path / "a", NOW, 1, server=False)
    authority.make("test", NOW, 1)
    with pytest.raises(AuthorityError, match="already"):
        authority.make("test", NOW, 1)
    assert (tmp_path / "ca.key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(AuthorityError, match="can't stand in a certificate"):
        authority.issue(["näme"], tmp_path / "a", NOW, 1, server=False)
    assert read(authority.certificate).use == "authority"


@pytest.mark.parametrize(
    ("name", "folder"),
    [("spiffe://bank.example/a/teller", "teller"), ("a.example", "a.example"), ("urn:x", "x"), ("spiffe://", "client"), ("../..", "-")],
)  # fmt: skip
def test_a_clients_folder_is_named_for_it_and_lies_in_its_own_place(name, folder):
    """Whatever stands in the name."""
    assert folder_of(name) == folder
