"""The model: LightGBM's trees through its C API, one thread, no Python package behind it.

Importing the lightgbm package takes a second and brings scipy along; the server only needs the library
that lies in it. Rows go through the single-row call with a prepared configuration: the call for a matrix
parses its parameters each time, and is slower up to far larger batches than the server makes. The calls
keep the interpreter's lock (PyDLL): they take microseconds, and giving the lock away for each would let
another thread in between the rows of a batch.
"""

import ctypes
import functools
import importlib.util
from pathlib import Path
from typing import Final

import numpy as np

from scoring.features import FEATURES
from scoring.manifest import Manifest, ModelError, read_model

_FLOAT32 = 0
_RAW_SCORE, _CONTRIBUTIONS = 1, 3
_PARAMETERS: Final = b"num_threads=1 predict_disable_shape_check=false"


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
    library.LGBM_BoosterGetNumFeature.argtypes = [pointer, pointer]
    library.LGBM_BoosterFree.argtypes = [pointer]
    library.LGBM_FastConfigFree.argtypes = [pointer]
    library.LGBM_BoosterPredictForMatSingleRowFastInit.argtypes = [
        pointer, integer, integer, integer, integer, ctypes.c_int32, text, pointer,
    ]  # fmt: skip
    library.LGBM_BoosterPredictForMatSingleRowFast.argtypes = [pointer, pointer, pointer, pointer]
    library.LGBM_BoosterPredictForMat.argtypes = [
        pointer, pointer, integer, ctypes.c_int32, ctypes.c_int32, integer, integer, integer, integer, text,
        pointer, pointer,
    ]  # fmt: skip
    return library


def _check(code: int) -> None:
    if code != 0:
        raise ModelError(f"LightGBM: {_library().LGBM_GetLastError().decode(errors='replace')}")


class Model:
    """A loaded model. One thread scores with it; it must not be used across a fork."""

    def __init__(self, manifest: Manifest, text: bytes) -> None:
        """Takes a verified model text; `load` is the way to one. Raises ModelError where it isn't a model."""
        self.manifest = manifest
        self._slope = manifest.calibration["slope"]
        self._intercept = manifest.calibration["intercept"]
        self._booster = ctypes.c_void_p()
        self._fast = ctypes.c_void_p()
        self._length = ctypes.c_int64()
        self._length_address = ctypes.addressof(self._length)
        library = _library()
        self._row_score = library.LGBM_BoosterPredictForMatSingleRowFast
        trees, columns = ctypes.c_int(), ctypes.c_int()
        _check(
            library.LGBM_BoosterLoadModelFromString(text, ctypes.byref(trees), ctypes.byref(self._booster))
        )
        _check(library.LGBM_BoosterGetNumFeature(self._booster, ctypes.byref(columns)))
        if columns.value != len(FEATURES):
            raise ModelError(
                f"{manifest.version}: the trees read {columns.value} features, not {len(FEATURES)}"
            )
        _check(
            library.LGBM_BoosterPredictForMatSingleRowFastInit(
                self._booster,
                _RAW_SCORE,
                0,
                -1,
                _FLOAT32,
                len(FEATURES),
                _PARAMETERS,
                ctypes.byref(self._fast),
            )
        )

    @classmethod
    def load(cls, directory: Path) -> "Model":
        """Loads the model in a folder, verified against its manifest. Raises ModelError, saying why not."""
        return cls(*read_model(directory))

    def score(self, features: np.ndarray) -> np.ndarray:
        """The probability of fraud f4[n], 0..1, of features f4[n, len(FEATURES)]."""
        return probability(self._slope * self._log_odds(features) + self._intercept).astype(np.float32)

    def contributions(self, row: np.ndarray) -> np.ndarray:
        """What each feature of one row f4[len(FEATURES)] adds to the calibrated log-odds: f8[features + 1],
        the last one what the model says of nobody in particular. Their sum is the score's log-odds.

        These are SHAP values of the trees (Lundberg et al., 2018), as LightGBM computes them.
        """
        row = np.ascontiguousarray(row, np.float32)
        assert row.shape == (len(FEATURES),)
        added = np.empty(len(FEATURES) + 1, np.float64)
        _check(
            _library().LGBM_BoosterPredictForMat(
                self._booster, row.ctypes.data, _FLOAT32, 1, len(FEATURES), 1, _CONTRIBUTIONS, 0, -1, _PARAMETERS,
                self._length_address, added.ctypes.data,
            )
        )  # fmt: skip
        added *= self._slope
        added[-1] += self._intercept
        return added

    def close(self) -> None:
        """Frees the trees; the model must not be used afterwards."""
        if self._fast:
            _library().LGBM_FastConfigFree(self._fast)
            self._fast = ctypes.c_void_p()
        if self._booster:
            _library().LGBM_BoosterFree(self._booster)
            self._booster = ctypes.c_void_p()

    def _log_odds(self, features: np.ndarray) -> np.ndarray:
        """The trees' sum f8[n], before calibration."""
        features = np.ascontiguousarray(features, np.float32)
        assert features.ndim == 2
        assert features.shape[1] == len(FEATURES)
        assert self._fast, "the model is closed"
        raw = np.empty(len(features), np.float64)
        row_address, raw_address = features.ctypes.data, raw.ctypes.data
        for index in range(len(features)):
            _check(
                self._row_score(
                    self._fast,
                    row_address + index * features.strides[0],
                    self._length_address,
                    raw_address + index * raw.itemsize,
                )
            )
        return raw


def probability(log_odds: np.ndarray) -> np.ndarray:
    """The probability of log-odds, elementwise, without overflow at either end."""
    return 0.5 * (1.0 + np.tanh(0.5 * log_odds))
