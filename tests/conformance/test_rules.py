"""TigerBeetle's rules, each a claim that the oracle, the embedded engine and a real server all bear out."""

import pytest

from ledger.transfer import AccountFlags, CreateAccountStatus, CreateTransferStatus, TransferFlags
from tests.conformance.books import account, resolution, transfer
from tests.ledger.naive import MAX

PENDING, LINKED = TransferFlags.PENDING, TransferFlags.LINKED
POST, VOID = TransferFlags.POST_PENDING_TRANSFER, TransferFlags.VOID_PENDING_TRANSFER
BALANCING_DEBIT, BALANCING_CREDIT = TransferFlags.BALANCING_DEBIT, TransferFlags.BALANCING_CREDIT
IMPORTED = TransferFlags.IMPORTED
NO_OVERDRAFT = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS
NO_SURPLUS = AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS

ACCOUNT_FAULTS = {
    # In the order of precedence: what is wrong with the event, and the status that tells it.
    "TIMESTAMP_MUST_BE_ZERO": dict(timestamp=1),
    "RESERVED_FIELD": dict(reserved=1),
    "RESERVED_FLAG": dict(flags=1 << 6),
    "ID_MUST_NOT_BE_ZERO": dict(id=0),
    "ID_MUST_NOT_BE_INT_MAX": dict(id=MAX),
    "FLAGS_ARE_MUTUALLY_EXCLUSIVE": dict(flags=NO_OVERDRAFT | NO_SURPLUS),
    "DEBITS_PENDING_MUST_BE_ZERO": dict(debits_pending=1),
    "DEBITS_POSTED_MUST_BE_ZERO": dict(debits_posted=1),
    "CREDITS_PENDING_MUST_BE_ZERO": dict(credits_pending=1),
    "CREDITS_POSTED_MUST_BE_ZERO": dict(credits_posted=1),
    "LEDGER_MUST_NOT_BE_ZERO": dict(ledger=0),
    "CODE_MUST_NOT_BE_ZERO": dict(code=0),
}
TRANSFER_FAULTS = {
    "TIMESTAMP_MUST_BE_ZERO": dict(timestamp=1),
    "RESERVED_FLAG": dict(flags=1 << 9),
    "ID_MUST_NOT_BE_ZERO": dict(id=0),
    "ID_MUST_NOT_BE_INT_MAX": dict(id=MAX),
    "DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO": dict(debit_account_id=0),
    "DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX": dict(debit_account_id=MAX),
    "CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO": dict(credit_account_id=0),
    "CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX": dict(credit_account_id=MAX),
    "ACCOUNTS_MUST_BE_DIFFERENT": dict(debit_account_id=9, credit_account_id=9),
    "PENDING_ID_MUST_BE_ZERO": dict(pending_id=77),
    "TIMEOUT_RESERVED_FOR_PENDING_TRANSFER": dict(timeout=5),
    "CLOSING_TRANSFER_MUST_BE_PENDING": dict(flags=TransferFlags.CLOSING_DEBIT),
    "LEDGER_MUST_NOT_BE_ZERO": dict(ledger=0),
    "CODE_MUST_NOT_BE_ZERO": dict(code=0),
    "DEBIT_ACCOUNT_NOT_FOUND": dict(debit_account_id=8),
    "CREDIT_ACCOUNT_NOT_FOUND": dict(credit_account_id=7),
    "ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER": dict(credit_account_id=3),
}
RESOLUTION_FAULTS = {
    "FLAGS_ARE_MUTUALLY_EXCLUSIVE": dict(flags=POST | VOID),
    "PENDING_ID_MUST_NOT_BE_ZERO": dict(pending_id=0),
    "PENDING_ID_MUST_NOT_BE_INT_MAX": dict(pending_id=MAX),
    "TIMEOUT_RESERVED_FOR_PENDING_TRANSFER": dict(timeout=5),
    "PENDING_TRANSFER_NOT_FOUND": dict(pending_id=404),
    "PENDING_TRANSFER_NOT_PENDING": dict(pending_id=501),
    "PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID": dict(debit_account_id=2),
    "PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID": dict(credit_account_id=1),
    "PENDING_TRANSFER_HAS_DIFFERENT_LEDGER": dict(ledger=4_000_000_000),
    "PENDING_TRANSFER_HAS_DIFFERENT_CODE": dict(code=9),
    "EXCEEDS_PENDING_TRANSFER_AMOUNT": dict(amount=101),
}


