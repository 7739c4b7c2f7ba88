"""A throwaway empty server for the room's tests."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadtest.processes import empty_server_command, free_port, running


@dataclass(frozen=True)
class EmptyServer:
    """Where an empty server listens, and which process it is."""

    target: str
    pid: int


@pytest.fixture(scope="session")
def empty_server(tmp_path_factory):
    """One empty server for all tests of the session: it keeps nothing."""
    port = free_port()
    log = tmp_path_factory.mktemp("floors") / "log"
    target = f"127.0.0.1:{port}"
    with running(empty_server_command(port), target, log, ready_timeout_s=30.0) as process:
        yield EmptyServer(target, process.pid)


@pytest.fixture
def sparkov_file(tmp_path):
    """Two hundred made-up rows in the Sparkov layout, over three cards."""
    draw = np.random.default_rng(5)
    count = 200
    file = tmp_path / "sparkov.parquet"
    columns = {
        "unix_time": 1_704_067_200 + np.cumsum(draw.integers(1, 500, count)),
        "cc_num": draw.choice(["4015928497650512", "3592305489588203", "4066028550901262"], count),
        "category": draw.choice(["grocery_pos", "misc_net", "travel", "shopping_net"], count),
        "merchant": draw.choice(["Kirlin and Sons", "Moore, Williamson and Emmerich", "Jewess LLC"], count),
        "merch_lat": draw.uniform(25, 48, count).astype(np.float32),
        "merch_long": draw.uniform(-120, -70, count).astype(np.float32),
        "amount_minor": draw.integers(100, 20_000, count).astype(np.int32),
        "is_fraud": (draw.random(count) < 0.1).astype(np.int8),
    }
    pq.write_table(pa.table(columns), file)
    return file


@pytest.fixture
def customers_file(tmp_path):
    """Two of the three cards' holders, in the layout of Sparkov's customer file."""
    file = tmp_path / "customers.csv"
    file.write_text(
        "ssn|cc_num|first|last|gender|lat|long|dob\n"
        "468-52-6317|3592305489588203|Alicia|Owens|F|29.5785|-95.6066|1995-11-18\n"
        "640-32-5481|4015928497650512|Donald|Rose|M|42.1086|-86.4234|1936-11-10\n"
    )
    return file
