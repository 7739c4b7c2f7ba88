"""The models there are: folders named by version, each with its text and manifest."""

from pathlib import Path

from scoring.manifest import MANIFEST_FILE, ModelError
from scoring.model import Model


def versions(root: Path) -> list[str]:
    """The versions under a folder, oldest first: names begin with the day of training."""
    return sorted(path.parent.name for path in root.glob(f"*/{MANIFEST_FILE}"))


def shipped() -> Path:
    """The folder of the model that comes with the package. Raises ModelError where it was removed."""
    root = Path(__file__).parent / "models"
    found = versions(root)
    if not found:
        raise ModelError("no model comes with this installation: train one with `holdfast train`")
    return root / found[-1]


def open(path: Path) -> Model:  # noqa: A001 - read as registry.open
    """
    Loads the model of a version's folder. Raises ModelError where it is missing, changed or truncated,
    or was trained on other features.
    """
    return Model.load(path)
