"""A counted program: its objects add up where others can read them."""

import subprocess
import sys

from loadtest.counted import counted, read_count

PROGRAM = """
import sys
from pathlib import Path
from loadtest.counted import read_count

file = Path(sys.argv[1])
counts = []
kept = []
for objects in (1_000, 101_000):
    before = read_count(file)
    kept.append([object() for _ in range(objects)])
    counts.append(read_count(file) - before)
print(*counts)
"""


def test_objects_add_up_in_the_file(tmp_path):
    """A hundred thousand objects more are a hundred thousand more on the count, or a few beyond: their loop's own."""
    (tmp_path / "program.py").write_text(PROGRAM)
    file = tmp_path / "count"
    command = counted([sys.executable, "-m", "program", str(file)], file)
    done = subprocess.run(
        command,
        env={"PYTHONPATH": f"{tmp_path}:.", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    few, many = map(int, done.stdout.split())
    assert 100_000 <= many - few <= 250_000
    assert read_count(file) > many
