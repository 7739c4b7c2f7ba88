"""Arrays in one file: whole, or refused by name."""

import numpy as np
import pytest

from server.core.snapshot import SnapshotUnreadable, read_arrays, write_arrays

ARRAYS = {"numbers": np.arange(1_000), "records": np.ones(5, [("a", "u4"), ("b", "S3")]), "none": np.zeros(0)}


@pytest.fixture
def path(tmp_path):
    """A file of format 3."""
    write_arrays(tmp_path / "some.npz", 3, ARRAYS)
    return tmp_path / "some.npz"


def test_arrays_read_back_as_they_were_written(path):
    """Names, dtypes, shapes, bytes; nothing is left beside the file."""
    found = read_arrays(path, 3)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].dtype, found[name].tobytes()) == (array.dtype, array.tobytes())
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_an_absent_file_is_told_from_a_bad_one(tmp_path):
    """A first start has none."""
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "none.npz", 3)


def test_a_file_of_another_format_is_refused_by_name(path):
    """Older or newer."""
    with pytest.raises(SnapshotUnreadable, match=r"some\.npz has format 3; this server reads format 4"):
        read_arrays(path, 4)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_file_that_was_cut_off_is_refused_by_name(path, kept):
    """Also an empty one."""
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(SnapshotUnreadable, match=r"some\.npz"):
        read_arrays(path, 3)


def test_a_file_without_one_of_its_arrays_is_refused_by_name(path):
    """Its checksums are more than its arrays."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files if name != "none"}
    np.savez(path, **arrays)
    with pytest.raises(SnapshotUnreadable, match=r"some\.npz is incomplete"):
        read_arrays(path, 3)


def test_a_file_with_other_bytes_in_an_array_is_refused_by_the_arrays_name(path):
    """Also where the container's own checksum agrees."""
    with np.load(path) as file:
        arrays = {name: file[name].copy() for name in file.files}
    arrays["numbers"][17] += 1
    np.savez(path, **arrays)
    with pytest.raises(SnapshotUnreadable, match=r"does not read back as written: numbers"):
        read_arrays(path, 3)


def test_a_file_that_is_no_snapshot_is_refused_by_name(path):
    """Another program's arrays."""
    np.savez(path, numbers=np.arange(3))
    with pytest.raises(SnapshotUnreadable, match=r"some\.npz"):
        read_arrays(path, 0)


def test_the_old_file_stands_when_a_new_one_could_not_be_written(path):
    """What can't be stored raises before anything is replaced."""
    before = path.read_bytes()
    with pytest.raises(ValueError, match="Object arrays"):
        write_arrays(path, 3, {"bad": np.array([object()])})
    assert path.read_bytes() == before
