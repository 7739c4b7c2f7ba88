"""
Seeded card traffic over the demo portfolio, skewed like real life, serialized before it is sent.

One seed and one day give the same purchases: who buys what, where and for how much. Only what must be new in each run
is not the seed's: the transmission time (now, by the sender's clock) and the retrieval references, so that no message
is a repeat of an earlier run's.

What is modelled, and from where: cards and merchants by Zipf's law (a few hot, a long tail), categories with the
shares, typical amounts and hours of US card spending, amounts log-normal within a category, chip and contactless at
the counter against e-commerce and stored credentials at a distance, terminals that count their own STAN, and about one
message in a hundred that is no plain purchase. What is not: a card buys all over the country, wherever its holder lives.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from holdfast.v1 import authorization_pb2 as pb

ISSUER_PREFIX: Final = "999999"
"""The demo portfolio's BIN; nine digits of index and the Luhn digit follow."""

EXPIRY_YYMM: Final = 3012
CURRENCY: Final = "USD"
MERCHANTS: Final = 20_000
TERMINALS_PER_MERCHANT_MAX: Final = 8
DAY_S: Final = 86_400

CARD_SKEW: Final = 0.5
"""Zipf's exponent over cards: the hottest of 200,000 makes about one message in 900."""

MERCHANT_SKEW: Final = 0.9
"""Zipf's exponent over merchants: the largest chain makes about one message in 20."""

PLAIN_SHARE: Final = 0.99
"""How much of the traffic is a plain purchase; the rest is `_UNUSUAL`."""


@dataclass(frozen=True)
class Category:
    """One merchant category: its share of purchases and what a purchase there looks like."""

    code: str
    name: str
    share: float
    amount_median_minor: int
    amount_sigma: float
    """Standard deviation of the amount's logarithm."""
    remote_share: float
    """How many of its purchases are made without the card."""
    hour_peak: float
    """The local hour at which most of them are made."""


CATEGORIES: Final = (
    Category("5411", "Grocery", 0.22, 3_400, 0.8, 0.04, 17.0),
    Category("5814", "Burger", 0.16, 1_150, 0.5, 0.08, 12.5),
    Category("5812", "Kitchen", 0.11, 3_200, 0.6, 0.03, 19.0),
    Category("5541", "Fuel", 0.12, 3_800, 0.4, 0.00, 16.0),
    Category("5311", "Stores", 0.07, 4_200, 0.8, 0.25, 15.0),
    Category("5912", "Pharmacy", 0.06, 1_900, 0.7, 0.05, 14.0),
    Category("5942", "Books", 0.05, 2_100, 0.6, 0.80, 20.0),
    Category("5651", "Clothing", 0.05, 5_200, 0.7, 0.35, 15.0),
    Category("4111", "Transit", 0.05, 350, 0.4, 0.10, 8.5),
    Category("5816", "Games", 0.04, 1_300, 0.7, 1.00, 21.0),
    Category("4899", "Streaming", 0.03, 1_500, 0.3, 1.00, 12.0),
    Category("5732", "Electronics", 0.02, 9_500, 0.9, 0.45, 15.0),
    Category("7230", "Salon", 0.02, 4_500, 0.5, 0.00, 13.0),
)
AMOUNT_MAX_MINOR: Final = 60_000
"""Purchases above it are left out: a demo card holds 1,000.00 at least, and must last for several."""

_UNUSUAL: Final = (
    # transaction type, card present, merchant's country, share of the unusual
    (pb.TRANSACTION_TYPE_ACCOUNT_STATUS, False, "US", 0.4),
    (pb.TRANSACTION_TYPE_PURCHASE_CASHBACK, True, "US", 0.3),
    (pb.TRANSACTION_TYPE_CASH_WITHDRAWAL, True, "US", 0.2),
    (pb.TRANSACTION_TYPE_PURCHASE, False, "GB", 0.1),
)
_CITIES: Final = (
    # name, latitude and longitude in degrees, residents in millions
    ("New York", 40.71, -74.01, 8.3),
    ("Los Angeles", 34.05, -118.24, 3.8),
    ("Chicago", 41.88, -87.63, 2.7),
    ("Houston", 29.76, -95.37, 2.3),
    ("Phoenix", 33.45, -112.07, 1.6),
    ("Philadelphia", 39.95, -75.17, 1.6),
    ("San Antonio", 29.42, -98.49, 1.5),
    ("Dallas", 32.78, -96.80, 1.3),
    ("Jacksonville", 30.33, -81.66, 1.0),
    ("Columbus", 39.96, -83.00, 0.9),
    ("Seattle", 47.61, -122.33, 0.7),
    ("Denver", 39.74, -104.99, 0.7),
)


