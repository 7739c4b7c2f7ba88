"""A stranger with the public key is shown that a row is in the log."""

import json

import pytest

from compliance.audit.chain import root, way_up
from compliance.audit.checkpoint import Signed
from compliance.audit.proof import proof, proves
from compliance.audit.reading import Filter, find, show
from compliance.audit.signing import is_signed, pem, public_of
from loadtest.audit_bench import seed


def oracle(hashes):
    """RFC 6962, section 2.1, word by word."""
    from hashlib import sha256

    if len(hashes) == 1:
        return sha256(b"\0" + hashes[0]).digest()
    half = 1
    while half * 2 < len(hashes):
        half *= 2
    return sha256(b"\1" + oracle(hashes[:half]) + oracle(hashes[half:])).digest()


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 13, 50, 127])
def test_a_root_is_that_of_rfc_6962(count):
    """Also of numbers that are no power of two."""
    hashes = [bytes([index]) * 32 for index in range(count)]
    assert root(hashes) == oracle(hashes)
    assert len(way_up(hashes, count - 1)) <= count.bit_length()


def test_a_proof_leads_to_what_was_signed_and_a_changed_row_does_not(in_workshop, tmp_path):
    """Each of 120 rows, in three checkpoints; one letter changed is enough."""

    async def work(shop):
        await seed(shop.database, 120)
        await shop.checkpointer(50).seal()
        await seed(shop.database, 1)
        path = tmp_path / "public.pem"
        path.write_text(pem(shop.signer.public))
        key = public_of(path)
        async with shop.database.acquire() as connection:
            for number in range(1, 121):
                found = json.loads(json.dumps(await proof(connection, number)))
                signed = Signed(found["document"], bytes.fromhex(found["signature"]))
                assert is_signed(signed, key) and proves(found, signed)
                found["content"] = found["content"].replace("analyst", "officer")
                assert not proves(found, signed)
            assert await proof(connection, 121) is None

    in_workshop(work)


def test_rows_are_found_by_what_they_are_about_the_newest_first(in_workshop):
    """By actor, action, the beginning of an action, resource; page by page."""

    async def work(shop):
        await seed(shop.database, 30)
        async with shop.database.acquire() as connection:
            assert [row.number for row in await find(connection, Filter(), limit=3)] == [30, 29, 28]
            assert [row.number for row in await find(connection, Filter(), before=28, limit=2)] == [27, 26]
            assert {row.actor for row in await find(connection, Filter(actor="analyst-3"))} == {"analyst-3"}
            assert len(await find(connection, Filter(action="view.*"))) == 10
            assert await find(connection, Filter(action="view")) == []
            row = await show(connection, 5)
            assert row == (await find(connection, Filter(resource=row.resource)))[0]
            assert row.new["usd_minor"] == 4 * 17

    in_workshop(work)
