"""
The long form, by atheris: new inputs are kept where they reach code that none has reached before.

    python -m tests.fuzz --seconds 600 [--only frames] [--corpus FOLDER]

feeds each target for so long, one after the other, each in a process of its own. What broke one is kept beside its corpus, and
the end is a status other than 0.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from server.compiled import keep_compiled

NAMES = ("frames", "messages", "links", "services", "records", "journal", "rows", "snapshot", "settings", "clients", "certificates")  # fmt: skip
BYTES_MAX = 16_384
WATCHED = [
    "server.front",
    "server.core.formats",
    "server.core.journal",
    "server.core.journal_reader",
    "server.core.snapshot",
    "server.settings",
]
KERNELS = ["server.front.decoding", "server.front.permits", "server.front.wire", "server.front.writing"]
"""Numba compiles what is written there, not what instrumenting makes of it."""


def feed(name, seconds, folder):
    """Feed one target; doesn't return."""
    import atheris

    keep_compiled()
    with atheris.instrument_imports(include=WATCHED, exclude=KERNELS):
        from tests.fuzz.targets import TARGETS

    target = TARGETS[name]
    for number, seed in enumerate(target.seeds()):
        (folder / f"seed-{number}").write_bytes(seed)
        target.run(seed)  # compiles, before the time of each input is watched
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={BYTES_MAX}",
        f"-artifact_prefix={folder}/broke-",
        "-timeout=30",
    ]
    atheris.Setup([sys.argv[0], str(folder), *options, "-verbosity=0", "-print_final_stats=1"], target.run)
    atheris.Fuzz()


def main():
    """All targets, or one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--only", choices=NAMES)
    parser.add_argument("--corpus", type=Path, help="folder of what was found before; without it a new one")
    parser.add_argument("--be", choices=NAMES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    root = given.corpus or Path(tempfile.mkdtemp(prefix="holdfast-corpus-"))
    if given.be:
        feed(given.be, given.seconds, root / given.be)
        return 0
    broken = []
    for name in [given.only] if given.only else NAMES:
        (root / name).mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "tests.fuzz", "--be", name, "--seconds", str(given.seconds)]
        done = subprocess.run([*command, "--corpus", str(root)], capture_output=True, text=True, check=False)
        runs = [line.split()[-1] for line in done.stderr.splitlines() if "number_of_executed_units" in line]
        print(
            f"{name:<14}{(runs or ['?'])[0]:>12} inputs  {'ok' if done.returncode == 0 else 'BROKEN'}",
            flush=True,
        )
        if done.returncode:
            broken.append(name)
            print(done.stdout[-4_000:], done.stderr[-1_000:], f"kept in {root / name}", sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
