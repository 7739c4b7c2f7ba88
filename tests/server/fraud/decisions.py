"""Decisions to look at."""

import numpy as np

from scoring.features import FEATURE_NAMES
from server.core.record import DECISION, INTENT, NO_ROW, TransactionType

DECIDED_NS = 1_790_000_000_000_000_000


def decided(count, *, model=b"v1", seed=1, first_id=1):
    """INTENT[count] of purchases and their DECISION[count]: random features, scores, nine of ten approved."""
    rng = np.random.default_rng(seed)
    intents, decisions = np.zeros(count, INTENT), np.zeros(count, DECISION)
    intents["request"]["transaction_type"] = TransactionType.PURCHASE
    intents["features"][:, : len(FEATURE_NAMES)] = rng.lognormal(size=(count, len(FEATURE_NAMES)))
    intents["score"] = rng.random(count)
    intents["model"] = model
    decisions["authorization_id"][:, 0] = np.arange(first_id, first_id + count)
    decisions["decision_ns"] = DECIDED_NS
    decisions["response_code"] = np.where(np.arange(count) % 10 == 0, b"51", b"00")
    return intents, decisions


def unseen(intents):
    """The intents, turned into what no onlooker is shown: of unknown cards and refunds, by turns."""
    intents["card_row"][::2] = NO_ROW
    intents["request"]["transaction_type"][1::2] = TransactionType.REFUND
    return intents