def pairs_of(faults):
    """Each fault alone and each two that touch different fields, with the status of the first in order."""
    names = list(faults)
    for at, first in enumerate(names):
        yield first, faults[first]
        for second in names[at + 1 :]:
            shared = set(faults[first]) & set(faults[second])
            if not shared - {"flags"}:
                both = faults[first] | faults[second]
                if "flags" in shared:
                    both["flags"] = faults[first]["flags"] | faults[second]["flags"]
                yield first, both


def test_of_two_faults_of_an_account_the_first_in_order_is_told(books):
    """Every fault alone, and every two."""
    cases = list(pairs_of(ACCOUNT_FAULTS))
    events = [account(1_000 + i, books) | fault for i, (_, fault) in enumerate(cases)]
    assert books.open(*events) == [status for status, _ in cases]


def test_of_two_faults_of_a_transfer_the_first_in_order_is_told(books):
    """Likewise; one of the accounts belongs to another ledger."""
    books.open(account(1, books), account(2, books), account(3, books, ledger=books.ledger + 1))
    cases = list(pairs_of(TRANSFER_FAULTS))
    events = [transfer(1_000 + i, books) | fault for i, (_, fault) in enumerate(cases)]
    assert books.post(*events) == [status for status, _ in cases]


def test_of_two_faults_of_a_post_the_first_in_order_is_told(books):
    """Posting what is not there, not pending, or something else."""
    books.open(account(1, books), account(2, books))
    books.post(transfer(500, books, amount=100, flags=PENDING), transfer(501, books))
    cases = list(pairs_of(RESOLUTION_FAULTS))
    events = [resolution(1_000 + i, 500, POST) | fault for i, (_, fault) in enumerate(cases)]
    for event in events:
        event["flags"] |= 0 if event["flags"] & VOID else POST
    assert books.post(*events) == [status for status, _ in cases]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flags", 8),
        ("user_data_128", 9),
        ("user_data_64", 9),
        ("user_data_32", 9),
        ("ledger", 9),
        ("code", 9),
    ],
)
def test_an_account_that_exists_is_told_apart_by_its_first_difference(books, field, value):
    """The same again exists; anything else names the field."""
    first = account(1, books, user_data_128=1, user_data_64=2, user_data_32=3)
    assert books.open(first, first, first | {field: value}) == [
        "CREATED",
        "EXISTS",
        f"EXISTS_WITH_DIFFERENT_{field.upper()}",
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("flags", PENDING),
        ("pending_id", 9),
        ("timeout", 9),
        ("debit_account_id", 3),
        ("credit_account_id", 3),
        ("amount", 11),
        ("user_data_128", 9),
        ("user_data_64", 9),
        ("user_data_32", 9),
        ("ledger", 9),
        ("code", 9),
    ],
)
def test_a_transfer_that_exists_is_told_apart_by_its_first_difference(books, field, value):
    """The same again exists and moves nothing; anything else names the field."""
    books.open(account(1, books), account(2, books))
    first = transfer(1, books, user_data_128=1, user_data_64=2, user_data_32=3)
    assert books.post(first, first, first | {field: value}) == [
        "CREATED",
        "EXISTS",
        f"EXISTS_WITH_DIFFERENT_{field.upper()}",
    ]
    assert books.balance(1) == (0, 10, 0, 0)


