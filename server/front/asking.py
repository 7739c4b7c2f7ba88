"""From a CreateTransferRequest to what the desk is asked: every field checked, by kind, every bad one named."""

from datetime import date
from typing import Any, Final

from server.banking.identifiers import has_ibans, is_bic, is_iban, is_routing_number
from server.banking.transfers import Asked
from server.front.codes import country_numbers
from server.front.counter import (
    check_currency,
    check_key,
    check_number,
    check_text,
    digest_of,
    refuse_bad,
)
from server.front.fields import Violation, check_amount
from server.store.transfers import Details

KINDS: Final = {
    1: "internal",
    2: "ach",
    3: "wire",
    4: "rtp",
    5: "swift",
    6: "cash_deposit",
    7: "cash_withdrawal",
}
NAME_SIZE_MAX: Final = 140
ADDRESS_SIZE_MAX: Final = 300
DOCUMENT_SIZE_MAX: Final = 40
BRANCH_SIZE_MAX: Final = 20
_IN: Final = 1
_OUT: Final = 2
_DIRECTIONS: Final = {"internal": _OUT, "cash_deposit": _IN, "cash_withdrawal": _OUT}
_BY_ROUTING_NUMBER: Final = frozenset({"ach", "wire", "rtp"})
_USD: Final = 840
_DOMESTIC_ACCOUNT_SIZE_MAX: Final = 17
_ACCOUNT_SIZE_MAX: Final = 34


def asked(request: Any) -> Asked:
    """The transfer that is asked for. Raises BadRequest."""
    bad: list[Violation] = []
    kind = KINDS.get(request.kind, "")
    if not kind:
        bad.append(Violation("kind", f"must be a known kind other than UNSPECIFIED, got {request.kind}"))
    check_key(request.idempotency_key, bad)
    check_number("account_number", request.account_number, bad)
    check_amount("amount_minor", request.amount_minor, 1, bad)
    check_amount("fee_minor", request.fee_minor, 0, bad)
    currency = check_currency(request.currency, bad)
    direction = _direction(kind, request.direction, bad)
    payee = _payee(kind, request, bad)
    if kind in _BY_ROUTING_NUMBER and currency not in {0, _USD}:
        bad.append(Violation("currency", f"must be USD for {kind}"))
    counterparty, bank, country = _counterparty(kind, request, bad)
    conductor = _conductor(kind, request, bad)
    details = Details(
        counterparty,
        check_text("holder_address", request.holder_address, ADDRESS_SIZE_MAX, bad),
        conductor,
        check_text("purpose", request.purpose, NAME_SIZE_MAX, bad),
        _branch(kind, request.branch, bad),
    )
    refuse_bad(bad)
    return Asked(
        idempotency_key=request.idempotency_key,
        digest=digest_of(request),
        kind=kind,
        direction="in" if direction == _IN else "out",
        account_number=request.account_number,
        payee_account=payee,
        amount_minor=request.amount_minor,
        currency=currency,
        fee_minor=request.fee_minor,
        counterparty_country=country,
        counterparty_bank=bank,
        details=details,
    )


def _direction(kind: str, given: int, bad: list[Violation]) -> int:
    implied = _DIRECTIONS.get(kind)
    if implied is not None:
        if given not in {0, implied}:
            bad.append(
                Violation("direction", f"must be absent or {'IN' if implied == _IN else 'OUT'} for {kind}")
            )
        return implied
    if given not in {_IN, _OUT}:
        bad.append(Violation("direction", "must be IN or OUT"))
    return given


def _payee(kind: str, request: Any, bad: list[Violation]) -> int | None:
    if kind != "internal":
        if request.HasField("payee_account"):
            bad.append(Violation("payee_account", "must be absent but for internal transfers"))
        return None
    if not request.HasField("payee_account"):
        bad.append(Violation("payee_account", "must be given for internal transfers"))
        return None
    if request.payee_account == request.account_number:
        bad.append(Violation("payee_account", "must be another account"))
    return check_number("payee_account", request.payee_account, bad)


