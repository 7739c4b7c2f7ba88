"""Transfers over a real ledger and a real PostgreSQL."""

import asyncio
import random
import time
from datetime import date, timedelta
from decimal import Decimal

import pytest

from holdfast.v1 import transfers_pb2 as pb
from ledger import movements
from ledger.chart import AccountCode
from ledger.embedded import EmbeddedLedger
from ledger.exchange import Rate
from ledger.tigerbeetle import TigerBeetleLedger
from server.banking.accounts import CLOSING_GRACE_S
from server.banking.refusals import Refused, Unfit
from server.banking.transfers import movement_of
from server.store.holdings import KeyReused, UnknownAccount
from tests import clusters
from tests.server.banking.bank import SENDER, HeldUp, banking

EUR, USD, JPY = 978, 840, 392
OUT = pb.TRANSFER_DIRECTION_OUT


def _rates():
    today = date.today()  # noqa: DTZ011 - a rate of the day on which the test runs
    return [
        Rate(today - timedelta(days=1), EUR, USD, Decimal("1.1000"), 100),
        Rate(today - timedelta(days=1), USD, JPY, Decimal(150), 100),
    ]


def _state(transfer):
    return pb.TransferState.Name(transfer.state).removeprefix("TRANSFER_STATE_").lower()


def test_money_comes_in_and_goes_out_by_every_kind(run, database_url, keys, tmp_path):
    """Each is posted at once, its fee with it; cash and other banks pay and get the rest."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own, other = await bank.open(), await bank.open()
            for kind in ("ach", "wire", "rtp", "swift", "cash_deposit"):
                done = await bank.create(kind, own, 100_000, fee_minor=100)
                assert (_state(done), done.payee_minor) == ("posted", 100_000), done.reason
            assert (await bank.balance(own)).current_minor == 5 * 99_900
            for kind in ("ach", "wire", "rtp", "swift"):
                done = await bank.create(kind, own, 50_000, direction=OUT, fee_minor=50)
                assert _state(done) == "posted", done.reason
            assert _state(await bank.create("cash_withdrawal", own, 50_000)) == "posted"
            assert _state(await bank.create("internal", own, 50_000, payee_account=other)) == "posted"
            assert (await bank.balance(own)).current_minor == 5 * 99_900 - 4 * 50_050 - 100_000
            assert (await bank.balance(other)).available_minor == 50_000
            for debits, credited, control, pending in (await bank.totals()).values():
                assert debits == credited and control == 0 and pending == 0

    run(body())


def test_a_transfer_fails_whole_when_the_balance_does_not_cover_amount_and_fee(
    run, database_url, keys, tmp_path
):
    """The state says so; nothing has moved, and a repeat gets the same answer."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            await bank.create("ach", own, 1_000)
            request = bank.transfer("wire", own, 1_000, direction=OUT, fee_minor=1)
            for replayed in (False, True):
                done = await bank.transfer_service.create_transfer(request, SENDER)
                assert (_state(done), done.reason, done.replayed) == (
                    "failed",
                    "insufficient_funds",
                    replayed,
                )
            assert (await bank.balance(own)).available_minor == 1_000
            with pytest.raises(Refused) as refused:
                await bank.transfers.reverse((await bank.transfers._transfers.list(_all(), 1))[0].id, "x")
            assert refused.value.reason == "NOT_POSTED"

    run(body())


def _all():
    from server.store.transfers import Wanted

    return Wanted()