def test_money_that_is_not_there_is_refused_and_burns_the_id(books):
    """The id of a transfer refused for funds is spent: it never moves money later."""
    books.open(account(1, books, flags=NO_OVERDRAFT), account(2, books, flags=NO_SURPLUS))
    assert books.post(transfer(1, books)) == ["EXCEEDS_CREDITS"]
    assert books.post(transfer(2, books, debit_account_id=2, credit_account_id=1)) == ["CREATED"]
    assert books.post(transfer(1, books)) == ["ID_ALREADY_FAILED"]
    assert books.post(transfer(3, books), transfer(4, books)) == ["CREATED", "EXCEEDS_CREDITS"]
    assert books.post(transfer(5, books, amount=0)) == ["CREATED"]


def test_a_missing_account_burns_the_id_and_a_wrong_field_does_not(books):
    """So a fence against a late request names an account that does not exist."""
    books.open(account(1, books), account(2, books))
    assert books.post(transfer(1, books, debit_account_id=9)) == ["DEBIT_ACCOUNT_NOT_FOUND"]
    assert books.post(transfer(1, books)) == ["ID_ALREADY_FAILED"]
    assert books.post(transfer(2, books, code=0)) == ["CODE_MUST_NOT_BE_ZERO"]
    assert books.post(transfer(2, books)) == ["CREATED"]


def test_a_chain_is_carried_out_whole_or_not_at_all(books):
    """A broken link undoes those before it and refuses those behind; only its own id burns."""
    books.open(account(1, books), account(2, books))
    assert books.post(
        transfer(1, books, flags=LINKED),
        transfer(2, books, flags=LINKED, debit_account_id=9),
        transfer(3, books),
        transfer(4, books),
    ) == ["LINKED_EVENT_FAILED", "DEBIT_ACCOUNT_NOT_FOUND", "LINKED_EVENT_FAILED", "CREATED"]
    assert books.balance(1) == (0, 10, 0, 0)
    assert books.post(transfer(1, books), transfer(2, books), transfer(3, books)) == [
        "CREATED",
        "ID_ALREADY_FAILED",
        "CREATED",
    ]


def test_a_chain_must_end_within_its_batch(books):
    """Its last event is told so, those before it that they failed with it."""
    books.open(account(1, books), account(2, books))
    assert books.post(
        transfer(1, books), transfer(2, books, flags=LINKED), transfer(3, books, flags=LINKED)
    ) == [
        "CREATED",
        "LINKED_EVENT_FAILED",
        "LINKED_EVENT_CHAIN_OPEN",
    ]
    assert books.open(account(5, books, flags=AccountFlags.LINKED)) == ["LINKED_EVENT_CHAIN_OPEN"]


def test_a_hold_is_posted_in_part_or_voided_once(books):
    """What is not posted is let go; a second resolution is told what became of the first."""
    books.open(account(1, books), account(2, books))
    books.post(transfer(1, books, amount=100, flags=PENDING), transfer(2, books, amount=50, flags=PENDING))
    assert books.balance(1) == (150, 0, 0, 0)
    assert books.post(resolution(3, 1, POST, amount=60), resolution(4, 2, VOID)) == ["CREATED", "CREATED"]
    assert books.balance(1) == (0, 60, 0, 0)
    assert books.balance(2) == (0, 0, 0, 60)
    assert books.post(
        resolution(5, 1, VOID),
        resolution(6, 2, POST),
        resolution(7, 1, POST),
        resolution(8, 2, VOID, amount=1),
    ) == [
        "PENDING_TRANSFER_ALREADY_POSTED",
        "PENDING_TRANSFER_ALREADY_VOIDED",
        "PENDING_TRANSFER_ALREADY_POSTED",
        "PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT",
    ]


def test_a_post_takes_over_what_it_does_not_say(books):
    """Accounts, ledger, code and user data come from the pending transfer; its own user data win."""
    books.open(account(1, books), account(2, books))
    books.post(transfer(1, books, amount=7, flags=PENDING, user_data_128=5, user_data_64=6, user_data_32=7))
    books.post(resolution(2, 1, POST, user_data_64=9))
    (stored,) = books.transfers(2)
    assert (stored["debit_account_id"], stored["credit_account_id"], stored["amount"]) == (1, 2, 7)
    assert (stored["user_data_128"], stored["user_data_64"], stored["user_data_32"]) == (5, 9, 7)
    assert (stored["ledger"], stored["code"], stored["pending_id"]) == (books.ledger, 1, 1)


