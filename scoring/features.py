"""
The features, in one ordered list, and the state they are computed from: for training and service alike.

Features read attempts: they are written at arrival and no outcome changes them. So the same requests in
the same order give the same features bit for bit, however they fell into batches, in service, in
training, and rebuilt from a journal. What a request lacks is NaN, not zero.

Windows mean what `windows` says. Late attempts count in their own buckets; the time since the last attempt
is never below zero, and neither the last time nor the last place moves back.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from scoring import feature_kernel
from scoring.attempt import ATTEMPT, LABEL, empty_attempts
from scoring.category import GROUP_NAMES, GROUPS, group_table
from scoring.feature_kernel import MERCHANT_SLOTS, MOMENTS, observe_kernel
from scoring.windows import CELLS, WINDOWS


class Feature(NamedTuple):
    """One feature: its name, unit, the range of its values, and what it means."""

    name: str
    unit: str
    span: str
    meaning: str


FEATURES: Final = (
    Feature("amount", "major units", "0..9.2e16", "the amount, as hundredths of its minor units"),
    Feature("log_amount", "ln(1 + major units)", "0..39.1", "the amount's logarithm"),
    Feature("amount_z", "standard deviations", "any", "log_amount against the card's last hundred; from 3 on"),
    Feature("amount_ratio", "ratio", "> 0", "the amount by the card's typical one (geometric mean)"),
    Feature("amount_group_ratio", "ratio", "> 0", "the amount by the card's typical one in this category group"),
    Feature("hour", "hours", "0..23", "hour of the merchant's wall clock"),
    Feature("weekday", "days", "0..6", "day of the week there, Monday is 0"),
    Feature("is_weekend", "flag", "0, 1", "Saturday or Sunday there"),
    Feature("is_night", "flag", "0, 1", "22:00 to 06:00 there"),
    Feature("seconds_since_last", "seconds", ">= 0", "since the card's newest attempt"),
    Feature("attempts_1m", "attempts", "0..458745", "earlier attempts of the card in 1 minute"),
    Feature("attempts_1h", "attempts", "0..458745", "earlier attempts of the card in 1 hour"),
    Feature("attempts_24h", "attempts", "0..589815", "earlier attempts of the card in 24 hours"),
    Feature("attempts_7d", "attempts", "0..524280", "earlier attempts of the card in 7 days"),
    Feature("amount_1m", "major units", ">= 0", "what those of 1 minute asked for together"),
    Feature("amount_1h", "major units", ">= 0", "what those of 1 hour asked for together"),
    Feature("amount_24h", "major units", ">= 0", "what those of 24 hours asked for together"),
    Feature("amount_7d", "major units", ">= 0", "what those of 7 days asked for together"),
    Feature("category_group", "number of a group", f"0..{len(GROUP_NAMES) - 1}", "group of the merchant's category"),
    Feature("is_first_in_group", "flag", "0, 1", "the card never bought in this category group before"),
    Feature("is_first_at_merchant", "flag", "0, 1", "not among the merchants that the card visited lately"),
    Feature("is_domestic", "flag", "0, 1", "the merchant is in the programme's country"),
    Feature("distance_home_km", "kilometres", "0..20016", "from the cardholder's home to the merchant"),
    Feature("distance_last_km", "kilometres", "0..20016", "from the place of the newest attempt that had one"),
    Feature("speed_kmh", "kilometres an hour", ">= 0", "that distance by the time between, at least a minute"),
    Feature("entry_mode", "number of a mode", "1..6", "how the card was read, as the contract numbers it"),
    Feature("card_present", "flag", "0, 1", "the card was there"),
    Feature("attempts_known", "attempts", "0..1000000", "earlier attempts of the card ever"),
    Feature("night_share", "share", "0..1", "share of night among the card's last hundred with a local time"),
    Feature("night_spend", "major units", ">= 0", "asked for at night lately, a factor of e less with each day since"),
    Feature("recent_peak", "ln(1 + major units)", "<= 39.1", "the largest log_amount lately, 1 less with each day since"),
    Feature("amount_group_z", "standard deviations", "any", "log_amount against the card's last twenty of this group"),
)  # fmt: skip
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
assert all(getattr(feature_kernel, f"F_{name.upper()}") == place for place, name in enumerate(FEATURE_NAMES))
# Features whose number is a name, not a quantity.
CATEGORICAL: Final = ("category_group",)

_BAD_ROW, _BAD_AMOUNT = 1, 2


class Features:
    """What each card did before. One thread owns it; rows are the directory's card rows."""

    def __init__(self, cards: int = 0) -> None:
        self._groups = group_table()
        self._state: dict[str, np.ndarray] = {
            "moments": np.zeros((cards, MOMENTS), np.float32),
            "times_s": np.zeros((cards, 2), np.int64),
            "seen": np.zeros((cards, 2), np.uint32),
            "group_means": np.zeros((cards, GROUPS), np.float32),
            "group_variances": np.zeros((cards, GROUPS), np.float32),
            "group_counts": np.zeros((cards, GROUPS), np.uint8),
            "merchants": np.zeros((cards, MERCHANT_SLOTS), np.uint16),
            "heads": np.zeros((cards, len(WINDOWS)), np.int64),
            "counts": np.zeros((cards, CELLS), np.uint16),
            "sums": np.zeros((cards, CELLS), np.float32),
        }

    @property
    def cards(self) -> int:
        """How many card rows there is room for."""
        return len(self._state["seen"])

    def grow(self, cards: int) -> None:
        """Makes room for at least `cards` rows; what is known stays."""
        if cards <= self.cards:
            return
        for name, array in self._state.items():
            larger = np.zeros((cards, *array.shape[1:]), array.dtype)
            larger[: len(array)] = array
            self._state[name] = larger

    def observe(self, attempts: np.ndarray) -> np.ndarray:
        """
        The features f4[n, len(FEATURES)] of n attempts (ATTEMPT), each from what came before it; all of
        them are then part of their cards' history.

        Raises IndexError for a card row beyond `cards` and ValueError for an amount below zero, with
        nothing changed. Times lie between 1970 and 2^40 seconds after; coordinates are finite or NaN.
        """
        assert attempts.dtype == ATTEMPT
        out = np.empty((len(attempts), len(FEATURES)), np.float32)
        code = observe_kernel(np.ascontiguousarray(attempts), self._groups, *self._state.values(), out)
        if code == _BAD_ROW:
            raise IndexError("a card row lies beyond the feature state: grow() comes first")
        if code == _BAD_AMOUNT:
            raise ValueError("an amount below zero has no features")
        return out

    def learn(self, labels: np.ndarray) -> None:
        """Takes in what became known of attempts, labels (LABEL[n]) in the order in which it did."""
        assert labels.dtype == LABEL

    def arrays(self) -> dict[str, np.ndarray]:
        """The whole state by name, for a snapshot: the arrays themselves, not copies."""
        return dict(self._state)

    def load(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Takes over a state that `arrays` gave. Raises ValueError where names, dtypes or shapes differ."""
        adopted = {}
        for name, own in self._state.items():
            array = arrays.get(name)
            if array is None or array.dtype != own.dtype or array.shape[1:] != own.shape[1:]:
                raise ValueError(f"feature state {name!r} is missing or has another layout")
            adopted[name] = np.require(array, requirements=["C", "A", "W"])
        if len({len(array) for array in adopted.values()}) != 1:
            raise ValueError("feature state arrays differ in their number of cards")
        self._state = adopted

    def warm_up(self) -> None:
        """Compiles the kernel, or loads it from Numba's cache, without touching this state."""
        Features(1).observe(empty_attempts(1))
