"""
The features, in one ordered list, and the state they are computed from: for training and service alike.

Features read attempts and labels: attempts when they arrive, labels when they become known, and never what the
server decided. So the same requests and labels in the same order give the same features bit for bit,
however they fell into batches, in service, in training, and rebuilt from a journal. What a request lacks is
NaN, not zero.

What sliding windows count comes from `velocity`, with the attempt (`past`); the rest is kept here: the
habits of each card (`habits`), the merchants and terminals (`places`), and what attempts look like at large
(`patterns`). The state depends on attempts and labels alone: neither on `past` nor on homes, which a
journal doesn't tell.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np

from scoring import columns
from scoring.attempt import ATTEMPT, LABEL, empty_attempts
from scoring.category import GROUP_NAMES, group_table
from scoring.country import country_risks
from scoring.feature_kernel import (
    BAD_AMOUNT,
    BAD_ROW,
    BAD_VERDICT,
    GROW_MERCHANTS,
    GROW_TERMINALS,
    OK,
    learn_kernel,
    observe_kernel,
)
from scoring.habits import HABITS
from scoring.patterns import PATTERNS
from scoring.places import PLACE, PLACES_MIN, rehash_kernel
from scoring.room import Room
from scoring.velocity import PAST_NAMES


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
    Feature("amount_ratio", "ratio", ">= 0", "the amount by the card's typical one (a mean that clips); from 3 on"),
    Feature("amount_group_z", "standard deviations", "any", "log_amount against the card's last twenty of this group"),
    Feature("peak_ratio_14d", "ratio", ">= 0", "the largest amount_ratio of the card's last two from 2.5 on, of 14 days; 0: none"),
    Feature("hour", "hours", "0..23", "hour of the merchant's wall clock"),
    Feature("weekday", "days", "0..6", "day of the week there, Monday is 0"),
    Feature("is_weekend", "flag", "0, 1", "Saturday or Sunday there"),
    Feature("is_night", "flag", "0, 1", "22:00 to 06:00 there"),
    Feature("hour_share", "share", "0..1", "share of this band of two hours and its neighbours among the card's attempts"),
    Feature("night_share", "share", "0..1", "share of night among the card's last hundred with a local time"),
    Feature("night_spend", "major units", ">= 0", "asked for at night lately, a factor of e less with each day since"),
    Feature("seconds_since_last", "seconds", ">= 0", "since the card's newest attempt"),
    Feature("attempts_1m", "attempts", ">= 0", "earlier attempts of the card in 1 minute"),
    Feature("attempts_1h", "attempts", ">= 0", "earlier attempts of the card in 1 hour"),
    Feature("attempts_24h", "attempts", ">= 0", "earlier attempts of the card in 24 hours"),
    Feature("attempts_7d", "attempts", ">= 0", "earlier attempts of the card in 7 days"),
    Feature("attempts_30d", "attempts", ">= 0", "earlier attempts of the card in 30 days"),
    Feature("amount_1h", "minor units", ">= 0", "what those of 1 hour asked for together"),
    Feature("amount_24h", "minor units", ">= 0", "what those of 24 hours asked for together"),
    Feature("amount_7d", "minor units", ">= 0", "what those of 7 days asked for together"),
    Feature("amount_30d", "minor units", ">= 0", "what those of 30 days asked for together"),
    Feature("attempts_known", "attempts", "0..1000000", "earlier attempts of the card ever"),
    Feature("today_attempts", "attempts", "0..65535", "earlier attempts of the card on this day of the merchant's calendar"),
    Feature("today_top", "ln(1 + major units)", "0..39.1", "the largest log_amount among them"),
    Feature("today_z_high", "standard deviations", "-300..300", "the highest log_amount among them, against all cards' of the kind"),
    Feature("today_z_low", "standard deviations", "-300..300", "the lowest, likewise"),
    Feature("yesterday_attempts", "attempts", "0..65535", "the card's attempts of the day before"),
    Feature("yesterday_top", "ln(1 + major units)", "0..39.1", "the largest log_amount among those"),
    Feature("yesterday_z_high", "standard deviations", "-300..300", "the highest log_amount among those, against all cards' of the kind"),
    Feature("merchants_24h", "merchants", ">= 0", "different merchants among the card's attempts of 24 hours"),
    Feature("countries_24h", "countries", ">= 0", "different countries among the card's attempts of 24 hours"),
    Feature("category_group", "number of a group", f"0..{len(GROUP_NAMES) - 1}", "group of the merchant's category"),
    Feature("category_share", "share", "0..1", "share of this category group among the card's attempts"),
    Feature("is_first_in_category", "flag", "0, 1", "the card remembers no attempt in this category"),
    Feature("is_first_at_merchant", "flag", "0, 1", "the card remembers no attempt at this merchant"),
    Feature("is_first_in_country", "flag", "0, 1", "the card remembers no attempt in this country"),
    Feature("merchant_fraud_rate", "share", "0..1", "confirmed frauds by attempts there, of 28 days whose labels are in"),
    Feature("merchant_fraud_days", "days", ">= 0", "since the day of the last fraud there that is known"),
    Feature("merchant_attempts_1h", "attempts", ">= 0", "earlier attempts of all cards there in 1 hour"),
    Feature("merchant_cards_24h", "cards", ">= 0", "different cards there in 24 hours"),
    Feature("terminal_fraud_rate", "share", "0..1", "as merchant_fraud_rate, at the terminal"),
    Feature("terminal_fraud_days", "days", ">= 0", "as merchant_fraud_days, at the terminal"),
    Feature("terminal_spell_days", "days", ">= 0", "since the first of the frauds there that only the terminal explains"),
    Feature("terminal_spell_share", "share", "0..1", "share of fraud among the attempts since, as far as labels are in"),
    Feature("terminal_genuine_since", "attempts", ">= 0", "genuine ones since the last of those frauds, as far as labels are in"),
    Feature("card_fraud_days", "days", ">= 0", "since the card's last attempt that is known to be fraud"),
    Feature("country_risk", "degree", "0, 1, 2", "the FATF monitors the merchant's country more closely; calls for action"),
    Feature("is_domestic", "flag", "0, 1", "the merchant is in the programme's country"),
    Feature("distance_home_km", "kilometres", "0..20016", "from the cardholder's home to the merchant"),
    Feature("distance_last_km", "kilometres", "0..20016", "from the place of the newest attempt that had one"),
    Feature("distance_usual_km", "kilometres", "0..20016", "from the middle of the places of the card's last hundred"),
    Feature("speed_kmh", "kilometres an hour", ">= 0", "distance_last_km by the time between, at least a minute"),
    Feature("entry_mode", "number of a mode", "1..6", "how the card was read, as the contract numbers it"),
    Feature("card_present", "flag", "0, 1", "the card was there"),
    Feature("is_new_device", "flag", "0, 1", "the card remembers no attempt from this device"),
    Feature("device_cards_31d", "cards", ">= 0", "different cards on this device in 31 days"),
    Feature("is_new_ip", "flag", "0, 1", "the card remembers no attempt from this network address"),
    Feature("ip_cards_24h", "cards", ">= 0", "different cards on this network address in 24 hours"),
    Feature("account_attempts_24h", "attempts", ">= 0", "earlier attempts of the account's cards in 24 hours"),
    Feature("suspicion", "nats", "any", "how much likelier frauds are to look like this; once 50 frauds are known"),
    Feature("suspicion_1d", "nats", ">= 0", "suspicion of the card's attempts lately, a factor of e less with each day since"),
    Feature("anomaly", "nats", ">= 0", "how rare kind, amount, hour and ratio are, whatever became of them"),
)  # fmt: skip
FEATURE_NAMES: Final = tuple(feature.name for feature in FEATURES)
assert len(FEATURES) <= 64
assert all(getattr(columns, f"F_{name.upper()}") == place for place, name in enumerate(FEATURE_NAMES))
# Features whose number is a name, not a quantity.
CATEGORICAL: Final = ("category_group",)

# What `past` says under another name: the seconds since the last one, which the kernel makes a flag.
_SINCE: Final = {
    "is_first_in_category": "category_since_s",
    "is_first_at_merchant": "merchant_since_s",
    "is_first_in_country": "country_since_s",
    "is_new_device": "device_since_s",
    "is_new_ip": "ip_since_s",
}
_FROM_PAST: Final = np.array(
    [
        (PAST_NAMES.index(_SINCE.get(name, name)), place)
        for place, name in enumerate(FEATURE_NAMES)
        if _SINCE.get(name, name) in PAST_NAMES
    ],
    np.int64,
).T.copy()


class Features:
    """What was seen of each card and place. One thread owns it; rows are the directory's card rows."""

    def __init__(self, cards: int = 0) -> None:
        self._groups, self._risks = group_table(), country_risks()
        self._habits = Room(HABITS, (), cards)
        self._state: dict[str, np.ndarray] = {
            "habits": self._habits.array,
            "merchant_keys": np.zeros(PLACES_MIN, np.uint64),
            "merchants": np.zeros(PLACES_MIN, PLACE),
            "terminal_keys": np.zeros(PLACES_MIN, np.uint64),
            "terminals": np.zeros(PLACES_MIN, PLACE),
            "taken": np.zeros(2, np.int64),
            "patterns": np.zeros(1, PATTERNS),
        }

    @property
    def cards(self) -> int:
        """How many card rows there is room for."""
        return len(self._habits.array)

    def grow(self, cards: int) -> None:
        """Makes room for at least `cards` rows; what is known stays."""
        if cards > self.cards:
            self._state["habits"] = self._state["habits"][
                :0
            ].copy()  # let go of, so that it grows where it lies
            self._habits.make(cards)
            self._state["habits"] = self._habits.array

    def observe(self, attempts: np.ndarray, past: np.ndarray) -> np.ndarray:
        """
        The features f4[n, len(FEATURES)] of n attempts (ATTEMPT), each from what came before it; all of
        them are then part of their cards' history. past f4[n, len(PAST_NAMES)] is what `velocity` said of them.

        Raises IndexError for a card row beyond `cards` and ValueError for an amount below zero, with
        nothing changed. Times lie between 1970 and 2^40 seconds after; coordinates are finite or NaN.
        """
        assert attempts.dtype == ATTEMPT
        assert past.shape == (len(attempts), len(PAST_NAMES))
        attempts, past = np.ascontiguousarray(attempts), np.ascontiguousarray(past, np.float32)
        out = np.empty((len(attempts), len(FEATURES)), np.float32)
        code, at = observe_kernel(
            attempts, past, _FROM_PAST, self._groups, self._risks, 0, *self._state.values(), out
        )
        while code in (GROW_MERCHANTS, GROW_TERMINALS):
            self._grow_places("merchant" if code == GROW_MERCHANTS else "terminal")
            code, at = observe_kernel(
                attempts, past, _FROM_PAST, self._groups, self._risks, at, *self._state.values(), out
            )
        _check(code)
        return out

    def learn(self, labels: np.ndarray) -> None:
        """
        N labels (LABEL) in the order in which they became known: they move what is known of merchants, terminals,
        cards and patterns of fraud. One that supersedes another takes it back.

        A card row may be NO_ROW. Raises IndexError for another row beyond `cards` and ValueError for a verdict that
        is none or an amount below zero, with nothing changed.
        """
        assert labels.dtype == LABEL
        state = [array for name, array in self._state.items() if name != "taken"]
        _check(learn_kernel(np.ascontiguousarray(labels), *state))

    def _grow_places(self, name: str) -> None:
        keys, places = self._state[f"{name}_keys"], self._state[f"{name}s"]
        larger_keys, larger_places = np.zeros(2 * len(keys), np.uint64), np.zeros(2 * len(keys), PLACE)
        rehash_kernel(keys, places, larger_keys, larger_places)
        self._state[f"{name}_keys"], self._state[f"{name}s"] = larger_keys, larger_places

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
        for name in ("merchant", "terminal"):
            if len(adopted[f"{name}_keys"]) != len(adopted[f"{name}s"]):
                raise ValueError(f"feature state differs in its number of {name}s")
        self._state = adopted
        self._habits = Room(HABITS)
        self._habits.take(adopted["habits"])
        adopted["habits"] = self._habits.array

    def warm_up(self) -> None:
        """Compiles the kernels, or loads them from Numba's cache, without touching this state."""
        features = Features(1)
        features.observe(empty_attempts(1), np.full((1, len(PAST_NAMES)), np.nan, np.float32))
        features.learn(np.zeros(0, LABEL))
        features._grow_places("merchant")


def _check(code: int) -> None:
    if code == BAD_ROW:
        raise IndexError("a card row lies beyond the feature state: grow() comes first")
    if code == BAD_AMOUNT:
        raise ValueError("an amount below zero has no features")
    if code == BAD_VERDICT:
        raise ValueError("a label's verdict is FRAUD, DISPUTE or LEGITIMATE")
    assert code == OK
