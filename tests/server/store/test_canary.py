"""What is secret is nowhere in PostgreSQL's files."""

import shutil
import tempfile
from pathlib import Path

from server.keys import Keys
from server.store.database import Database
from server.store.portfolio import NewCard, Portfolio

CANARY = NewCard(
    pan="4929123412341239",
    given_name="Quetzalcoatlus",
    family_name="Zyzzyva-Brontë",
    birth_date="1961-07-29",
    ssn="987651234",
)


def test_names_and_numbers_are_nowhere_in_the_data_folder_when_they_were_stored(run):
    """Tables, indexes, write-ahead log and server log hold none of them, and no key."""
    home = Path(tempfile.mkdtemp(prefix="holdfast-test-"))
    try:
        keys = Keys.open(home)

        async def body():
            async with Database.at(home, None) as database:
                await database.belongs_to(keys)
                assert await Portfolio(database, keys).create([CANARY], "standard") == 1
                async with database.acquire() as connection:
                    await connection.execute("COMMENT ON TABLE cards IS 'Wollemia nobilis'; CHECKPOINT")

        run(body())
        stored = b"".join(path.read_bytes() for path in (home / "postgres").rglob("*") if path.is_file())
        assert b"Wollemia nobilis" in stored, "the search looks into the right files"
        secrets = [
            CANARY.pan,
            CANARY.pan[6:],
            CANARY.given_name,
            CANARY.family_name,
            CANARY.birth_date,
            CANARY.ssn,
        ]
        assert [secret for secret in secrets if secret.encode() in stored] == []
        assert [
            name for name in ("pan", "ssn", "field") if (home / "keys" / f"{name}.key").read_bytes() in stored
        ] == []
    finally:
        shutil.rmtree(home)
