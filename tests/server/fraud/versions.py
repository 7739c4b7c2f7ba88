"""Versions of the shipped model, each with its own name and an intercept that tells its scores apart."""

import json
from pathlib import Path

from scoring import registry
from scoring.manifest import MANIFEST_FILE, MODEL_FILE

METRICS = {"cards_unseen": {"recall_at_fpr_0.01": 0.9}}


def version(root: Path, name: str, *, intercept: float = 0.0) -> Path:
    """The folder of a version `name`, whose log-odds lie `intercept` above those of the shipped model."""
    shipped, folder = registry.shipped(), root / name
    folder.mkdir(parents=True)
    for file in shipped.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    manifest = json.loads((shipped / MANIFEST_FILE).read_text())
    manifest["calibration"]["intercept"] += intercept
    (folder / MANIFEST_FILE).write_text(json.dumps({**manifest, "version": name, "metrics": METRICS}))
    return folder


def spoil(folder: Path) -> None:
    """Cuts the end off a model's trees."""
    path = folder / MODEL_FILE
    path.write_bytes(path.read_bytes()[:-100])
