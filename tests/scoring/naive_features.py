"""The plain twin of `scoring.features`: each feature from its definition, over lists of what happened."""

import math
from collections import Counter, defaultdict

import numpy as np

from scoring.attempt import TIME_MISSING
from scoring.category import GROUP_MISSING, group_table
from scoring.country import CALL_FOR_ACTION, INCREASED_MONITORING
from scoring.features import FEATURE_NAMES
from scoring.velocity import PAST_NAMES

NAN = math.nan
DAY_S = 86_400
FLAGS = {
    "is_first_in_category": "category_since_s",
    "is_first_at_merchant": "merchant_since_s",
    "is_first_in_country": "country_since_s",
    "is_new_device": "device_since_s",
    "is_new_ip": "ip_since_s",
}


class NaiveCard:
    """What one card did."""

    def __init__(self):
        self.known, self.timed, self.placed = 0, 0, 0
        self.mean, self.variance, self.typical, self.group_variance = 0.0, 0.0, 0.0, 0.0
        self.group_means, self.group_counts, self.hours = defaultdict(float), Counter(), Counter()
        self.last_s, self.placed_s, self.fraud_s = 0, 0, 0
        self.place, self.usual = None, [0.0, 0.0]
        self.night_share = 0.0
        self.nights, self.suspicions, self.days = [], [], defaultdict(list)
        self.peaks = [(0, 0.0), (0, 0.0)]
        self.newest_day = None

    def ratio(self, amount):
        return amount / max(self.typical, 1.0) if self.known >= 3 else NAN