def test_the_same_key_moves_money_once_when_sent_many_times_at_once(run, database_url, keys, tmp_path):
    """One transfer; and the same key with other content is refused."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            request = bank.transfer("ach", own, 700)
            answers = await asyncio.gather(
                *(bank.transfer_service.create_transfer(request, SENDER) for _ in range(20))
            )
            assert len({answer.transfer_id for answer in answers}) == 1
            assert {_state(answer) for answer in answers} == {"posted"}
            assert sum(not answer.replayed for answer in answers) == 1
            assert (await bank.balance(own)).current_minor == 700
            request.amount_minor = 701
            with pytest.raises(KeyReused):
                await bank.transfer_service.create_transfer(request, SENDER)
            await bank.transfer_service.create_transfer(request, SENDER + 1)
            assert (await bank.balance(own)).current_minor == 1_401

    run(body())


@pytest.mark.parametrize(
    ("decision", "state", "available_minor"),
    [("APPROVE", "posted", 0), ("REJECT", "rejected", 1_500_100), ("BLOCK", "blocked", 1_500_100)],
)
def test_a_transfer_waits_for_a_decision_when_a_rule_wants_one(
    run, database_url, keys, tmp_path, decision, state, available_minor
):
    """Its money is held meanwhile; the first decision counts, whoever sends which at once."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            await bank.create("ach", own, 1_500_100)
            held = await bank.create("wire", own, 1_500_000, direction=OUT, fee_minor=100)
            assert _state(held) == "pending_review"
            assert list(held.review_reasons) == ["amount_above_1000000_usd_minor"]
            waiting = await bank.balance(own)
            assert (waiting.current_minor, waiting.pending_out_minor, waiting.available_minor) == (
                1_500_100,
                1_500_100,
                0,
            )
            chosen = pb.TransferDecision.Value(f"TRANSFER_DECISION_{decision}")

            def decide(number):
                request = pb.DecideTransferRequest(
                    transfer_id=held.transfer_id, decision=number, decided_by="ada", reason="known payee"
                )
                return bank.transfer_service.decide_transfer(request, SENDER)

            answers = [await decide(chosen), *await asyncio.gather(*(decide(chosen) for _ in range(5)))]
            assert {_state(answer) for answer in answers} == {state}
            assert {(answer.decided_by, answer.decision_reason) for answer in answers} == {
                ("ada", "known payee")
            }
            with pytest.raises(Refused) as refused:
                await decide(chosen % 3 + 1)
            assert refused.value.reason == "ALREADY_DECIDED"
            after = await bank.balance(own)
            assert (after.available_minor, after.pending_out_minor) == (available_minor, 0)
            shown = await bank.transfer_service.get_transfer(
                pb.GetTransferRequest(transfer_id=held.transfer_id), SENDER
            )
            assert [_state(event) for event in shown.events] == [
                "submitted",
                "pending_review",
                "deciding",
                state,
            ]
            assert shown.request.counterparty.account == "****5678"

    run(body())


def test_one_outcome_stands_when_two_people_decide_at_once(run, database_url, keys, tmp_path):
    """Ten approve, ten reject: one side is refused, and the money agrees with the state."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            held = await bank.create("wire", own, 1_500_000)
            assert (await bank.balance(own)).pending_in_minor == 1_500_000
            requests = [
                pb.DecideTransferRequest(
                    transfer_id=held.transfer_id, decision=1 + k % 2, decided_by=f"p{k}", reason="r"
                )
                for k in range(20)
            ]
            answers = await asyncio.gather(
                *(bank.transfer_service.decide_transfer(request, SENDER) for request in requests),
                return_exceptions=True,
            )
            states = {_state(answer) for answer in answers if not isinstance(answer, Exception)}
            assert sum(isinstance(answer, Refused) for answer in answers) == 10
            assert len(states) == 1
            balance = await bank.balance(own)
            assert balance.current_minor == (1_500_000 if states == {"posted"} else 0)
            assert balance.pending_in_minor == 0

    run(body())


def test_a_reversal_books_everything_back_once(run, database_url, keys, tmp_path):
    """Fee too; again changes nothing; a payee who has spent it refuses it, a stranger's money is owed."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own, other = await bank.open(), await bank.open()
            deposit = await bank.create("ach", own, 10_000)
            sent = await bank.create("internal", own, 6_000, payee_account=other, fee_minor=10)

            def reverse(transfer):
                request = pb.ReverseTransferRequest(transfer_id=transfer.transfer_id, reason="mistaken")
                return bank.transfer_service.reverse_transfer(request, SENDER)

            answers = await asyncio.gather(*(reverse(sent) for _ in range(5)))
            assert {_state(answer) for answer in answers} == {"reversed"}
            assert (await bank.balance(own)).current_minor == 10_000
            again = await bank.create("internal", own, 6_000, payee_account=other)
            await bank.create("cash_withdrawal", other, 1)
            for _ in range(2):
                with pytest.raises(Refused, match="insufficient_funds") as refused:
                    await reverse(again)
                assert refused.value.reason == "NOT_REVERSIBLE"
            await bank.create("cash_deposit", other, 1)
            assert _state(await reverse(again)) == "reversed"
            await bank.create("cash_withdrawal", own, 7_000)
            assert _state(await reverse(deposit)) == "reversed"
            owing = await bank.balance(own)
            assert (owing.current_minor, owing.owed_minor) == (0, 7_000)
            await bank.create("rtp", own, 10_000)
            repaid = await bank.balance(own)
            assert (repaid.current_minor, repaid.owed_minor) == (3_000, 0)

    run(body())