def _counterparty(kind: str, request: Any, bad: list[Violation]) -> tuple[dict[str, str], str, int]:
    """The other side outside this house, its bank and its country's ISO 3166-1 number."""
    other = request.counterparty
    if kind not in {*_BY_ROUTING_NUMBER, "swift"}:
        if request.HasField("counterparty"):
            bad.append(Violation("counterparty", "must be absent for cash and internal transfers"))
        return {}, "", 0
    country = other.country or ("US" if kind != "swift" else "")
    number = country_numbers().get(country, 0)
    if not number:
        bad.append(Violation("counterparty.country", "must be an ISO 3166-1 alpha-2 code such as US"))
    if kind == "swift":
        _check_swift(other, country, bad)
    else:
        if not is_routing_number(other.bank_id):
            bad.append(
                Violation("counterparty.bank_id", "must be an ABA routing number: nine digits that check")
            )
        account = other.account
        if not (0 < len(account) <= _DOMESTIC_ACCOUNT_SIZE_MAX and account.isascii() and account.isalnum()):
            text = f"must be 1 to {_DOMESTIC_ACCOUNT_SIZE_MAX} digits or letters"
            bad.append(Violation("counterparty.account", text))
    return (
        {
            "name": check_text("counterparty.name", other.name, NAME_SIZE_MAX, bad, required=True),
            "account": other.account,
            "bank_name": check_text("counterparty.bank_name", other.bank_name, NAME_SIZE_MAX, bad),
            "address": check_text("counterparty.address", other.address, ADDRESS_SIZE_MAX, bad),
        },
        other.bank_id,
        number,
    )


def _check_swift(other: Any, country: str, bad: list[Violation]) -> None:
    account = other.account
    if not is_bic(other.bank_id):
        bad.append(Violation("counterparty.bank_id", "must be a BIC: 8 or 11 characters such as DEUTDEFF"))
    looks_like_iban = account[:2].isalpha() and account[2:4].isdigit() and has_ibans(account[:2])
    if has_ibans(country) or looks_like_iban:
        if not is_iban(account):
            bad.append(
                Violation("counterparty.account", "must be an IBAN whose check digits hold, without spaces")
            )
    elif not (0 < len(account) <= _ACCOUNT_SIZE_MAX and account.isascii() and account.isalnum()):
        text = f"must be 1 to {_ACCOUNT_SIZE_MAX} digits or letters"
        bad.append(Violation("counterparty.account", text))


def _branch(kind: str, branch: str, bad: list[Violation]) -> str:
    """Where cash changes hands."""
    if branch and not kind.startswith("cash"):
        bad.append(Violation("branch", "must be absent but for cash"))
    elif len(branch) > BRANCH_SIZE_MAX or not (branch.isascii() and branch.isprintable()):
        bad.append(Violation("branch", f"must be up to {BRANCH_SIZE_MAX} printable ASCII characters"))
    return branch


def _conductor(kind: str, request: Any, bad: list[Violation]) -> dict[str, str]:
    """Who stands at the counter."""
    if not request.HasField("conductor"):
        return {}
    who = request.conductor
    if not kind.startswith("cash"):
        bad.append(Violation("conductor", "must be absent but for cash"))
        return {}
    if who.birth_date:
        try:
            date.fromisoformat(who.birth_date)
        except ValueError:
            bad.append(Violation("conductor.birth_date", "must be YYYY-MM-DD"))
    if who.id_country and who.id_country not in country_numbers():
        bad.append(Violation("conductor.id_country", "must be an ISO 3166-1 alpha-2 code such as US"))
    return {
        "name": check_text("conductor.name", who.name, NAME_SIZE_MAX, bad),
        "address": check_text("conductor.address", who.address, ADDRESS_SIZE_MAX, bad),
        "birth_date": who.birth_date,
        "id_type": check_text("conductor.id_type", who.id_type, DOCUMENT_SIZE_MAX, bad),
        "id_number": check_text("conductor.id_number", who.id_number, DOCUMENT_SIZE_MAX, bad),
        "id_country": who.id_country,
    }
