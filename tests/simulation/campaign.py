"""
Many runs, each under a seed of its own: `python -m tests.simulation.campaign --seeds 100000 --seed-from 0`.

A seed that fails is named with what is wrong and how to run it again; `--seed N` runs one, and tells what happened.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter

from server.compiled import keep_compiled

keep_compiled()  # before anything imports Numba

import structlog  # noqa: E402 - see above

from tests.simulation.world import World  # noqa: E402 - see above

STEPS = (12, 60)
STEPS_SHORT = (5, 12)


def run_seed(seed, folder, steps=STEPS):
    """One whole run. Raises AssertionError with what is wrong."""
    world = World(seed, folder, steps)
    world.run()
    return world


def quietly():
    """The core's log has no place among thousands of crashes."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def main():
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.campaign")
    parser.add_argument("--seeds", type=int, default=1_000, help="how many")
    parser.add_argument("--seed-from", type=int, default=0, help="the first of them")
    parser.add_argument("--seed", type=int, help="only this one, and all of what happens in it")
    parser.add_argument("--short", action="store_true", help="runs as short as in the tests")
    given = parser.parse_args()
    steps = STEPS_SHORT if given.short else STEPS
    seeds = range(given.seed_from, given.seed_from + given.seeds)
    if given.seed is not None:
        seeds = [given.seed]
    else:
        quietly()
    failed, faults = 0, Counter()
    decided = lives = 0
    began_s, began_cpu_s = time.monotonic(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            world = World(seed, folder, steps)
            try:
                world.run()
            except Exception as error:
                failed += 1
                short = " --short" if given.short else ""
                print(
                    f"seed {seed}: {error!r}\n  again: python -m tests.simulation.campaign --seed {seed}{short}"
                )
            faults.update({kind.name: count for kind, count in world.fates.counts.items()})
            decided += len(world.disk.decisions)
            lives += world.lives
            if given.seed is not None:
                print(f"digest {world.digest()}")
    took_s, cpu_s = time.monotonic() - began_s, time.process_time() - began_cpu_s
    print(
        f"{len(seeds)} runs in {took_s:.0f} s ({cpu_s:.0f} s of CPU): {failed} failed; {decided} requests decided, "
        f"{lives} lives; faults "
        + ", ".join(f"{name.lower()} {count}" for name, count in sorted(faults.items()))
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