def test_a_conversion_pays_by_the_rate_of_the_day_and_its_spread(run, database_url, keys, tmp_path):
    """Who fixes an amount gets it exactly; the other side bears rate, spread and rounding, in whole minor units."""

    async def body():
        async with banking(database_url, keys, tmp_path, rates=_rates()) as bank:
            dollars, euros, yen = await bank.open(), await bank.open("EUR"), await bank.open("JPY")
            await bank.create("ach", dollars, 1_000_000)
            given = await bank.create("internal", dollars, 11_000, payee_account=euros)
            assert (given.payer_minor, given.payee_minor, given.payee_currency) == (11_000, 9_900, "EUR")
            wanted = await bank.create("internal", dollars, 10_000, currency="EUR", payee_account=euros)
            assert (wanted.payer_minor, wanted.payee_minor) == (11_110, 10_000)
            assert (wanted.rate, wanted.spread_bps) == ("0.909090909", 100)
            small = await bank.create("internal", dollars, 1_000, payee_account=yen)
            assert small.payee_minor == 1_485
            crossed = await bank.create("internal", euros, 1_000, currency="EUR", payee_account=yen)
            assert crossed.payee_minor == 1_634  # 10 euros, 11 dollars, 1,650 yen, less one percent: 1633.5
            abroad = await bank.create("swift", dollars, 10_000, currency="EUR", direction=OUT)
            assert (_state(abroad), abroad.payer_minor, abroad.payee_minor) == ("posted", 11_110, 10_000)
            with pytest.raises(Refused) as refused:
                await bank.create("swift", dollars, 10_000, currency="GBP", direction=OUT)
            assert refused.value.reason == "RATE_MISSING"
            bank.clock.ahead_ns += 5 * 86_400 * 10**9
            with pytest.raises(Refused, match="was good until"):
                await bank.create("internal", dollars, 11_000, payee_account=euros)
            for debits, credited, control, pending in (await bank.totals()).values():
                assert debits == credited and control == 0 and pending == 0

    run(body())


@pytest.mark.parametrize("stop", ["before", "after"])
@pytest.mark.parametrize("is_held", [False, True])
def test_a_transfer_under_way_comes_to_its_end_when_the_server_died(
    run, database_url, keys, tmp_path, stop, is_held
):
    """Killed before or after the ledger was asked: upkeep carries it out, once."""
    amount_minor = 2_000_000 if is_held else 5_000

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            asked = _asked(bank.transfer("wire", own, amount_minor))
            new = await bank.transfers._priced(asked, SENDER)
            await bank.transfers._transfers.add(new)
            if stop == "after":
                movement = movement_of(new)
                batch = movements.hold(movement) if is_held else movements.pay(movement, payee_owes=False)
                await bank.ledger.create_transfers(batch)
            assert [await bank.transfers.sweep(0), await bank.transfers.sweep(0)] == [1, 0]
            found, _ = await bank.transfers.find(new.id)
            assert found.state == ("pending_review" if is_held else "posted")
            balance = await bank.balance(own)
            assert balance.current_minor + balance.pending_in_minor == amount_minor
            if is_held:
                await bank.transfers._transfers.decide(new.id, "approve", "ada", "fine")
                if stop == "after":
                    await bank.ledger.create_transfers(movements.clear(movement_of(new), payee_owes=False))
                assert await bank.transfers.sweep(0) == 1
                assert (await bank.balance(own)).current_minor == amount_minor

    run(body())


def _asked(request):
    from server.front.asking import asked

    return asked(request)


