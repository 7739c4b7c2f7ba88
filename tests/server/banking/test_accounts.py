"""Accounts over a real ledger and a real PostgreSQL."""

import asyncio
import time

import numpy as np
import pytest

from holdfast.v1 import accounts_pb2 as pb
from holdfast.v1 import transfers_pb2
from ledger import holds, movements
from ledger.chart import AccountCode, account_id
from ledger.transfer import AccountFlags, CreateTransferStatus
from server.banking.accounts import CLOSING_GRACE_S, fresh_id
from server.banking.refusals import Refused
from server.store.holdings import KeyReused, UnknownAccount, UnknownCustomer
from tests.server.banking.bank import NS, SENDER, banking

USD = 840
OUT = transfers_pb2.TRANSFER_DIRECTION_OUT


async def _hold(bank, number, amount_minor, timeout_s=3600):
    """A card's hold on the account; its id as `holds` takes it."""
    identifier = fresh_id(bank.clock())
    ids = np.array([[identifier & (1 << 64) - 1, identifier >> 64]], np.uint64)
    placed = holds.place(
        ids,
        np.array([number]),
        np.array([USD]),
        np.array([amount_minor]),
        np.array([timeout_s]),
        np.array([False]),
    )
    results = await bank.ledger.create_transfers(placed)
    assert (results["status"] == CreateTransferStatus.CREATED).all()
    return ids


def test_an_account_is_opened_once_when_its_request_comes_many_times(run, database_url, keys, tmp_path):
    """The same number, replayed; other content under the key is refused, and so is nobody's account."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            request = pb.OpenAccountRequest(
                idempotency_key="k", customer_number=0, currency="KWD", credit_limit_minor=1_000
            )
            answers = await asyncio.gather(
                *(bank.account_service.open_account(request, SENDER) for _ in range(8))
            )
            assert {answer.account_number for answer in answers} == {0}
            assert sum(not answer.replayed for answer in answers) == 1
            assert (await bank.balance(0)).available_minor == 1_000
            request.currency = "JPY"
            with pytest.raises(KeyReused):
                await bank.account_service.open_account(request, SENDER)
            request.idempotency_key, request.customer_number = "l", 5
            with pytest.raises(UnknownCustomer):
                await bank.account_service.open_account(request, SENDER)
            with pytest.raises(UnknownAccount):
                await bank.accounts.balance(9)

    run(body())


def test_a_credit_limit_lends_and_takes_back_only_what_is_free(run, database_url, keys, tmp_path):
    """Drawn, it is overdraft; what is drawn or held stays lent."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open(limit_minor=10_000)
            await bank.create("ach", own, 1_000)
            await bank.create("ach", own, 4_000, direction=OUT)
            await _hold(bank, own, 2_000)
            balance = await bank.balance(own)
            assert balance.current_minor == -3_000
            assert (balance.overdraft_minor, balance.available_minor) == (3_000, 5_000)
            with pytest.raises(Refused, match=r"only 50\.00 is free") as refused:
                await bank.accounts.set_credit_limit(own, 4_999)
            assert refused.value.reason == "CREDIT_IN_USE"
            limits = await asyncio.gather(*(bank.accounts.set_credit_limit(own, 5_000) for _ in range(4)))
            assert {holding.credit_limit_minor for holding in limits} == {5_000}
            balance = await bank.balance(own)
            assert (balance.credit_limit_minor, balance.available_minor) == (5_000, 0)

    run(body())