class NaivePlace:
    """What happened at a merchant or a terminal, by day."""

    def __init__(self):
        self.attempts, self.frauds, self.unexplained = Counter(), Counter(), Counter()
        self.kind, self.offset_s = 0, 0

    def head(self):
        return max(self.attempts, default=-1)

    def describe(self, time_s, delay_s, rate):
        said = [NAN] * 5
        oldest = max(time_s // DAY_S - 28 - int(delay_s // DAY_S), self.head() - 63)
        days = [
            day for day in sorted(self.attempts) if oldest <= day <= time_s // DAY_S and self.attempts[day]
        ]

        def ripe(day):
            share = min(max((time_s - day * DAY_S - delay_s) / DAY_S, 0.0), 1.0)
            return max(self.attempts[day] * share, self.frauds[day])

        frauds = sum(self.frauds[day] for day in days)
        said[0] = (frauds + 20 * rate) / (sum(map(ripe, days)) + 20)
        known = [day for day in days if self.frauds[day]]
        if known:
            said[1] = time_s / DAY_S - known[-1]
        spell = [day for day in days if self.unexplained[day]]
        if spell:
            since = [day for day in days if day >= spell[0]]
            said[2] = time_s / DAY_S - spell[0]
            said[3] = sum(self.frauds[day] for day in since) / (sum(map(ripe, since)) + 0.2)
            said[4] = sum(ripe(day) - self.frauds[day] for day in days if day > spell[-1])
        return said


class NaivePatterns:
    """What attempts and frauds look like: counters by (which, kind of count, ...)."""

    def __init__(self):
        self.counts = (Counter(), Counter())
        self.amounts = defaultdict(lambda: [0, 0.0, 0.0])
        self.delays, self.labels = 0.0, 0

    @staticmethod
    def keys(kind, amount, hour, ratio):
        """Each count with the count that it is a share of."""
        pairs = [(("kind", kind), ("all",)), (("amount", kind, amount), ("kind", kind))]
        pairs += [(("hour", kind, hour), ("kind", kind))] if hour != "none" else []
        return pairs + ([(("ratio", ratio), ("ratios",))] if ratio is not None else [])

    def count(self, which, seen, change):
        keys = {key for pair in self.keys(*seen) for key in pair}
        for key in keys | {("all",)}:
            self.counts[which][key] = max(self.counts[which][key] + change, 0)

    def suspicion(self, seen):
        everyone, frauds = self.counts
        if frauds[("all",)] < 50:
            return NAN
        found = 0.0
        for key, of in self.keys(*seen):
            if everyone[key]:
                share = everyone[key] / everyone[of]
                found += math.log((frauds[key] + 5 * share) / (frauds[of] + 5) / share)
        return found

    def anomaly(self, seen):
        everyone = self.counts[0]
        sizes = {"kind": 32, "amount": 88, "hour": 13, "ratio": 32}
        return -sum(
            math.log((everyone[key] + 1) / (everyone[of] + sizes[key[0]])) for key, of in self.keys(*seen)
        )

    def deviation(self, kind, log_amount):
        """Against the kind's amounts so far; the amount then joins them."""
        seen, mean, squares = self.amounts[kind]
        z = (log_amount - mean) / max(math.sqrt(squares / seen), 0.25) if seen >= 30 else 0.0
        off = log_amount - mean
        mean += off / (seen + 1)
        self.amounts[kind] = [seen + 1, mean, squares + off * (log_amount - mean)]
        return z


class NaiveFeatures:
    """All cards and places, fed by the same calls as `Features`."""

    def __init__(self):
        self.groups = group_table()
        self.cards = defaultdict(NaiveCard)
        self.merchants, self.terminals = {}, {}
        self.patterns = NaivePatterns()

    def observe(self, attempts, past):
        return np.array(
            [self._observe(one, dict(zip(PAST_NAMES, row, strict=True))) for one, row in zip(attempts, past, strict=True)]
        )  # fmt: skip

    def _observe(self, attempt, past):
        card = self.cards[int(attempt["card_row"])]
        amount = int(attempt["amount_minor"]) / 100
        log_amount, time_s = math.log1p(amount), int(attempt["time_s"])
        local_s = None if attempt["local_time_s"] == TIME_MISSING else int(attempt["local_time_s"])
        group = int(self.groups[attempt["category"]])
        row = dict.fromkeys(FEATURE_NAMES, NAN)
        row.update({name: value for name, value in past.items() if name in row})
        for name, since in FLAGS.items():
            row[name] = NAN if math.isnan(past[since]) else float(past[since] < 0)
        row.update(amount=amount, log_amount=log_amount, card_present=float(attempt["card_present"]))
        row["entry_mode"] = float(attempt["entry_mode"] or NAN)
        country = int(attempt["country"])
        if country:
            row["country_risk"] = 2 * (country in CALL_FOR_ACTION) + (country in INCREASED_MONITORING)
            if attempt["home_country"]:
                row["is_domestic"] = float(country == attempt["home_country"])
        self._amount(row, card, amount, log_amount, group, time_s)
        self._time(row, card, time_s, local_s)
        self._place(row, card, attempt, time_s)
        kind = 2 * (15 if group == GROUP_MISSING else group) + int(attempt["card_present"])
        self._places(row, attempt, kind, time_s, local_s)
        seen = (kind, amount_bin(log_amount), hour_bin(local_s), ratio_bin(card.ratio(amount)))
        row["suspicion"], row["anomaly"] = self.patterns.suspicion(seen), self.patterns.anomaly(seen)
        self.patterns.count(0, seen, 1)
        z = self.patterns.deviation(kind, log_amount)
        self._remember(row, card, attempt, (amount, log_amount, z, group, time_s, local_s))
        return [row[name] for name in FEATURE_NAMES]

    def _amount(self, row, card, amount, log_amount, group, time_s):
        row["attempts_known"], row["amount_ratio"] = card.known, card.ratio(amount)
        if card.known >= 3:
            row["amount_z"] = (log_amount - card.mean) / max(math.sqrt(card.variance), 0.25)
            lately = [ratio for at_s, ratio in card.peaks if time_s - at_s <= 14 * DAY_S]
            row["peak_ratio_14d"] = max(lately, default=0.0)
        if group == GROUP_MISSING:
            return
        row["category_group"] = group
        if card.group_counts.total():
            row["category_share"] = card.group_counts[group] / card.group_counts.total()
        if card.group_counts[group] >= 3:
            spread = max(math.sqrt(card.group_variance), 0.25)
            row["amount_group_z"] = (log_amount - card.group_means[group]) / spread

    def _time(self, row, card, time_s, local_s):
        now_s = max(time_s, card.last_s)
        row["night_spend"] = faded(card.nights, now_s)
        if card.known:
            row["seconds_since_last"] = now_s - card.last_s
            row["suspicion_1d"] = faded(card.suspicions, now_s)
        if card.fraud_s:
            row["card_fraud_days"] = max(time_s - card.fraud_s, 0) / DAY_S
        if local_s is None:
            return
        moment = np.datetime64(local_s, "s").item()
        row.update(hour=moment.hour, weekday=moment.weekday(), is_weekend=float(moment.weekday() >= 5))
        row["is_night"] = float(moment.hour >= 22 or moment.hour < 6)
        if not card.timed:
            return
        row["night_share"] = card.night_share
        band = moment.hour // 2
        near = sum(card.hours[other % 12] for other in (band - 1, band, band + 1))
        row["hour_share"] = near / card.hours.total()
        day = local_s // DAY_S
        if day < card.newest_day:
            return
        for name, on in (("today", day), ("yesterday", day - 1)):
            row[f"{name}_attempts"] = len(card.days[on])
            if card.days[on]:
                row[f"{name}_top"] = max(log_amount for log_amount, _ in card.days[on])
                row[f"{name}_z_high"] = max(z for _, z in card.days[on])
        if card.days[day]:
            row["today_z_low"] = min(z for _, z in card.days[day])

    def _place(self, row, card, attempt, time_s):
        place = (float(attempt["latitude_deg"]), float(attempt["longitude_deg"]))
        if math.isnan(place[0] + place[1]):
            return
        home = (float(attempt["home_latitude_deg"]), float(attempt["home_longitude_deg"]))
        row["distance_home_km"] = central_angle_km(place, home)
        if card.placed:
            row["distance_last_km"] = central_angle_km(place, card.place)
            row["speed_kmh"] = row["distance_last_km"] * 3600 / max(abs(time_s - card.placed_s), 60)
            row["distance_usual_km"] = central_angle_km(place, card.usual)

    def _places(self, row, attempt, kind, time_s, local_s):
        everyone, frauds = (counts[("all",)] for counts in self.patterns.counts)
        for name, table in (("merchant", self.merchants), ("terminal", self.terminals)):
            key = int(attempt[name])
            if not key:
                continue
            place = table.setdefault(key, NaivePlace())
            said = place.describe(time_s, self.delay_s(), (frauds + 1) / (everyone + 1000))
            row[f"{name}_fraud_rate"], row[f"{name}_fraud_days"] = said[:2]
            if name == "terminal":
                row["terminal_spell_days"], row["terminal_spell_share"], row["terminal_genuine_since"] = said[
                    2:
                ]
            if time_s // DAY_S > place.head() - 64:
                place.attempts[time_s // DAY_S] += 1
            place.kind = kind
            if local_s is not None:
                place.offset_s = min(max(local_s - time_s, -DAY_S), DAY_S)

    def _remember(self, row, card, attempt, seen):
        amount, log_amount, z, group, time_s, local_s = seen
        now_s = max(time_s, card.last_s)
        card.nights += [(now_s, amount)] if row["is_night"] == 1 else []
        card.suspicions += [(now_s, max(row["suspicion"], 0.0))] if row["suspicion"] > 0 else []
        if row["amount_ratio"] >= 2.5:
            oldest = min(range(2), key=lambda place: card.peaks[place][0])
            if time_s > card.peaks[oldest][0]:
                card.peaks[oldest] = (time_s, row["amount_ratio"])
        self._remember_amount(card, amount, log_amount, group)
        if local_s is not None:
            day, hour = local_s // DAY_S, local_s // 3600 % 24
            if card.newest_day is None or day >= card.newest_day:
                card.newest_day = day
                card.days[day].append((log_amount, z))
            card.timed += 1
            card.night_share += (row["is_night"] - card.night_share) / min(card.timed, 100)
            card.hours[hour // 2] += 1
        latitude_deg, longitude_deg = float(attempt["latitude_deg"]), float(attempt["longitude_deg"])
        if not math.isnan(latitude_deg + longitude_deg):
            card.placed += 1
            weight = 1 / min(card.placed, 100)
            card.usual[0] += weight * (latitude_deg - card.usual[0])
            east = (longitude_deg - card.usual[1] + 540) % 360 - 180
            card.usual[1] = (card.usual[1] + weight * east + 540) % 360 - 180
            if card.placed == 1 or time_s >= card.placed_s:
                card.placed_s, card.place = time_s, (latitude_deg, longitude_deg)
        card.last_s = now_s
        card.known += 1

    def _remember_amount(self, card, amount, log_amount, group):
        weight = 1 / min(card.known + 1, 100)
        off = log_amount - card.mean
        card.mean += weight * off
        card.variance = (1 - weight) * (card.variance + weight * off * off)
        clipped = min(amount, 2.2 * card.typical) if card.known >= 3 else amount
        card.typical += weight * (clipped - card.typical)
        if group != GROUP_MISSING:
            card.group_counts[group] += 1
            off = log_amount - card.group_means[group]
            card.group_means[group] += off / min(card.group_counts[group], 20)
            if card.group_counts[group] > 1:
                card.group_variance += weight * (off * off - card.group_variance)

    def delay_s(self):
        return min(self.patterns.delays, 30 * DAY_S) if self.patterns.labels else 7 * DAY_S

    def learn(self, labels):
        for label in labels:
            change = int(label["verdict"] != 3) - int(label["superseded"] in (1, 2))
            if change:
                self._learn(label, change)

    def _learn(self, label, change):
        time_s, amount = int(label["time_s"]), int(label["amount_minor"]) / 100
        ratio = NAN
        if label["card_row"] != 0xFFFFFFFF:
            card = self.cards[int(label["card_row"])]
            ratio = card.ratio(amount)
            if change > 0:
                card.fraud_s = max(card.fraud_s, time_s)
            elif card.fraud_s == time_s:
                card.fraud_s = 0
        if change > 0:
            self.patterns.labels = min(self.patterns.labels + 1, 500)
            taken_s = max(int(label["known_s"]) - time_s, 0)
            self.patterns.delays += (taken_s - self.patterns.delays) / self.patterns.labels
        explained = ratio >= 2.5
        merchant = self.merchants.get(int(label["merchant"]))
        at = amount_bin(math.log1p(amount))
        if merchant:
            everyone, frauds = (counts[("amount", merchant.kind, at)] for counts in self.patterns.counts)
            explained = explained or frauds > 0.5 * everyone
            seen = (merchant.kind, at, hour_bin(time_s + merchant.offset_s), ratio_bin(ratio))
            self.patterns.count(1, seen, change)
        for place in (merchant, self.terminals.get(int(label["terminal"]))):
            day = time_s // DAY_S
            if place and place.head() - 64 < day <= place.head():
                place.frauds[day] = max(place.frauds[day] + change, 0)
                if change < 0 or not explained:
                    place.unexplained[day] = max(place.unexplained[day] + change, 0)


def amount_bin(log_amount):
    """Quarter octaves of 1 + major units."""
    return min(int(4 * log_amount / math.log(2)), 87)


def hour_bin(local_s):
    """Bands of two hours."""
    return "none" if local_s is None else local_s // 7200 % 12


def ratio_bin(ratio):
    """Thirds of an octave around 1."""
    return None if math.isnan(ratio) else min(max(math.floor(3 * math.log2(max(ratio, 1e-9)) + 12.5), 0), 31)


def faded(values, now_s):
    """Their sum, each a factor of e less with each day since."""
    return sum(value * math.exp(-(now_s - at_s) / DAY_S) for at_s, value in values)


def central_angle_km(one, other):
    """The distance by the angle between two unit vectors: another formula than the kernel's."""
    vectors = []
    for latitude, longitude in (one, other):
        phi, theta = np.radians(np.float64(latitude)), np.radians(np.float64(longitude))
        vectors.append((np.cos(phi) * np.cos(theta), np.cos(phi) * np.sin(theta), np.sin(phi)))
    across = np.linalg.norm(np.cross(*vectors))
    return 6371.0 * float(np.arctan2(across, np.dot(*vectors)))