def test_a_hold_is_let_go_when_its_time_is_over(books):
    """Nobody has to ask for it; a post that comes later is told."""
    books.open(account(1, books), account(2, books))
    books.post(transfer(1, books, flags=PENDING, timeout=1), transfer(2, books, flags=PENDING))
    books.post(resolution(3, 2, VOID))
    books.await_release(1)
    assert books.balance(1) == (0, 0, 0, 0)
    assert books.post(resolution(4, 1, POST), resolution(5, 1, VOID)) == ["PENDING_TRANSFER_EXPIRED"] * 2


@pytest.mark.parametrize(("asked", "moved"), [(5, 5), (30, 30), (1_000, 30), (MAX, 30)])
def test_a_balancing_debit_moves_at_most_what_is_there(books, asked, moved):
    """Asked for more than the rest, it moves the rest."""
    books.open(account(1, books, flags=NO_OVERDRAFT), account(2, books))
    books.post(transfer(1, books, debit_account_id=2, credit_account_id=1, amount=40))
    books.post(transfer(2, books, amount=10, flags=PENDING))
    assert books.post(transfer(3, books, amount=asked, flags=BALANCING_DEBIT)) == ["CREATED"]
    assert books.transfers(3)[0]["amount"] == moved
    assert books.balance(1) == (10, moved, 0, 40)


def test_a_balancing_transfer_with_nothing_there_is_created_with_nothing(books):
    """On either side."""
    books.open(account(1, books, flags=NO_OVERDRAFT), account(2, books, flags=NO_SURPLUS))
    assert books.post(
        transfer(1, books, flags=BALANCING_DEBIT),
        transfer(2, books, flags=BALANCING_CREDIT | PENDING),
    ) == ["CREATED", "CREATED"]
    assert [row["amount"] for row in books.transfers(1, 2)] == [0, 0]


def test_a_balancing_transfer_sent_again_exists_by_the_amount_asked(books):
    """The stored amount may be less; asking for less than that is another transfer."""
    books.open(account(1, books, flags=NO_OVERDRAFT), account(2, books))
    books.post(transfer(1, books, debit_account_id=2, credit_account_id=1, amount=40))
    first = transfer(2, books, amount=100, flags=BALANCING_DEBIT)
    assert books.post(first, first, first | {"amount": 40}, first | {"amount": 39}) == [
        "CREATED",
        "EXISTS",
        "EXISTS",
        "EXISTS_WITH_DIFFERENT_AMOUNT",
    ]


def test_a_closed_account_takes_nothing_until_its_closing_is_voided(books):
    """Only voids still pass: of holds, and of the closing itself, which opens it again."""
    books.open(account(1, books), account(2, books), account(3, books))
    books.post(transfer(1, books, flags=PENDING), transfer(2, books, flags=PENDING))
    closing = transfer(3, books, amount=0, flags=PENDING | TransferFlags.CLOSING_DEBIT, credit_account_id=3)
    assert books.post(closing) == ["CREATED"]
    assert books.account(1)["flags"] & AccountFlags.CLOSED
    assert books.post(
        transfer(4, books),
        transfer(5, books, debit_account_id=2, credit_account_id=1),
        resolution(6, 1, POST),
        resolution(7, 2, VOID),
        resolution(8, 3, VOID),
        transfer(9, books),
    ) == [
        "DEBIT_ACCOUNT_ALREADY_CLOSED",
        "CREDIT_ACCOUNT_ALREADY_CLOSED",
        "DEBIT_ACCOUNT_ALREADY_CLOSED",
        "CREATED",
        "CREATED",
        "CREATED",
    ]
    assert not books.account(1)["flags"] & AccountFlags.CLOSED


def test_a_closing_that_times_out_opens_the_account_again(books):
    """It is a hold like others."""
    books.open(account(1, books), account(2, books))
    books.post(transfer(1, books, flags=PENDING | TransferFlags.CLOSING_CREDIT, timeout=5))
    assert books.account(2)["flags"] & AccountFlags.CLOSED
    books.await_release(1)
    assert not books.account(2)["flags"] & AccountFlags.CLOSED


