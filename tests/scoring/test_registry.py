"""Versions as folders, and the states they go through."""

import json

import pytest

from scoring import registry
from scoring.manifest import MANIFEST_FILE, MODEL_FILE, ModelError
from scoring.registry import TRANSITIONS, Action, RegistryError, State, after, digest, install

DRAWN = {
    "candidate": {"shadow": "shadow", "begin": "champion", "retire": "retired"},
    "shadow": {"challenge": "shadow", "promote": "champion", "retire": "retired"},
    "champion": {"replace": "retired", "roll back": "retired"},
    "retired": {"return": "champion", "shadow": "shadow"},
}
"""The drawing in the docstring."""


@pytest.mark.parametrize("action", list(Action))
@pytest.mark.parametrize("state", list(State))
def test_a_version_moves_as_it_is_drawn_and_not_otherwise(state, action):
    """Every pair of state and action."""
    drawn = DRAWN[state].get(action)
    if drawn is None:
        with pytest.raises(RegistryError, match=f"v1 is {state}: {action} is for what is "):
            after("v1", state, action)
    else:
        assert after("v1", state, action) == drawn


def test_nothing_decides_without_two_people_but_the_first_and_one_that_returns():
    """Whatever leads to champion."""
    ways = {action for (_, action), state in TRANSITIONS.items() if state == State.CHAMPION}
    assert ways - registry.NEEDS_TWO == {Action.BEGIN, Action.RETURN}


def test_a_version_is_installed_whole_and_twice_is_once(small_model_folder, tmp_path):
    """Files, digest and manifest as they were."""
    manifest, sha256 = install(small_model_folder, tmp_path)
    assert install(small_model_folder, tmp_path) == (manifest, sha256)
    assert registry.versions(tmp_path) == [manifest.version]
    copy = tmp_path / manifest.version
    assert digest(copy) == digest(small_model_folder) == sha256
    assert registry.open(copy, sha256).version == manifest.version
    assert [path.name for path in tmp_path.iterdir()] == [manifest.version]


@pytest.mark.parametrize("file", [MODEL_FILE, MANIFEST_FILE, "more.txt"])
@pytest.mark.parametrize("harm", ["changed", "truncated", "gone"])
def test_a_version_whose_files_are_not_what_was_registered_is_refused(
    small_model_folder, tmp_path, file, harm
):
    """The trees, the manifest (its calibration too), and whatever else lies there."""
    source = tmp_path / "source"
    manifest, _ = install(small_model_folder, source)
    (source / manifest.version / "more.txt").write_text("more")
    _, sha256 = install(source / manifest.version, tmp_path / "root")
    path = tmp_path / "root" / manifest.version / file
    whole = path.read_bytes()
    if harm == "gone":
        path.unlink()
    elif harm == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.write_bytes(whole.replace(whole[1:2], b"7", 1))
    with pytest.raises(ModelError, match="changed or truncated since it was registered"):
        registry.open(path.parent, sha256)


def test_another_model_of_the_same_name_is_refused(small_model_folder, tmp_path):
    """What is installed never changes."""
    manifest, _ = install(small_model_folder, tmp_path / "root")
    other, _ = install(small_model_folder, tmp_path / "other")
    path = tmp_path / "other" / other.version / MANIFEST_FILE
    path.write_text(path.read_text().replace('"slope": ', '"slope": 1'))
    with pytest.raises(RegistryError, match="holds another model of the same version"):
        install(path.parent, tmp_path / "root")
    assert registry.versions(tmp_path / "root") == [manifest.version]


@pytest.mark.parametrize("version", ["", ".hidden", "../up", "a/b", "x" * 25, "né", "two words", "a\n"])
def test_a_name_that_can_not_be_a_version_is_refused(small_model_folder, tmp_path, version):
    """It becomes a folder, and a fixed-size field of every decision."""
    install(small_model_folder, tmp_path / "source")
    folder = next((tmp_path / "source").iterdir())
    path = folder / MANIFEST_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), "version": version}))
    with pytest.raises(RegistryError, match="can't name a version"):
        install(folder, tmp_path / "root")


def test_a_damaged_model_is_not_installed(small_model_folder, tmp_path):
    """Nothing of it stays."""
    install(small_model_folder, tmp_path / "source")
    folder = next((tmp_path / "source").iterdir())
    (folder / MODEL_FILE).write_bytes((folder / MODEL_FILE).read_bytes()[:-10])
    with pytest.raises(ModelError, match="changed or truncated"):
        install(folder, tmp_path / "root")
    assert not (tmp_path / "root").exists()
