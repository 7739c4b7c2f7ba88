"""Whether the server saw a history as training sees it: the features and scores of its journal against the passage's."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from scoring import passage, registry
from scoring.features import FEATURE_NAMES
from scoring.history import History, read_history
from scoring.model import Model
from server.core.fold import JOURNAL
from server.core.journal_reader import JournalReader
from server.core.record import NO_ROW, Operation

_SHOWN: Final = 5
_DAY_S: Final = 86_400


def compare(home: Path, file: Path, customers: Path | None, label_delay_days: float | None) -> dict[str, Any]:
    """
    Compare what the journal of a replay's home keeps of each row with what training computes of the same file.

    A replay numbers its rows, in time order, in their retrieval references. Where it told no labels, training is told
    none. Features are compared bit by bit, scores too; those of the model that the journal names.
    """
    delay_s = 0 if label_delay_days is None else round(label_delay_days * _DAY_S)
    history = read_history(file, customers, label_delay_s=delay_s)
    if label_delay_days is None:
        history = history._replace(verdicts=np.zeros_like(history.verdicts))
    rows, features, scores, versions = _journalled(home)
    if len(rows):
        history = _first(history, int(rows.max()) + 1)
    expected = passage.observe(history)[rows]
    models = {version: Model.load(registry.shipped().parent / version) for version in versions}
    unequal = features.view(np.uint32) != expected.view(np.uint32)
    # NaN has many patterns, and all mean missing.
    unequal &= ~(np.isnan(features) & np.isnan(expected))
    others = [model.score(expected) != scores for model in models.values()]
    return {
        "rows": len(rows),
        "models": list(versions),
        "rows_with_other_features": int(unequal.any(axis=1).sum()),
        "rows_with_other_scores": int(others[0].sum()) if len(others) == 1 else None,
        "features_that_differ": {
            name: int(count) for name, count in zip(FEATURE_NAMES, unequal.sum(axis=0), strict=True) if count
        },
        "first_rows_that_differ": rows[unequal.any(axis=1)][:_SHOWN].tolist(),
    }


def _first(history: History, count: int) -> History:
    """Its first rows. What becomes known after them changes nothing in them."""
    return history._replace(
        attempts=history.attempts[:count],
        verdicts=history.verdicts[:count],
        known_s=history.known_s[:count],
        rows=history.rows[:count],
    )


def _journalled(
    home: Path,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.float32], tuple[str, ...]]:
    """Row numbers, features and scores of the authorizations in a journal, and the models that scored them."""
    reader = JournalReader(home / JOURNAL)
    rows, features, scores = [np.zeros(0, np.int64)], [np.zeros((0, len(FEATURE_NAMES)), np.float32)], []
    versions: set[str] = set()
    try:
        for batch in reader.read_all(0):
            intents = batch.intents
            if not len(intents):
                continue
            some = intents[
                (intents["request"]["operation"] == Operation.AUTHORIZE) & (intents["card_row"] != NO_ROW)
            ]
            rows.append(some["request"]["retrieval_reference"].astype(np.int64))
            features.append(some["features"][:, : len(FEATURE_NAMES)])
            scores.append(some["score"])
            versions |= {version.decode() for version in np.unique(some["model"]).tolist()}
    finally:
        reader.close()
    return (
        np.concatenate(rows),
        np.ascontiguousarray(np.concatenate(features)),
        np.concatenate([np.zeros(0, np.float32), *scores]),
        tuple(sorted(versions)),
    )
