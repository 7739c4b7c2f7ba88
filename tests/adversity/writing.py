"""A core that answers and says so on standard output, until it is done: `python -m tests.adversity.writing HOME SEED`."""

import asyncio
import json
import os
import random
import sys
from pathlib import Path

from server.compiled import keep_compiled

keep_compiled()  # before anything imports Numba

from server.core.fold import SNAPSHOT  # noqa: E402 - see above
from server.core.record import Operation  # noqa: E402 - see above
from server.core.risk import Risk  # noqa: E402 - see above
from server.core.state import State, position_of  # noqa: E402 - see above
from tests.server.core.lives import clear, increment, reverse  # noqa: E402 - see above
from tests.server.core.scene import CARDS, Core, directory, purchase  # noqa: E402 - see above

ROUNDS = 40


def tell(requests, answers):
    """One line for each answer, as soon as it is there."""
    lines = [
        json.dumps(
            {
                "id": [int(half) for half in request["authorization_id"][0]],
                "operation": int(request["operation"][0]),
                "code": answer["response_code"].decode(),
                "approved_minor": int(answer["approved_minor"]),
                "sequence": int(answer["sequence"]),
            }
        )
        for request, answer in zip(requests, answers, strict=True)
    ]
    os.write(sys.stdout.fileno(), ("\n".join(lines) + "\n").encode())


def fold(core):
    """As `server.core.fold` does beside the server, and then its keeper; returns what to trim."""
    state = State(Risk())
    if (core.home / SNAPSHOT).exists():
        state.load(core.home / SNAPSHOT)
    state.replay(core.reader.read_chunks(state.journal_number, core.journal.durable))
    state.save(core.home / SNAPSHOT)
    return position_of(core.home / SNAPSHOT).settled


async def work(home, seed):
    """Purchases, and messages about them, with a snapshot and a trim now and then."""
    chance = random.Random(seed)
    core = await Core(home, directory(), opening_minor=10_000_000).start()
    held = []
    for round_ in range(ROUNDS):
        requests = [purchase(chance.randrange(CARDS)) for _ in range(chance.choice((1, 2, 8)))]
        for original in chance.sample(held, min(len(held), 2)):
            act = chance.choice((increment, reverse, clear))
            requests.append(act(original, 0 if act is reverse else 500))
        answers = await asyncio.gather(*[core.send(request) for request in requests])
        tell(requests, [answer[0] for answer in answers])
        held += [r for r in requests if r["operation"][0] == Operation.AUTHORIZE]
        if round_ % 12 == 11:
            await core.journal.trim(fold(core))
    os._exit(0)  # as a power failure: nothing is closed


if __name__ == "__main__":
    asyncio.run(work(Path(sys.argv[1]), int(sys.argv[2])))
