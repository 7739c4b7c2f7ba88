"""Portfolios made by the thousand."""

import re
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.keys import Keys
from server.store.database import Database
from server.store.portfolio import (
    VACUUM_FROM,
    NewCard,
    Portfolio,
    account_number_of,
    demo_card,
    demo_pan,
    luhn_digit,
)
from server.store.postgres import StoreError


def _luhn_valid(pan):
    """ISO/IEC 7812-1 annex B as it is written: every second digit from the right is doubled."""
    total = 0
    for place, digit in enumerate(reversed(pan)):
        doubled = int(digit) * (1 + place % 2)
        total += doubled // 10 + doubled % 10
    return total % 10 == 0


@given(st.text("0123456789", min_size=1, max_size=18))
def test_luhn_digit_makes_any_digits_valid(digits):
    """The digit completes them, and no other does."""
    digit = luhn_digit(digits)
    assert [other for other in "0123456789" if _luhn_valid(digits + other)] == [digit]


@pytest.mark.parametrize(
    ("index", "pan", "opening_minor"),
    [
        (0, "9999990000000006", 100_000),
        (9_999, None, 1_099_900),
        (10_000, None, 100_000),
        (199_999, None, 1_099_900),
    ],
)
def test_demo_card_is_the_one_that_the_rule_gives(index, pan, opening_minor):
    """PAN, expiry and funding follow from the index alone."""
    card = demo_card(index)
    assert card.pan == demo_pan(index) and card.pan[:15] == f"999999{index:09d}" and _luhn_valid(card.pan)
    assert pan is None or card.pan == pan
    assert (card.opening_minor, card.expiry_yymm) == (opening_minor, 3012)


@given(st.integers(0, 999_999_999))
def test_demo_people_are_plausible_for_any_index(index):
    """Names, a real date, an SSN nobody has, a home in range."""
    card = demo_card(index)
    assert card.given_name.isalpha() and card.family_name.isalpha()
    assert 1940 <= date.fromisoformat(card.birth_date).year <= 2004
    assert card.ssn is None or re.fullmatch(r"9\d{8}", card.ssn)
    assert 24 < card.home_latitude_deg < 50 and -125 < card.home_longitude_deg < -70


def test_many_cards_are_vacuumed_at_once(run, database_url, keys):
    """Else whoever reads them first marks every row, and writes every page; a few cards are left to autovacuum."""

    async def body():
        async with Database(database_url) as database:
            portfolio, vacuumed = Portfolio(database, keys), []
            for cards in (VACUUM_FROM - 1, 2 * VACUUM_FROM):
                await portfolio.ensure_demo(cards)
                async with database.acquire() as connection:
                    vacuumed.append(
                        await connection.fetchval(
                            "SELECT count(last_vacuum) FROM pg_stat_user_tables "
                            "WHERE relname IN ('customers', 'accounts', 'cards')"
                        )
                    )
            return vacuumed

    assert run(body()) == [0, 3]


def test_demo_grows_and_changes_nothing_when_started_again(run, database_url, keys):
    """A larger N adds the missing cards, the same or a smaller one nothing."""

    async def body():
        async with Database(database_url) as database:
            portfolio, told = Portfolio(database, keys), []
            assert await portfolio.ensure_demo(40, lambda *numbers: told.append(numbers)) == 40
            async with database.acquire() as connection:
                before = await connection.fetch("SELECT * FROM cards ORDER BY number")
            assert [await portfolio.ensure_demo(cards) for cards in (40, 10)] == [0, 0]
            assert await portfolio.ensure_demo(100, lambda *numbers: told.append(numbers)) == 60
            assert told == [(40, 40), (100, 100)]
            async with database.acquire() as connection:
                after = await connection.fetch("SELECT * FROM cards ORDER BY number")
                funded = await connection.fetchval("SELECT sum(opening_minor) FROM accounts")
            assert after[:40] == before
            assert [row["number"] for row in after] == list(range(100))
            assert [row["pan_hash"] for row in after] == [
                keys.pan_hash(demo_pan(index)) for index in range(100)
            ]
            assert funded == sum(100_000 + index * 100 for index in range(100))

    run(body())


def test_create_passes_over_known_pans_when_rows_repeat(run, database_url, keys):
    """A replay's portfolio can be made again; numbers stay dense."""
    cards = [NewCard(demo_pan(index), "Ada", "Byron", opening_minor=5) for index in range(6)]

    async def body():
        async with Database(database_url) as database:
            portfolio = Portfolio(database, keys)
            assert await portfolio.create(cards[:3], "standard") == 3
            assert await portfolio.create(cards, "standard") == 3
            async with database.acquire() as connection:
                for table in ("customers", "accounts", "cards"):
                    rows = await connection.fetch(f"SELECT number FROM {table} ORDER BY number")
                    assert [row["number"] for row in rows] == list(range(6))

    run(body())


def test_create_says_what_is_wrong_when_it_can_not(run, database_url, keys):
    """No such programme; an SSN of somebody else; and nothing is left of the batch."""
    twins = [NewCard(demo_pan(index), "Ada", "Byron", ssn="912345678") for index in range(2)]

    async def body():
        async with Database(database_url) as database:
            portfolio = Portfolio(database, keys)
            with pytest.raises(StoreError, match="no programme 'gold'"):
                await portfolio.create(twins, "gold")
            with pytest.raises(StoreError, match="repeats an SSN"):
                await portfolio.create(twins, "standard")
            with pytest.raises(StoreError, match="1 to"):
                await portfolio.ensure_demo(0)
            async with database.acquire() as connection:
                assert await connection.fetchval("SELECT count(*) FROM customers") == 0

    run(body())


def test_a_database_is_refused_when_its_keys_are_other_ones(run, database_url, keys, tmp_path):
    """The hashes of one PAN key mean nothing to another."""

    async def body():
        async with Database(database_url) as database:
            await database.belongs_to(keys)
            await database.belongs_to(keys)
            with pytest.raises(StoreError, match=f"fingerprint is {keys.fingerprint}"):
                await database.belongs_to(Keys.open(tmp_path))

    run(body())


def test_account_numbers_are_written_with_a_check_digit():
    """What people write down tells a slip of the pen."""
    assert all(_luhn_valid(account_number_of(number)) for number in range(100))