def test_a_caller_is_told_submitted_when_the_ledger_keeps_it_waiting(run, database_url, keys, tmp_path):
    """Within the deadline; a repeat and upkeep wait for the same step, and it is carried out once."""

    async def body():
        own_ledger = EmbeddedLedger.open(tmp_path / "slow", now_ns=time.time_ns)
        ledger = HeldUp(own_ledger)
        try:
            async with banking(database_url, keys, tmp_path, ledger=ledger, deadline_s=0.05) as bank:
                own = await bank.open()
                ledger.gate.clear()
                request = bank.transfer("ach", own, 900)
                for _ in range(2):
                    assert _state(await bank.transfer_service.create_transfer(request, SENDER)) == "submitted"
                assert await bank.transfers.sweep(0) == 0
                ledger.gate.set()
                await bank.transfers.close()
                assert _state(await bank.transfer_service.create_transfer(request, SENDER)) == "posted"
                assert (await bank.balance(own)).current_minor == 900
        finally:
            await own_ledger.close()

    run(body())


def test_transfers_are_listed_by_what_they_are_page_by_page(run, database_url, keys, tmp_path):
    """Newest first; the pages together are all of them, once."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own, other = await bank.open(), await bank.open()
            for k in range(1, 8):
                await bank.create("ach", own, 1_000 * k)
            await bank.create("internal", own, 500, payee_account=other)
            await bank.create("wire", other, 9_000_000)

            async def listed(**wanted):
                request, found = pb.ListTransfersRequest(page_size=3, **wanted), []
                for _ in range(10):
                    answer = await bank.transfer_service.list_transfers(request, SENDER)
                    found += [transfer.request.amount_minor for transfer in answer.transfers]
                    request.page_token = answer.next_page_token
                    if not request.page_token:
                        return found
                raise AssertionError("the pages don't end")

            assert await listed() == [9_000_000, 500, 7_000, 6_000, 5_000, 4_000, 3_000, 2_000, 1_000]
            assert await listed(account_number=other) == [9_000_000, 500]
            assert await listed(kind=pb.TRANSFER_KIND_INTERNAL) == [500]
            assert await listed(state=pb.TRANSFER_STATE_PENDING_REVIEW) == [9_000_000]
            assert await listed(amount_min_minor=3_000, amount_max_minor=5_000) == [5_000, 4_000, 3_000]

    run(body())


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        ("wire", {"holder_address": ""}, "holder_address"),
        ("swift", {"counterparty__address": ""}, "counterparty.address"),
        ("wire", {"account_number": 99}, None),
        ("internal", {"payee_account": 99}, "payee_account"),
        ("cash_deposit", {"currency": "EUR"}, "currency"),
        ("cash_deposit", {"conductor__id_number": "", "amount_minor": 1_000_001}, "conductor.id_number"),
        ("ach", {"fee_minor": 400_000}, "fee_minor"),
    ],
)
def test_a_transfer_is_refused_when_facts_and_request_do_not_agree(
    run, database_url, keys, tmp_path, kind, fields, named
):
    """Nothing is written."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            own = await bank.open()
            with pytest.raises((Unfit, UnknownAccount)) as refused:
                await bank.create(kind, own, fields.pop("amount_minor", 300_000), **fields)
            if named is not None:
                assert [bad.field for bad in refused.value.fields] == [named]
            assert await bank.transfers.list(_all(), 10) == []

    run(body())


@pytest.mark.parametrize("seed", range(3))
def test_no_currency_gains_or_loses_a_unit_over_random_histories(run, database_url, keys, tmp_path, seed):
    """Deposits, payments, conversions, reviews, decisions and reversals, some of them at once: books always balance."""

    async def body():
        async with banking(database_url, keys, tmp_path, rates=_rates()) as bank:
            await _live(bank, random.Random(seed), 25)

    run(body())


def test_the_same_holds_on_tigerbeetle(run, database_url, keys, tmp_path):
    """A real server, where there is one: every chain is one that it takes."""
    if clusters.server() is None:
        pytest.skip(clusters.WHY_NONE)
    cluster = clusters.Cluster(tmp_path)

    async def body():
        ledger = await TigerBeetleLedger.open(cluster.addresses, cluster.cluster_id, deadline_s=30.0)
        try:
            async with banking(database_url, keys, tmp_path, rates=_rates(), ledger=ledger) as bank:
                await _live(bank, random.Random(1), 25)
                own = await bank.open()
                await bank.accounts.close(own)
                bank.clock.ahead_ns += 2 * CLOSING_GRACE_S * 10**9
                assert await bank.accounts.close_what_can_be() == 1
                await _owe_and_repay(bank)
        finally:
            await ledger.close()

    try:
        run(body())
    finally:
        cluster.close()