def test_sums_never_wrap(books):
    """Each of the sums that would leave 128 bits is told by name."""
    books.open(*(account(i, books) for i in range(1, 5)))
    most = MAX - 5
    assert books.post(transfer(1, books, amount=most, flags=PENDING)) == ["CREATED"]
    assert books.post(
        transfer(2, books, flags=PENDING, credit_account_id=3),
        transfer(3, books, flags=PENDING, debit_account_id=3),
        transfer(4, books, credit_account_id=3),
        transfer(5, books, debit_account_id=3),
    ) == [
        "OVERFLOWS_DEBITS_PENDING",
        "OVERFLOWS_CREDITS_PENDING",
        "OVERFLOWS_DEBITS",
        "OVERFLOWS_CREDITS",
    ]
    books.post(transfer(6, books, amount=most, debit_account_id=3, credit_account_id=4))
    assert books.post(
        transfer(7, books, debit_account_id=3), transfer(8, books, debit_account_id=1, credit_account_id=4)
    ) == ["OVERFLOWS_DEBITS_POSTED", "OVERFLOWS_CREDITS_POSTED"]


def test_imports_keep_their_own_times_and_never_go_back(books):
    """A batch is all imports or none; each is later than what is there and earlier than now."""
    books.open(account(1, books), account(2, books))
    now_ns = int(books.results(transfer(1, books))["timestamp"][0])
    import_ = {"flags": int(IMPORTED)}
    assert books.post(
        transfer(2, books, timestamp=now_ns + 2, **import_),
        transfer(3, books, timestamp=now_ns + 1, **import_),
        transfer(4, books, timestamp=now_ns + 2, **import_),
        transfer(5, books, timestamp=0, **import_),
        transfer(6, books, timestamp=2**62, **import_),
        transfer(7, books),
        transfer(8, books, timestamp=now_ns + 3, timeout=1, flags=int(IMPORTED | PENDING)),
        transfer(2, books, timestamp=now_ns + 2, **import_),
    ) == [
        "CREATED",
        "IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS",
        "IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS",
        "IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE",
        "IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE",
        "IMPORTED_EVENT_EXPECTED",
        "IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO",
        "EXISTS",
    ]
    assert books.transfers(2)[0]["timestamp"] == now_ns + 2
    assert books.post(transfer(9, books), transfer(10, books, timestamp=now_ns + 9, **import_)) == [
        "CREATED",
        "IMPORTED_EVENT_NOT_EXPECTED",
    ]


def test_lookups_find_what_is_there_in_the_order_asked(books):
    """Also twice; what is not there is left out."""
    books.open(account(1, books), account(2, books))
    books.post(transfer(5, books), transfer(6, books))
    assert [row["id"] for row in books.accounts(2, 9, 1, 2)] == [2, 1, 2]
    assert [row["id"] for row in books.transfers(6, 7, 5)] == [6, 5]


def test_results_tell_the_time_of_each_event_in_order(books):
    """One nanosecond after the other within a batch; an event that exists tells its first time."""
    books.open(account(1, books), account(2, books))
    first = books.results(*(transfer(i, books) for i in range(1, 6)))["timestamp"].tolist()
    assert first == list(range(first[0], first[0] + 5))
    assert books.results(transfer(3, books))["timestamp"].tolist() == [first[2]]
    assert [row["timestamp"] for row in books.transfers(1, 2, 3, 4, 5)] == first


def test_every_status_has_its_claim_or_is_met_by_the_differential():
    """The tables above name statuses that there are."""
    for table, kind in (
        (ACCOUNT_FAULTS, CreateAccountStatus),
        (TRANSFER_FAULTS, CreateTransferStatus),
        (RESOLUTION_FAULTS, CreateTransferStatus),
    ):
        order = [status.name for status in kind]
        assert [order.index(name) for name in table] == sorted(order.index(name) for name in table)