def test_an_account_closes_in_the_ledger_when_nothing_is_open_any_more(run, database_url, keys, tmp_path):
    """Closing while a hold stands; then closed, and nothing moves there again."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            await bank.create("ach", own, 3_000)
            with pytest.raises(Refused, match=r"30\.00 USD is left"):
                await bank.accounts.close(own)
            hold = await _hold(bank, own, 3_000, timeout_s=3 * CLOSING_GRACE_S)
            assert [(await bank.accounts.close(own)).state for _ in range(2)] == ["closing"] * 2
            bank.clock.ahead_ns += 2 * CLOSING_GRACE_S * NS
            assert await bank.accounts.close_what_can_be() == 0
            with pytest.raises(Refused):
                await bank.create("ach", own, 1)
            await bank.ledger.create_transfers(holds.release(hold))
            assert await bank.accounts.close_what_can_be() == 0, "money is left"
            moved = await bank.create("ach", own, 3_000, direction=OUT)
            assert moved.state == transfers_pb2.TRANSFER_STATE_POSTED
            assert [await bank.accounts.close_what_can_be() for _ in range(2)] == [1, 0]
            assert (await bank.accounts.find(own)).state == "closed"
            ids = account_id(AccountCode.CARDHOLDER, USD, own)
            assert (await bank.ledger.lookup_accounts(ids))["flags"][0] & AccountFlags.CLOSED
            for direction in (transfers_pb2.TRANSFER_DIRECTION_IN, OUT):
                with pytest.raises(Refused) as refused:
                    await bank.create("ach", own, 1, direction=direction)
                assert refused.value.reason == "ACCOUNT_CLOSED"

    run(body())


def test_an_account_closes_once_when_the_server_died_after_the_ledger_had_closed_it(
    run, database_url, keys, tmp_path
):
    """The closing transfer's id is in PostgreSQL before the ledger is asked."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            await bank.accounts.close(own)
            [closing] = await bank.accounts._holdings.that_close(after=-1, count_max=5)
            await bank.ledger.create_transfers(movements.closing(closing.closing_id.int, own, USD))
            bank.clock.ahead_ns += 2 * CLOSING_GRACE_S * NS
            assert await bank.accounts.close_what_can_be() == 1
            assert (await bank.accounts.find(own)).state == "closed"

    run(body())


def test_a_statement_adds_up_over_pages_and_moments(run, database_url, keys, tmp_path):
    """Whatever the page size: opening and booked lines make the closing balance, which is the current one."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open(limit_minor=50_000)
            for k in range(1, 6):
                await bank.create("ach", own, 1_000 * k, fee_minor=10)
            middle_ns = bank.clock()
            kept = await _hold(bank, own, 700)
            dropped = await _hold(bank, own, 800)
            await _hold(bank, own, 900, timeout_s=5)
            await bank.ledger.create_transfers(holds.release(dropped))
            held = await bank.create("wire", own, 3_000_000)
            await bank.create("ach", own, 40_000, direction=OUT)
            bank.clock.ahead_ns += 10 * NS
            current = (await bank.balance(own)).current_minor
            assert current == 15_000 - 50 - 40_000

            async def read(size, **fields):
                request = pb.GetStatementRequest(account_number=own, page_size=size, **fields)
                pages = []
                while True:
                    pages.append(await bank.account_service.get_statement(request, SENDER))
                    request.page_token = pages[-1].next_page_token
                    if not request.page_token:
                        return pages

            whole = await read(200)
            for size in (1, 3, 7):
                pages = await read(size)
                assert [line for page in pages for line in page.lines] == list(whole[0].lines)
                balance = 0
                for page in pages:
                    assert page.opening_minor == balance
                    balance += sum(line.booked_minor for line in page.lines)
                    assert page.closing_minor == balance
                assert balance == current
            states = [(line.amount_minor, line.state) for line in whole[0].lines if line.kind == "hold"]
            assert states == [(-700, "pending"), (-800, "voided"), (-900, "expired")]
            assert [line.state for line in whole[0].lines if line.kind == "wire"] == ["pending"]
            moment = pb.GetStatementRequest(account_number=own)
            moment.as_of.FromNanoseconds(middle_ns)
            moment.start_time.FromNanoseconds(middle_ns)
            later = await bank.account_service.get_statement(moment, SENDER)
            assert later.as_of_minor == later.opening_minor == 15_000 - 50
            assert later.closing_minor == current
            assert held.transfer_id in {line.origin_id for line in later.lines}
            assert len(kept) == 1

    run(body())


def test_a_balance_is_read_in_a_hundred_milliseconds_while_the_ledger_works(
    run, database_url, keys, tmp_path
):
    """PostgreSQL is not asked once the account is known; the ledger answers between batches: the best of some runs."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            numbers = [await bank.open() for _ in range(2)]
            for number in numbers:
                await bank.create("ach", number, 1_000)
            busy = asyncio.Event()

            async def load():
                while not busy.is_set():
                    await asyncio.gather(*(_hold(bank, numbers[0], 0) for _ in range(50)))

            working = asyncio.ensure_future(load())
            slow_s = []
            for _ in range(5):
                took_s = []
                for _ in range(100):
                    start_s = time.perf_counter()
                    assert (await bank.balance(numbers[1])).available_minor == 1_000
                    took_s.append(time.perf_counter() - start_s)
                slow_s.append(sorted(took_s)[98])
                if slow_s[-1] < 0.1:
                    break
            busy.set()
            await working
            assert slow_s[-1] < 0.1, slow_s

    run(body())
