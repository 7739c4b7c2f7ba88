"""The plain twin of velocity: every event kept with its second, every total summed from the definition in `windows`."""

from collections import defaultdict

from scoring.seen import CAPS
from scoring.windows import WINDOWS

FIELDS = ("attempts", "declines", "approvals", "attempted", "consumed")
KINDS = ("merchant", "country", "category", "card_row", "device", "ip")


def level_of(time_s, newest_s):
    for level, window in enumerate(WINDOWS):
        if time_s // window.step_s >= (newest_s - window.span_s) // window.step_s:
            return level
    return len(WINDOWS)


class Row:
    """One subject's events by second."""

    def __init__(self):
        self.events = defaultdict(lambda: dict.fromkeys(FIELDS, 0))
        self.newest_s = -1
        self.seen = {}

    def copy(self):
        other = Row()
        other.newest_s, other.seen = self.newest_s, dict(self.seen)
        for time_s, event in self.events.items():
            other.events[time_s] = dict(event)
        return other

    def total(self, window, time_s, field):
        span_s, step_s = WINDOWS[window].span_s, WINDOWS[window].step_s
        opening = (time_s - span_s) // step_s
        total = 0
        for at, event in self.events.items():
            level = level_of(at, self.newest_s)
            if level == len(WINDOWS):
                continue
            cell_s = WINDOWS[level].step_s
            last_s = at // cell_s * cell_s + cell_s - 1
            if at // cell_s * cell_s > time_s + span_s:
                continue
            if (at if time_s >= self.newest_s and level <= window else last_s) // step_s >= opening and (
                level <= window or time_s < self.newest_s
            ):
                total += event[field]
        return total

    def distinct(self, window, time_s, kind):
        after_s = time_s - WINDOWS[window].span_s
        return sum(of == kind and last_s > after_s for (of, _), last_s in self.seen.items())

    def enter(self, step, attempting, reserving, kinds):
        self.newest_s = max(self.newest_s, step["time_s"] // 2 * 2)
        if level_of(step["time_s"], self.newest_s) == len(WINDOWS):
            return
        event = self.events[step["time_s"]]
        if reserving:
            event["approvals"] += 1
            event["consumed"] += step["amount_minor"]
        oldest_s = self.newest_s - WINDOWS[-1].span_s
        self.seen = {tag: last_s for tag, last_s in self.seen.items() if last_s > oldest_s}
        if not attempting:
            return
        event["attempts"] += 1
        event["attempted"] += step["amount_minor"]
        for kind in kinds:
            if step[kind] or kind == "card_row":
                self.note((kind, step[kind]), step["time_s"])

    def note(self, tag, time_s):
        of_kind = [other for other in self.seen if other[0] == tag[0]]
        if tag not in self.seen and len(of_kind) == CAPS[KINDS.index(tag[0])]:
            oldest = min(of_kind, key=self.seen.__getitem__)
            if self.seen[oldest] >= time_s:
                return
            del self.seen[oldest]
        self.seen[tag] = max(self.seen.get(tag, 0), time_s)

    def change(self, time_s, **amounts):
        if level_of(time_s, self.newest_s) < len(WINDOWS) and time_s in self.events:
            for field, amount in amounts.items():
                self.events[time_s][field] += amount


class NaiveVelocity:
    """Rows of the five subjects; an account's is its only card's until a second card comes."""

    def __init__(self):
        self.rows = defaultdict(Row)
        self.owners = {}

    def row_of(self, subject, step):
        key = {"card": "card_row", "account": "account"}.get(subject, subject)
        if subject == "account":
            owner = self.owners.get(step["account"], step["card_row"])
            if owner is not None:
                return self.rows["card", owner]
        return self.rows[subject, step[key]] if step[key] or subject == "card" else None

    def enter(self, step, attempting, reserving):
        account = step["account"]
        if account:
            owner = self.owners.setdefault(account, step["card_row"])
            if owner not in (None, step["card_row"]):
                self.rows["account", account] = self.rows["card", owner].copy()
                self.owners[account] = None
        for subject, row in self.touched(step):
            row.enter(step, attempting, reserving, KINDS if subject in ("card", "account") else KINDS[:4])

    def change(self, step, **amounts):
        for _, row in self.touched(step):
            row.change(step["time_s"], **amounts)

    def touched(self, step):
        for subject in ("card", "account", "merchant", "device", "ip"):
            if subject == "account" and (not step["account"] or self.owners.get(step["account"]) is not None):
                continue
            row = self.row_of(subject, step)
            if row is not None:
                yield subject, row
