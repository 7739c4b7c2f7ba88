"""
What a trained model says of itself, and whether its files are still what was trained.

A model is a folder with `model.txt`, LightGBM's own text, and `manifest.json`. The manifest names the text
by its SHA-256 and the features in their order: a model of other features would give wrong scores in
silence.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from scoring.features import FEATURE_NAMES

FORMAT_VERSION: Final = 2
MODEL_FILE: Final = "model.txt"
MANIFEST_FILE: Final = "manifest.json"


class ModelError(ValueError):
    """A model that must not score: missing, changed, truncated, or of another format or feature list."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """
    One trained model.

    version names it; as_of is the ISO 8601 time, UTC, of the newest transaction that it knows;
    data_fingerprint the SHA-256 of what it learnt from; features the columns in order; calibration {"slope",
    "intercept"}: the score is 1 / (1 + exp(-(slope * log-odds + intercept))); thresholds the scores for step-up
    and decline at which the history would have cost least by `costs` (`thresholds.Costs`); metrics what its like,
    grown on the part before, made of the history's last third; training the seed, the sizes and parameters;
    code_version what computed its features; model_sha256 of model.txt, hexadecimal.
    """

    version: str
    as_of: str
    data_fingerprint: str
    features: tuple[str, ...]
    calibration: Mapping[str, float]
    thresholds: Mapping[str, float]
    costs: Mapping[str, float]
    metrics: Mapping[str, Any]
    training: Mapping[str, Any]
    code_version: str
    model_sha256: str
    format_version: int = FORMAT_VERSION


def write_model(directory: Path, manifest: Manifest, model_text: str) -> None:
    """Writes a model's folder; the manifest last, so that a folder with one is whole."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / MODEL_FILE).write_text(model_text, encoding="utf-8", newline="\n")
    text = json.dumps(asdict(manifest), indent=2) + "\n"
    (directory / MANIFEST_FILE).write_text(text, encoding="utf-8", newline="\n")


def read_model(directory: Path) -> tuple[Manifest, bytes]:
    """The manifest and the verified model text of a folder. Raises ModelError, naming what is wrong."""
    manifest = read_manifest(directory)
    try:
        text = (directory / MODEL_FILE).read_bytes()
    except OSError as error:
        raise ModelError(f"{directory.name}: {MODEL_FILE} can't be read: {error.strerror}") from error
    if hashlib.sha256(text).hexdigest() != manifest.model_sha256:
        raise ModelError(f"{directory.name}: {MODEL_FILE} was changed or truncated since it was trained")
    return manifest, text


def read_manifest(directory: Path) -> Manifest:
    """
    The manifest of a model's folder. Raises ModelError where it is missing, damaged, or of another
    format or feature list than this code's.
    """
    try:
        stored = json.loads((directory / MANIFEST_FILE).read_bytes())
    except OSError as error:
        raise ModelError(f"{directory.name}: {MANIFEST_FILE} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"{directory.name}: {MANIFEST_FILE} is not JSON: {error}") from error
    if not isinstance(stored, dict) or stored.get("format_version") != FORMAT_VERSION:
        raise ModelError(f"{directory.name}: the manifest is not of format {FORMAT_VERSION}")
    names = {field.name for field in fields(Manifest)}
    if set(stored) != names:
        raise ModelError(f"{directory.name}: the manifest's fields differ: {sorted(set(stored) ^ names)}")
    if not isinstance(stored["features"], list) or tuple(stored["features"]) != FEATURE_NAMES:
        raise ModelError(f"{directory.name}: the model was trained on other features than this code computes")
    calibration = stored["calibration"]
    if not isinstance(calibration, dict) or not all(
        isinstance(calibration.get(name), int | float) for name in ("slope", "intercept")
    ):
        raise ModelError(f"{directory.name}: the manifest's calibration is not a slope and an intercept")
    return Manifest(**{**stored, "features": FEATURE_NAMES})
