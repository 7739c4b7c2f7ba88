"""What waits for the worker, from the command line."""

import asyncio
import json

from typer.testing import CliRunner

from compliance.review.schedule import TRIES_MAX
from server.cli import app
from server.keys import Keys
from server.store.database import Database
from tests.compliance.review.scenes import Scene, people, transfer


async def _parked(database_url, keys):
    async with Database(database_url) as database:
        await database.belongs_to(keys)
        await people(database, keys)
        scene = Scene(database, keys)
        async with database.acquire() as connection:
            await transfer(connection, keys)
        await scene.intake.take()
        await scene.fetch("UPDATE flagged SET state = 'parked', tries = $1, trouble = 'why'", TRIES_MAX)


def test_what_was_parked_is_shown_and_waits_again_when_somebody_says_so(database_url, tmp_path, monkeypatch):
    """By id or all; who did it is in the audit log."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path))
    monkeypatch.setenv("HOLDFAST_DATABASE_URL", database_url)
    asyncio.run(_parked(database_url, Keys.open(tmp_path)))

    def said(*arguments):
        done = CliRunner().invoke(app, ["comply", *arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    (row,) = said("parked")
    assert (row["state"], row["trouble"]) == ("parked", "why")
    assert said("retry", row["id"]) == {"retried": [row["id"]]}
    assert said("queue")["depth"] == {"waiting": 1, "claimed": 0, "parked": 0}
    assert said("retry", "--all") == {"retried": []}
    wrong = CliRunner().invoke(app, ["comply", "retry", "xyz"])
    assert wrong.exit_code == 1
    assert "32 hex digits" in wrong.output
