"""Whoever may do everything in PostgreSQL is found out, and where he was."""

from loadtest.audit_bench import TAMPERINGS, campaign

TIMES = 20


def test_every_tampering_is_found_with_its_place_when_the_log_is_verified(in_workshop):
    """20 of each kind; `holdfast bench audit --part tampering` does a thousand."""

    async def work(shop):
        return await campaign(shop, TIMES, seed_number=1)

    assert in_workshop(work) == dict.fromkeys(TAMPERINGS, TIMES)
