"""A few features and the shipped model's word on them, by `Booster.predict`."""

import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from loadtest.rival.counters import Past
from scoring.manifest import read_model

_NIGHT_END: Final = 6
_SATURDAY: Final = 5


class Scorer:
    """One model. Features that need more of the past than counters are NaN to it, as the model allows."""

    def __init__(self, folder: Path) -> None:
        import lightgbm

        manifest, text = read_model(folder)
        self._places = {name: place for place, name in enumerate(manifest.features)}
        self._slope, self._intercept = manifest.calibration["slope"], manifest.calibration["intercept"]
        self._booster = lightgbm.Booster(model_str=text.decode())

    def score(self, request: Any, past: Past) -> float:
        """How likely it is fraud, 0..1."""
        at = datetime.fromtimestamp(request.local_time.seconds or request.key.transmission_time.seconds, UTC)
        amount = request.amount_minor / 100
        row = np.full((1, len(self._places)), np.nan)
        for name, value in (
            ("amount", amount),
            ("log_amount", math.log1p(amount)),
            ("hour", at.hour),
            ("weekday", at.weekday()),
            ("is_weekend", at.weekday() >= _SATURDAY),
            ("is_night", at.hour < _NIGHT_END),
            ("attempts_1h", past.card_hour - 1),
            ("attempts_24h", past.card_day - 1),
            ("amount_1h", (past.card_hour_minor - request.amount_minor) / 100),
            ("amount_24h", (past.card_day_minor - request.amount_minor) / 100),
            ("merchant_attempts_1h", past.merchant_hour - 1),
            ("is_domestic", request.merchant.country == "US"),
            ("entry_mode", request.entry_mode),
            ("card_present", request.card_present),
        ):
            if name in self._places:
                row[0, self._places[name]] = value
        log_odds = float(self._booster.predict(row, raw_score=True, num_threads=1)[0])
        return 1 / (1 + math.exp(-(self._slope * log_odds + self._intercept)))
