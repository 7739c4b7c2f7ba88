"""
The model: scores by our own walk down LightGBM's trees, contributions by LightGBM's C library.

Importing the lightgbm package takes a second and brings scipy along; the server only needs the library
that lies in it, and that only when somebody asks why. Scores come from `forest`, which computes LightGBM's
very sums: with 200 trees the library's single-row call took 12 us a row, in batches of 32 too, its matrix
call as much, and the walk 2 us. Whether the library's calls keep the interpreter's lock (PyDLL) or give it
away (CDLL) made no difference; they keep it, being short.
"""

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import Final

import numpy as np

from scoring.features import FEATURES
from scoring.forest import parse, walk_kernel
from scoring.manifest import Manifest, ModelError, read_model

_FLOAT32 = 0
_CONTRIBUTIONS = 3
_PARAMETERS: Final = b"num_threads=1"


class Model:
    """A loaded model. Scoring may be called from any thread; the library must not be used across a fork."""

    def __init__(self, manifest: Manifest, text: bytes) -> None:
        """Takes a verified model text; `load` is the way to one. Raises ModelError where it isn't a model."""
        self.manifest = manifest
        self._text = text
        self._slope = manifest.calibration["slope"]
        self._intercept = manifest.calibration["intercept"]
        self._forest = parse(text, len(FEATURES))
        self._booster = ctypes.c_void_p()

    @classmethod
    def load(cls, directory: Path) -> "Model":
        """Loads the model in a folder, verified against its manifest. Raises ModelError, saying why not."""
        return cls(*read_model(directory))

    @property
    def version(self) -> str:
        """What the manifest calls this model."""
        return self.manifest.version

    def score(self, features: np.ndarray) -> np.ndarray:
        """The probability of fraud f4[n], 0..1, of features f4[n, len(FEATURES)]."""
        return probability(self._slope * self.log_odds(features) + self._intercept).astype(np.float32)

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """The trees' sum f8[n], before calibration."""
        features = np.ascontiguousarray(features, np.float32)
        assert features.ndim == 2
        assert features.shape[1] == len(FEATURES)
        out = np.empty(len(features), np.float64)
        walk_kernel(features, *self._forest, out)
        return out

    def contributions(self, row: np.ndarray) -> np.ndarray:
        """
        What each feature of one row f4[len(FEATURES)] adds to the calibrated log-odds: f8[features + 1],
        the last one what the model says of nobody in particular. Their sum is the score's log-odds.

        These are SHAP values of the trees (Lundberg et al., 2018), as LightGBM computes them. Takes about
        a millisecond, the first call some more. Raises ModelError where the library can't be loaded.
        """
        row = np.ascontiguousarray(row, np.float32)
        assert row.shape == (len(FEATURES),)
        if not self._booster:
            self._load_booster()
        added = np.empty(len(FEATURES) + 1, np.float64)
        length = ctypes.c_int64()
        _check(
            _library().LGBM_BoosterPredictForMat(
                self._booster, row.ctypes.data, _FLOAT32, 1, len(FEATURES), 1, _CONTRIBUTIONS, 0, -1, _PARAMETERS,
                ctypes.byref(length), added.ctypes.data,
            )
        )  # fmt: skip
        added *= self._slope
        added[-1] += self._intercept
        return added

    def close(self) -> None:
        """Frees what the library holds; a later call of `contributions` would load it again."""
        if self._booster:
            _check(_library().LGBM_BoosterFree(self._booster))
            self._booster = ctypes.c_void_p()

    def warm_up(self) -> None:
        """Compiles the walk, or loads it from Numba's cache."""
        self.score(np.full((1, len(FEATURES)), np.nan, np.float32))

    def _load_booster(self) -> None:
        trees = ctypes.c_int()
        _check(
            _library().LGBM_BoosterLoadModelFromString(
                self._text, ctypes.byref(trees), ctypes.byref(self._booster)
            )
        )


def probability(log_odds: np.ndarray) -> np.ndarray:
    """The probability of log-odds, elementwise, without overflow at either end."""
    return 0.5 * (1.0 + np.tanh(0.5 * log_odds))


@functools.cache
def _library() -> ctypes.PyDLL:
    """LightGBM's library, loaded once in a process."""
    package = importlib.util.find_spec("lightgbm")
    if package is None or package.origin is None:
        raise ModelError("the lightgbm package is not installed")
    found = sorted(Path(package.origin).parent.rglob("lib_lightgbm.so"))
    if not found:
        raise ModelError("the lightgbm package holds no lib_lightgbm.so")
    try:
        library = ctypes.PyDLL(str(found[0]))
    except OSError as error:
        raise ModelError(f"LightGBM's library can't be loaded: {error}") from error
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    pointer, integer, text = ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p
    library.LGBM_BoosterLoadModelFromString.argtypes = [text, pointer, pointer]
    library.LGBM_BoosterFree.argtypes = [pointer]
    library.LGBM_BoosterPredictForMat.argtypes = [
        pointer, pointer, integer, ctypes.c_int32, ctypes.c_int32, integer, integer, integer, integer, text,
        pointer, pointer,
    ]  # fmt: skip
    return library


def _check(code: int) -> None:
    if code != 0:
        raise ModelError(f"LightGBM: {_library().LGBM_GetLastError().decode(errors='replace')}")
