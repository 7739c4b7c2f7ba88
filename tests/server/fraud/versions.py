"""Small models, each with its own name and an intercept that tells its scores apart."""

import functools
import hashlib
import json
from pathlib import Path

import lightgbm
import numpy as np

from scoring import registry
from scoring.features import FEATURE_NAMES
from scoring.manifest import FORMAT_VERSION, MANIFEST_FILE, MODEL_FILE

METRICS = {"cards_unseen": {"recall_at_fpr_0.01": 0.9}}


@functools.cache
def _trees() -> str:
    """A few trees that tell large values of the first features."""
    rows = np.random.default_rng(1).lognormal(size=(500, len(FEATURE_NAMES)))
    parameters = {"objective": "binary", "num_leaves": 7, "num_threads": 1, "seed": 1, "verbose": -1}
    learnt = lightgbm.Dataset(rows, rows[:, 0] + rows[:, 1] > 3, feature_name=list(FEATURE_NAMES))
    return lightgbm.train(parameters, learnt, 5).model_to_string()


def version(root: Path, name: str, *, intercept: float = 0.0) -> Path:
    """The folder of a version `name`, whose log-odds lie `intercept` above those of its trees."""
    folder = root / name
    folder.mkdir(parents=True)
    (folder / MODEL_FILE).write_text(_trees(), encoding="utf-8", newline="\n")
    manifest = json.loads((registry.shipped() / MANIFEST_FILE).read_text())
    own = {
        "version": name,
        "features": FEATURE_NAMES,
        "calibration": {"slope": 1.0, "intercept": intercept},
        "metrics": METRICS,
        "model_sha256": hashlib.sha256(_trees().encode()).hexdigest(),
        "format_version": FORMAT_VERSION,
    }
    (folder / MANIFEST_FILE).write_text(json.dumps({**manifest, **own}))
    return folder


def spoil(folder: Path) -> None:
    """Cuts the end off a model's trees."""
    path = folder / MODEL_FILE
    path.write_bytes(path.read_bytes()[:-100])