def luhn_digits(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """The check digit that makes each number followed by it pass the Luhn test (ISO/IEC 7812-1, annex B)."""
    rest = np.array(numbers, dtype=np.int64)
    total = np.zeros_like(rest)
    doubled = True
    while rest.any():
        rest, digit = np.divmod(rest, 10)
        value = digit * 2 if doubled else digit
        total += np.where(value > 9, value - 9, value)
        doubled = not doubled
    return -total % 10


def demo_pans(indices: NDArray[np.int64]) -> list[str]:
    """The PANs of these cards of the demo portfolio."""
    return made_up_pans(ISSUER_PREFIX, indices)


def made_up_pans(prefix: str, indices: NDArray[np.int64]) -> list[str]:
    """16-digit PANs: a six-digit `prefix` that starts with no zero, the index in nine digits, the Luhn digit."""
    numbers = int(prefix) * 10**9 + np.asarray(indices, dtype=np.int64)
    return [str(pan) for pan in (numbers * 10 + luhn_digits(numbers)).tolist()]


def zipf_weights(count: int, exponent: float) -> NDArray[np.float64]:
    """Probabilities of ranks 1 to `count`, falling as rank to the minus `exponent`; they sum to 1."""
    weights: NDArray[np.float64] = np.arange(1, count + 1, dtype=np.float64) ** -exponent
    return weights / weights.sum()


@dataclass(frozen=True)
class _Merchant:
    message: pb.Merchant
    acquirer_id: str
    category: int
    terminals: tuple[str, ...]


class Traffic:
    """
    An endless, seeded stream of AuthorizeRequests over the first `cards` demo cards.

    `run` (0..99,999) goes into every retrieval reference: two runs against one server need two numbers. Not safe for
    use by several threads at once.
    """

    def __init__(
        self,
        seed: int,
        cards: int,
        *,
        run: int = 0,
        merchants: int = MERCHANTS,
        plain_share: float = PLAIN_SHARE,
    ) -> None:
        if cards < 1:
            raise ValueError(f"traffic needs at least one card, got {cards}")
        self._generator = np.random.default_rng(seed)
        self._run = run % 100_000
        self._plain_share = plain_share
        self._card_by_rank = self._generator.permutation(cards)
        self._card_steps = np.cumsum(zipf_weights(cards, CARD_SKEW))
        self._merchant_steps = np.cumsum(zipf_weights(merchants, MERCHANT_SKEW))
        self._merchants = _make_merchants(self._generator, merchants)
        self._merchant_category = np.array([merchant.category for merchant in self._merchants])
        self._stan_by_terminal: dict[str, int] = {}
        self._made = 0

    def requests(self, count: int, now_s: int) -> Iterator[pb.AuthorizeRequest]:
        """
        The next `count` requests, transmitted at `now_s` (seconds UTC). Each has a key of its own.

        One message object is filled anew for each: serialize or copy it before taking the next.
        """
        draw = self._generator
        cards = self._card_by_rank[
            np.searchsorted(self._card_steps, draw.random(count) * self._card_steps[-1])
        ]
        merchants = np.searchsorted(self._merchant_steps, draw.random(count) * self._merchant_steps[-1])
        categories = self._merchant_category[merchants]
        amounts_minor = _amounts_minor(draw, categories)
        remote = draw.random(count) < np.array([category.remote_share for category in CATEGORIES])[categories]
        times_s = _local_times_s(draw, categories, now_s)
        chances = draw.random((count, 3))
        unusual = draw.random(count) >= self._plain_share
        kinds = draw.choice(len(_UNUSUAL), size=count, p=[share for *_, share in _UNUSUAL])
        request = pb.AuthorizeRequest()
        rows = zip(
            demo_pans(cards),
            merchants.tolist(),
            amounts_minor.tolist(),
            remote.tolist(),
            times_s.tolist(),
            chances.tolist(),
            unusual.tolist(),
            kinds.tolist(),
            strict=True,
        )
        for pan, merchant, amount_minor, is_remote, time_s, chance, is_unusual, kind in rows:
            request.Clear()
            self._fill(request, self._merchants[merchant], now_s, chance[0])
            request.pan = pan
            request.transaction_type = pb.TRANSACTION_TYPE_PURCHASE
            request.amount_minor = amount_minor
            request.currency = CURRENCY
            request.local_time.seconds = time_s
            request.expiry_yymm = EXPIRY_YYMM
            _fill_channel(request, is_remote, chance[1], chance[2])
            if is_unusual:
                _make_unusual(request, kind)
            yield request

    def serialized(self, count: int, now_s: int) -> list[bytes]:
        """The next `count` requests as bytes."""
        return [request.SerializeToString() for request in self.requests(count, now_s)]

    def _fill(self, request: Any, merchant: _Merchant, now_s: int, chance: float) -> None:
        terminal = merchant.terminals[int(chance * len(merchant.terminals))]
        stan = self._stan_by_terminal.get(terminal, 0) + 1
        self._stan_by_terminal[terminal] = stan % 1_000_000
        key = request.key
        key.acquirer_id = merchant.acquirer_id
        key.stan = stan % 1_000_000
        key.retrieval_reference = f"{self._run:05d}{self._made % 10_000_000:07d}"
        key.transmission_time.seconds = now_s
        key.terminal_id = terminal
        request.merchant.CopyFrom(merchant.message)
        self._made += 1


def _make_merchants(draw: np.random.Generator, count: int) -> list[_Merchant]:
    """Merchants in order of size: name, city, category and terminals; all in the United States."""
    shares = np.array([category.share for category in CATEGORIES])
    residents = np.array([city[3] for city in _CITIES])
    categories = draw.choice(len(CATEGORIES), size=count, p=shares / shares.sum()).tolist()
    cities = draw.choice(len(_CITIES), size=count, p=residents / residents.sum()).tolist()
    places_deg = draw.normal(scale=0.15, size=(count, 2)).round(5).tolist()
    # Big chains have many terminals, corner shops one.
    terminals = np.maximum(1, TERMINALS_PER_MERCHANT_MAX * 20 // (np.arange(count) + 20)).tolist()
    merchants = []
    for number in range(count):
        category = CATEGORIES[categories[number]]
        city, latitude_deg, longitude_deg, _ = _CITIES[cities[number]]
        message = pb.Merchant(
            merchant_id=f"M{number:09d}",
            name=f"{city.split()[0]} {category.name} {number}"[:25],
            city=city,
            country="US",
            category_code=category.code,
            latitude_deg=latitude_deg + places_deg[number][0],
            longitude_deg=longitude_deg + places_deg[number][1],
        )
        names = tuple(f"{number:06d}{terminal:02d}" for terminal in range(terminals[number]))
        merchants.append(_Merchant(message, f"4{number % 40:05d}", categories[number], names))
    return merchants


def _amounts_minor(draw: np.random.Generator, categories: NDArray[np.int64]) -> NDArray[np.int64]:
    medians = np.array([category.amount_median_minor for category in CATEGORIES])[categories]
    sigmas = np.array([category.amount_sigma for category in CATEGORIES])[categories]
    amounts = np.exp(np.log(medians) + sigmas * draw.standard_normal(categories.size))
    minor: NDArray[np.int64] = np.clip(amounts, 100, AMOUNT_MAX_MINOR).astype(np.int64)
    return minor


def _local_times_s(draw: np.random.Generator, categories: NDArray[np.int64], now_s: int) -> NDArray[np.int64]:
    """Wall clocks drawn from the day's shape, on the day of `now_s`: a run at night sees the same mix as one at noon."""
    peaks = np.array([category.hour_peak for category in CATEGORIES])[categories]
    hours = draw.normal(peaks, 3.0) % 24
    times_s: NDArray[np.int64] = now_s // DAY_S * DAY_S + (hours * 3600).astype(np.int64)
    return times_s


def _fill_channel(request: Any, remote: bool, mode_chance: float, check_chance: float) -> None:
    """How the card was read, and which checks came with it."""
    request.card_present = not remote
    if not remote:
        contactless = mode_chance < 0.6
        request.entry_mode = pb.ENTRY_MODE_CONTACTLESS if contactless else pb.ENTRY_MODE_CHIP
        request.card_verification = pb.CHECK_RESULT_MATCH
    elif mode_chance < 0.4:
        request.entry_mode = pb.ENTRY_MODE_CREDENTIAL_ON_FILE
        request.recurring = check_chance < 0.5
    else:
        request.entry_mode = pb.ENTRY_MODE_ECOMMERCE
        request.card_verification = pb.CHECK_RESULT_MATCH
        if check_chance < 0.7:
            request.cardholder_authentication = pb.CHECK_RESULT_MATCH


def _make_unusual(request: Any, kind: int) -> None:
    """Turns a plain purchase into one of the rarer messages."""
    transaction_type, card_present, country, _ = _UNUSUAL[kind]
    request.transaction_type = transaction_type
    request.card_present = card_present
    request.entry_mode = pb.ENTRY_MODE_CHIP if card_present else pb.ENTRY_MODE_ECOMMERCE
    if transaction_type == pb.TRANSACTION_TYPE_ACCOUNT_STATUS:
        request.amount_minor = 0
    elif transaction_type == pb.TRANSACTION_TYPE_PURCHASE_CASHBACK:
        request.cashback_amount_minor = 2_000
        request.amount_minor += 2_000
    elif transaction_type == pb.TRANSACTION_TYPE_CASH_WITHDRAWAL:
        request.amount_minor = 6_000
        request.merchant.category_code = "6011"
    if country != "US":
        request.merchant.country = country
        request.merchant.city = "London"
        request.merchant.latitude_deg, request.merchant.longitude_deg = 51.51, -0.13
