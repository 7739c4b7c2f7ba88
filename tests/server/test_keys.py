"""The keys of an installation."""

import stat
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.keys import KEY_NAMES, Keys, KeysError


@pytest.fixture
def keys(tmp_path):
    return Keys.open(tmp_path)


def test_open_makes_private_files_when_there_are_none(tmp_path):
    """The folder is 0700 and each key 0600, 32 bytes, all different."""
    Keys.open(tmp_path)
    folder = tmp_path / "keys"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == sorted(f"{name}.key" for name in KEY_NAMES)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert len({file.read_bytes() for file in files}) == len(KEY_NAMES)
    assert list(tmp_path.iterdir()) == [folder]


def test_open_finds_the_same_keys_when_started_again(tmp_path, keys):
    """A second start hashes alike."""
    again = Keys.open(tmp_path)
    assert again.pan_key("4000000000000002") == keys.pan_key("4000000000000002")
    assert again.fingerprint == keys.fingerprint
    assert again.unseal("name", keys.seal("name", "Ada")) == "Ada"


def test_open_agrees_on_one_set_when_two_start_at_once(tmp_path):
    """Whoever loses the race reads the winner's keys."""
    with ThreadPoolExecutor(4) as pool:
        opened = list(pool.map(lambda _: Keys.open(tmp_path).fingerprint, range(8)))
    assert set(opened) == {Keys.open(tmp_path).fingerprint}
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize(("target", "wide", "right"), [(".", 0o750, "700"), ("pan.key", 0o640, "600")])
def test_open_refuses_and_names_the_chmod_when_others_may_read(tmp_path, keys, target, wide, right):
    """The error can be pasted into a shell."""
    assert keys
    path = tmp_path / "keys" / target
    path.chmod(wide)
    with pytest.raises(KeysError, match=f"chmod {right} "):
        Keys.open(tmp_path)


def test_open_refuses_when_a_key_is_missing_or_short(tmp_path, keys):
    """A lost key is never replaced by a new one in silence."""
    assert keys
    path = tmp_path / "keys" / "field.key"
    path.write_bytes(b"short")
    with pytest.raises(KeysError, match="5 bytes"):
        Keys.open(tmp_path)
    path.unlink()
    with pytest.raises(KeysError, match="missing"):
        Keys.open(tmp_path)


def test_pan_keys_equal_pan_key_for_many(keys):
    """The column form, the pair and the stored bytes are the same hash."""
    pans = ["4000000000000002", "5500000000000004", "340000000000009"]
    many = keys.pan_keys(pans)
    assert many.shape == (3, 2) and many.dtype == np.uint64
    assert [tuple(map(int, row)) for row in many] == [keys.pan_key(pan) for pan in pans]
    assert many.tobytes() == b"".join(keys.pan_hash(pan) for pan in pans)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(text=st.text(max_size=60))
def test_unseal_returns_what_was_sealed(keys, text):
    """Any text survives, and two seals of it differ."""
    first, second = (
        keys.seal("customers.family_name", text),
        keys.seal_many("customers.family_name", [text])[0],
    )
    assert first != second
    assert keys.unseal("customers.family_name", first) == keys.unseal("customers.family_name", second) == text


def test_unseal_refuses_when_the_column_or_a_byte_differs(keys):
    """A sealed value moved to another column, or changed, is refused."""
    sealed = keys.seal("given_name", "Ada")
    for name, blob in [("family_name", sealed), ("given_name", sealed[:-1] + bytes([sealed[-1] ^ 1]))]:
        with pytest.raises(KeysError, match="another field"):
            keys.unseal(name, blob)
    with pytest.raises(KeysError, match="format 09"):
        keys.unseal("given_name", b"\x09" + sealed[1:])


def test_representation_shows_no_key(keys):
    """A log line or a traceback with the object in it gives nothing away."""
    assert repr(keys) == "Keys()"
