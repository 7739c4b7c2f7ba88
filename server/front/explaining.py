"""Explain: from the journal's facts to the Explanation of the contract. Off the answer path."""

import asyncio
import ipaddress
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb
from ledger.book import Ledger, LedgerError
from ledger.chart import describe
from ledger.transfer import BATCH_MAX, QUERY_FILTER, TransferFlags, ids_of
from scoring.explain import base
from scoring.explain import explain as explain_score
from scoring.features import FEATURE_NAMES
from scoring.model import Model
from server.core.entries import EntryState
from server.core.explain import outcomes
from server.core.journal_reader import JournalReader
from server.core.names import Names
from server.core.record import MISSING_S, CardReference, Operation, id_hex, id_pair, text_of
from server.core.state import State
from server.front.codes import country_letters, currency_letters
from server.front.fields import BadRequest, Violation, parse
from server.front.writing import AnswerWriter

Facts = tuple[NDArray[Any], NDArray[Any]]

_LEDGER_S: Final = 1.0
"""An explanation waits for the ledger no longer than this: without it, it has no transfers to tell."""


class Explainer:
    """Finds the facts of an authorization, here or in PostgreSQL, and tells them."""

    def __init__(
        self,
        *,
        state: State,
        reader: JournalReader,
        ledger: Ledger,
        writer: AnswerWriter,
        names: Names,
        models: Callable[[str], Awaitable[Model | None]],
        shipped: Callable[[str], Awaitable[Facts | None]],
        masked_pan: Callable[[int], Awaitable[str]],
    ) -> None:
        self._state = state
        self._reader = reader
        self._ledger = ledger
        self._writer = writer
        self._names = names
        self._models = models
        self._shipped = shipped
        self._masked_pan = masked_pan
        self._reading = asyncio.Lock()

    async def answer(self, raw: bytes) -> bytes:
        """The Explanation of an ExplainRequest, bytes to bytes. Raises as `explain` does."""
        explanation = await self.explain(parse(pb.ExplainRequest, raw))
        return bytes(explanation.SerializeToString())

    async def explain(self, message: Any) -> Any:
        """The Explanation an ExplainRequest asks for. Raises BadRequest, or LookupError where there is none."""
        wanted = message.authorization_id
        try:
            identifier = np.array([id_pair(wanted)], np.uint64)
        except ValueError:
            text = "must be the 32 hexadecimal digits of an answer"
            raise BadRequest([Violation("authorization_id", text)]) from None
        facts = await self._facts(identifier, wanted)
        if facts is None:
            raise LookupError(f"there is no authorization {wanted}")
        intent, decision = facts
        if decision["operation"] not in (Operation.AUTHORIZE, Operation.ADVISE):
            raise LookupError(f"{wanted} is no authorization, but a message about one")
        explanation = pb.Explanation(
            request=await self._request(intent),
            response=pb.AuthorizeResponse.FromString(self._writer.answer(decision.reshape(1))),
            model_version=text_of(intent["model"]),
            transfers=await self._transfers(identifier),
        )
        explanation.decision_time.FromNanoseconds(int(decision["decision_ns"]))
        for outcome in outcomes(intent, decision, self._names):
            explanation.checks.add(
                name=outcome.name,
                passed=outcome.passed,
                response_code=outcome.response_code,
                inputs=outcome.inputs,
                elapsed_us=outcome.elapsed_us,
            )
        model = await self._models(explanation.model_version)
        if model is not None:
            features = intent["features"][: len(FEATURE_NAMES)]
            for reason in (*explain_score(model, features), base(model, features)):
                explanation.score_reasons.add(
                    feature=reason.feature,
                    value=reason.value,
                    contribution=reason.contribution,
                    text=reason.text,
                )
        return explanation

    async def _facts(self, identifier: NDArray[np.uint64], wanted: str) -> Facts | None:
        entry = self._state.repeats.find(identifier)[0]
        if entry["state"] != EntryState.FREE and entry["answer"]["sequence"]:
            answer = entry["answer"]
            async with self._reading:
                intents = await asyncio.to_thread(self._reader.read_intents, int(answer["intent_batch"]))
            if len(intents):
                return intents[int(answer["intent_index"])], answer
        return await self._shipped(wanted)

    async def _request(self, intent: Any) -> Any:
        """The request as it came, the card masked."""
        record = intent["request"]
        fields: dict[str, Any] = dict(
            transaction_type=int(record["transaction_type"]),
            amount_minor=int(record["amount_minor"]),
            currency=currency_letters().get(int(record["currency"]), ""),
            billing_amount_minor=int(record["billing_amount_minor"]),
            cashback_amount_minor=int(record["cashback_amount_minor"]),
            entry_mode=int(record["entry_mode"]),
            card_present=bool(record["card_present"]),
            recurring=bool(record["recurring"]),
            partial_approval_allowed=bool(record["partial_approval_allowed"]),
            incremental_expected=bool(record["incremental_expected"]),
            expiry_yymm=int(record["expiry_yymm"]),
            card_verification=int(record["card_verification"]),
            pin_verification=int(record["pin_verification"]),
            address_verification=int(record["address_verification"]),
            cardholder_authentication=int(record["cardholder_authentication"]),
            device_fingerprint=bytes(record["device_fingerprint"][: record["device_fingerprint_size"]]),
            ip_address=_ip_text(record["ip"]),
            merchant=pb.Merchant(
                merchant_id=text_of(record["merchant_id"]),
                name=text_of(record["merchant_name"]),
                city=text_of(record["merchant_city"]),
                country=country_letters().get(int(record["country"]), ""),
                category_code=f"{record['category']:04d}",
                latitude_deg=float(np.nan_to_num(record["latitude_deg"])),
                longitude_deg=float(np.nan_to_num(record["longitude_deg"])),
            ),
            key=pb.MessageKey(
                acquirer_id=text_of(record["acquirer_id"]),
                stan=int(record["stan"]),
                retrieval_reference=text_of(record["retrieval_reference"]),
                terminal_id=text_of(record["terminal_id"]),
            ),
        )
        request = pb.AuthorizeRequest(**fields)
        request.key.transmission_time.FromSeconds(int(record["transmission_s"]))
        if record["local_s"] != MISSING_S:
            request.local_time.FromSeconds(int(record["local_s"]))
        if record["card_reference"] == CardReference.TOKEN:
            request.card_token = f"card_{'*' * 28}{int(record['card_key'][0]) & 0xFFFF:04x}"
        else:
            request.pan = await self._masked_pan(int(intent["card_row"]))
        return request

    async def _transfers(self, identifier: NDArray[np.uint64]) -> list[Any]:
        """The authorization's chain as the ledger has it, oldest first; none while the ledger can't be asked."""
        wanted = np.zeros(1, QUERY_FILTER)
        wanted["user_data_128_lo"], wanted["user_data_128_hi"] = identifier[0]
        wanted["limit"] = BATCH_MAX
        asking = asyncio.ensure_future(self._ledger.query_transfers(wanted))
        # Not cancelled: a call to the ledger never is.
        await asyncio.wait({asking}, timeout=_LEDGER_S)
        if not asking.done():
            asking.add_done_callback(lambda late: late.cancelled() or late.exception())
            return []
        try:
            found = asking.result()
        except LedgerError:
            return []
        resolved = {
            id_hex(pair): "voided" if flags & TransferFlags.VOID_PENDING_TRANSFER else "posted"
            for pair, flags in zip(ids_of(found, "pending_id"), found["flags"].tolist(), strict=True)
            if pair.any()
        }
        return [
            pb.LedgerTransfer(
                transfer_id=id_hex(pair),
                debit_account=_account(transfer, "debit"),
                credit_account=_account(transfer, "credit"),
                amount_minor=int(transfer["amount_lo"]),
                state=_state(transfer, resolved.get(id_hex(pair))),
            )
            for pair, transfer in zip(ids_of(found), found, strict=True)
        ]


def _account(transfer: Any, side: str) -> str:
    return describe(int(transfer[f"{side}_account_id_lo"]), int(transfer[f"{side}_account_id_hi"]))


def _state(transfer: Any, resolved: str | None) -> str:
    """A pending transfer is so until it is resolved, or its time is over; what resolves one says what it did."""
    flags = int(transfer["flags"])
    if flags & TransferFlags.VOID_PENDING_TRANSFER:
        return "voided"
    if not flags & TransferFlags.PENDING:
        return "posted"
    if resolved is not None:
        return resolved
    ends_ns = int(transfer["timestamp"]) + int(transfer["timeout"]) * 1_000_000_000
    return "expired" if transfer["timeout"] and ends_ns <= time.time_ns() else "pending"


def _ip_text(pair: NDArray[np.uint64]) -> str:
    low, high = pair.tolist()
    if not low and not high:
        return ""
    address = ipaddress.IPv6Address(high << 64 | low)
    return str(address.ipv4_mapped or address)