async def _owe_and_repay(bank):
    own = await bank.open()
    deposit = await bank.create("ach", own, 10_000)
    await bank.create("cash_withdrawal", own, 7_000)
    request = pb.ReverseTransferRequest(transfer_id=deposit.transfer_id, reason="returned")
    assert _state(await bank.transfer_service.reverse_transfer(request, SENDER)) == "reversed"
    assert (await bank.balance(own)).owed_minor == 7_000
    held = await bank.create("wire", own, 1_500_000, fee_minor=5)
    decision = pb.DecideTransferRequest(
        transfer_id=held.transfer_id, decision=1, decided_by="ada", reason="fine"
    )
    assert _state(await bank.transfer_service.decide_transfer(decision, SENDER)) == "posted"
    balance = await bank.balance(own)
    assert (balance.current_minor, balance.owed_minor) == (1_492_995, 0)


def test_an_approved_deposit_repays_what_is_owed_before_its_fee(run, database_url, keys, tmp_path):
    """Held, approved, posted: the debt first."""

    async def body():
        async with banking(database_url, keys, tmp_path) as bank:
            await _owe_and_repay(bank)

    run(body())


async def _live(bank, rng, rounds):
    """A random history; after each round the books balance, and at the end each account has what it should."""
    letters = {USD: "USD", EUR: "EUR", JPY: "JPY"}
    numbers = {}
    for currency in (USD, USD, EUR, JPY):
        numbers[await bank.open(letters[currency])] = currency
    made = []

    async def step():
        account = rng.choice(list(numbers))
        currency = letters[numbers[account]]
        amount = rng.choice([rng.randint(1, 9_000), rng.randint(1, 4_000_000)])
        fee = rng.choice([0, 0, rng.randint(0, 30)])
        what = rng.random()
        try:
            if what < 0.35:
                kind = rng.choice(["swift", "cash_deposit"])
                made.append(await bank.create(kind, account, amount, currency=currency))
            elif what < 0.55:
                kind = rng.choice(["swift", "cash_withdrawal"])
                fields = {"direction": OUT} if kind == "swift" else {}
                made.append(
                    await bank.create(kind, account, amount, currency=currency, fee_minor=fee, **fields)
                )
            elif what < 0.75:
                payee = rng.choice([number for number in numbers if number != account])
                made.append(
                    await bank.create(
                        "internal",
                        account,
                        amount,
                        currency=currency,
                        payee_account=payee,
                        fee_minor=fee,
                    )
                )
            elif made and what < 0.88:
                request = pb.DecideTransferRequest(
                    transfer_id=rng.choice(made).transfer_id,
                    decision=rng.randint(1, 3),
                    decided_by="x",
                    reason="y",
                )
                await bank.transfer_service.decide_transfer(request, SENDER)
            elif made:
                request = pb.ReverseTransferRequest(transfer_id=rng.choice(made).transfer_id, reason="z")
                await bank.transfer_service.reverse_transfer(request, SENDER)
        except Refused:
            pass

    for _ in range(rounds):
        await asyncio.gather(*(step() for _ in range(rng.randint(1, 4))))
        for debits, credited, control, pending in (await bank.totals()).values():
            assert debits == credited and control == 0 and pending == 0
    assert await bank.transfers.sweep(0) == 0
    await _adds_up(bank, numbers)


async def _adds_up(bank, numbers):
    """Each account has what the states of its transfers say, and control nothing."""
    expected = dict.fromkeys(numbers, 0)
    for transfer in await bank.transfers.list(_all(), 10_000):
        assert transfer.state in {"posted", "pending_review", "rejected", "blocked", "failed", "reversed"}
        if transfer.state != "posted":
            continue
        if transfer.direction == "in":
            expected[transfer.account_number] += transfer.payee_minor - transfer.fee_minor
        else:
            expected[transfer.account_number] -= transfer.payer_minor + transfer.fee_minor
            if transfer.payee_account is not None:
                expected[transfer.payee_account] += transfer.payee_minor
    for number in numbers:
        balance = await bank.balance(number)
        assert balance.current_minor - balance.owed_minor == expected[number]
        assert balance.available_minor >= 0
    codes = {int(account["code"]) for account in await bank.every_account()}
    assert AccountCode.FX_LIQUIDITY in codes
