"""Customers, accounts and cards one at a time."""

import itertools
from dataclasses import replace
from datetime import date

import pytest

from server.core.directory import CardState
from server.store.accounts import Accounts
from server.store.cards import ISSUED_BIN, CardChange, Cards, NewPlastic
from server.store.customers import Customers, NewCustomer
from server.store.database import Database
from server.store.directory_feed import DirectoryFeed
from server.store.portfolio import demo_pan, luhn_digit
from server.store.postgres import StoreError

ADA = NewCustomer("Ada", "Byron", birth_date=date(1985, 12, 10), ssn="912-34-5678", kyc_state="verified")


@pytest.fixture
def office(run, database_url, keys):
    """Runs an async body with customers, accounts and cards of an empty database, and the database."""

    def runner(body):
        async def opened():
            async with Database(database_url) as database:
                return await body(
                    Customers(database, keys), Accounts(database, keys), Cards(database, keys), database
                )

        return run(opened())

    return runner


def test_a_customer_is_shown_masked_when_found_by_number_or_ssn(office):
    """Names by a letter, the SSN by its last four, the birth date by its year."""

    async def body(customers, _accounts, _cards, _database):
        number = await customers.add(ADA)
        shown = await customers.show(number)
        assert (number, shown.given_name, shown.family_name) == (0, "A***", "B***")
        assert (shown.ssn, shown.birth_year, shown.kyc_state, shown.accounts) == (
            "****5678",
            1985,
            "verified",
            (),
        )
        assert await customers.find("912345678") == shown

    office(body)


def test_a_customer_changes_only_in_what_is_given(office):
    """Each fact is set on its own."""

    async def body(customers, _accounts, _cards, _database):
        before = await customers.show(await customers.add(ADA))
        after = await customers.change(0, risk_rating="high", politically_exposed=True)
        assert after == replace(before, risk_rating="high", politically_exposed=True)
        assert (await customers.change(0, kyc_state="failed")).kyc_state == "failed"

    office(body)


@pytest.mark.parametrize(
    ("customer", "hint"),
    [
        (replace(ADA, ssn="1234"), "nine digits"),
        (replace(ADA, given_name=" "), "1 to 100"),
        (replace(ADA, kyc_state="maybe"), "use one of pending, verified, failed"),
        (replace(ADA, risk_rating="huge"), "use one of low, medium, high"),
        (replace(ADA, home_latitude_deg=91.0), "-90 to 90"),
    ],
)
def test_a_customer_is_refused_with_a_hint_when_something_is_wrong(office, customer, hint):
    """The message says what is right."""

    async def body(customers, _accounts, _cards, _database):
        with pytest.raises(StoreError, match=hint):
            await customers.add(customer)

    office(body)


def test_one_ssn_is_one_customer(office):
    """The keyed hash finds the double without the number being stored; strangers are told apart."""

    async def body(customers, _accounts, _cards, _database):
        await customers.add(ADA)
        with pytest.raises(StoreError, match="exists already"):
            await customers.add(replace(ADA, given_name="Augusta", ssn="912345678"))
        with pytest.raises(StoreError, match="No customer has"):
            await customers.find("900000000")
        with pytest.raises(StoreError, match="no customer 7"):
            await customers.show(7)

    office(body)


def test_an_issued_card_is_found_by_all_its_names_and_read_by_the_feed(office, keys):
    """Number, token and PAN name one card; the core gets it with its opening deposit."""

    async def body(customers, accounts, cards, database):
        await customers.add(ADA)
        issued = await cards.issue(NewPlastic(0, 3101, opening_minor=12_345))
        assert issued.pan.startswith(ISSUED_BIN) and luhn_digit(issued.pan[:-1]) == issued.pan[-1]
        card = issued.card
        assert [await cards.show(name) for name in (str(card.number), card.token, issued.pan)] == [card] * 3
        assert card.pan == f"{ISSUED_BIN}******{issued.pan[-4:]}" and issued.pan not in repr(card)
        assert (card.state, card.programme, card.customer_name) == ("active", "standard", "A*** B***")
        assert [await cards.masked_pan(number) for number in (0, 9)] == [card.pan, "*" * 16]
        account = await accounts.show(card.account_number)
        assert (account.opening_minor, account.currency, account.cards) == (12_345, 840, (card.number,))
        assert account.written.startswith("****") and account.customer_name == "A*** B***"
        chunks = [chunk async for chunk in DirectoryFeed(database).read(None)]
        read = next(chunk.change.cards for chunk in chunks if len(chunk.change.cards))
        assert tuple(map(int, read["pan_key"][0])) == keys.pan_key(issued.pan)
        second = await cards.issue(NewPlastic(0, 3101, account_number=card.account_number, active=False))
        assert (second.card.number, second.card.account_number, second.card.state) == (1, 0, "inactive")

    office(body)


@pytest.mark.parametrize(
    ("wanted", "hint"),
    [
        (NewPlastic(9, 3101), "no customer 9"),
        (NewPlastic(0, 3101, programme="gold"), "no programme 'gold'"),
        (NewPlastic(0, 3101, account_number=4), "has no account 4"),
        (NewPlastic(0, 3101, opening_minor=-1), "not negative"),
    ],
)
def test_a_card_is_not_issued_when_what_it_hangs_on_is_missing(office, wanted, hint):
    """Nothing is half made."""

    async def body(customers, _accounts, cards, database):
        await customers.add(ADA)
        with pytest.raises(StoreError, match=hint):
            await cards.issue(wanted)
        async with database.acquire() as connection:
            assert await connection.fetchval("SELECT count(*) FROM accounts") == 0

    office(body)


def test_a_card_moves_only_along_the_arrows(office):
    """Every state against every change: the table is the code."""

    async def body(customers, _accounts, cards, database):
        await customers.add(ADA)
        await cards.issue(NewPlastic(0, 3101))
        for state, change in itertools.product([state.name.lower() for state in CardState], CardChange):
            async with database.acquire() as connection:
                await connection.execute("UPDATE cards SET state = $1", state)
            allowed, wanted = change.value
            if state == wanted or state in allowed:
                assert (await cards.change("0", change)).state == wanted
            else:
                with pytest.raises(StoreError, match=f"is {state}; it can only become {wanted}"):
                    await cards.change("0", change)
                assert (await cards.show("0")).state == state

    office(body)


def test_a_card_reference_is_refused_when_it_is_none(office):
    """The message names the three ways; one that could be a card and is none gets another."""

    async def body(_customers, _accounts, cards, _database):
        for reference in ("", "card_12", "-1", "9" * 30, "4000000000000001", "Ada"):
            with pytest.raises(StoreError, match="its number, its token"):
                await cards.show(reference)
        with pytest.raises(StoreError, match="no such card"):
            await cards.show(demo_pan(3))

    office(body)


def test_cards_are_listed_in_pages_of_one_state_or_of_any(office):
    """The last number of a page begins the next."""

    async def body(customers, _accounts, cards, _database):
        await customers.add(ADA)
        for _ in range(5):
            await cards.issue(NewPlastic(0, 3101))
        await cards.change("3", CardChange.FREEZE)
        first = await cards.list(count_max=3)
        assert [card.number for card in first] == [0, 1, 2]
        assert [card.number for card in await cards.list(after=2, count_max=3)] == [3, 4]
        assert [card.number for card in await cards.list(state="frozen")] == [3]

    office(body)
