"""One authorization from request to answer."""

import uuid
from typing import Any, Final

from holdfast.v1 import authorization_pb2 as pb
from loadtest.rival.accounts import Account, Accounts
from loadtest.rival.counters import Counters
from loadtest.rival.score import Scorer

DECLINED_FROM: Final = 0.85
"""Score from which a payment is declined; Holdfast's default."""

_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRSTUVWX"


class Decisions:
    """Decides with the parts that are handed in."""

    def __init__(self, accounts: Accounts, counters: Counters, scorer: Scorer) -> None:
        self._accounts = accounts
        self._counters = counters
        self._scorer = scorer

    async def authorize(self, request: Any) -> Any:
        """The AuthorizeResponse; it is in PostgreSQL when this returns."""
        key = request.key
        at_s = key.transmission_time.seconds
        name = f"{key.acquirer_id}:{key.stan}:{key.retrieval_reference}:{key.terminal_id}:{at_s}"
        pan_hash = self._accounts.hashed(request.pan)
        past = await self._counters.count(pan_hash, request.merchant.merchant_id, request.amount_minor, at_s)
        score = self._scorer.score(request, past)
        async with self._accounts.transaction() as transaction:
            account = await transaction.lock(pan_hash)
            if account is None:
                return pb.AuthorizeResponse(response_code="14")
            answer, number = _answer(request, account, score)
            code, held_minor = answer.response_code, answer.approved_amount_minor
            entry = (number, name, account.id, held_minor, code, answer.SerializeToString())
            if await transaction.enter(*entry):
                if held_minor:
                    await transaction.hold(account.id, held_minor)
                return answer
        first = await self._accounts.known(name)
        assert first is not None, "a key that is taken has an answer"
        again = pb.AuthorizeResponse.FromString(first)
        again.replayed = True
        return again


def _answer(request: Any, account: Account, score: float) -> tuple[Any, uuid.UUID]:
    number = uuid.uuid4()
    left_minor = account.available_minor - request.amount_minor
    answer = pb.AuthorizeResponse(
        response_code=_code(request, account, score),
        authorization_id=number.hex,
        billing_currency=request.currency,
        available_minor=account.available_minor,
        risk_score=score,
    )
    if answer.response_code == "00":
        answer.authorization_code = "".join(_ALPHABET[number.int >> shift & 31] for shift in range(0, 30, 5))
        answer.approved_amount_minor = request.amount_minor
        answer.available_minor = left_minor
    return answer, number


def _code(request: Any, account: Account, score: float) -> str:
    if request.expiry_yymm and request.expiry_yymm != account.expiry_yymm:
        return "54"
    if request.transaction_type == pb.TRANSACTION_TYPE_ACCOUNT_STATUS:
        return "85"
    if score >= DECLINED_FROM:
        return "59"
    return "00" if request.amount_minor <= account.available_minor else "51"
