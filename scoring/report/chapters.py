"""What stands in each chapter of a report: sentences, charts and tables."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from scoring.evaluate import average_precision, card_precision, roc_auc
from scoring.report import charts, examples, groups, weeks, wording
from scoring.report.charts import Chart
from scoring.report.curve import Curve, Stopped, interval, saved_by
from scoring.report.examples import Example
from scoring.report.groups import Part, Rate
from scoring.report.scored import Grouping, Scored
from scoring.report.tables import Table, table

_RATES: Final = (0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05)
_THRESHOLDS: Final = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.8, 0.85, 0.9, 0.95)
_FEATURES_SHOWN: Final = 15


class Headline(NamedTuple):
    """A figure to begin with: what it is called, its value, and what it is of."""

    name: str
    value: str
    of: str


class Because(NamedTuple):
    """A reason as a reader sees it: whether it speaks for fraud, how much, and its sentence."""

    for_fraud: bool
    adds: str
    text: str


class Case(NamedTuple):
    """An example as a reader sees it: what happened, how it scored, and why."""

    heading: str
    facts: str
    score: str
    because: tuple[Because, ...]


class Cases(NamedTuple):
    """Examples of one sort."""

    title: str
    says: str
    cases: tuple[Case, ...]


class Chapter(NamedTuple):
    """A chapter: its anchor, title, sentences, and what stands below them."""

    key: str
    title: str
    says: tuple[str, ...]
    headlines: tuple[Headline, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    cases: tuple[Cases, ...] = ()


class _Measured(NamedTuple):
    """What several chapters speak of."""

    scored: Scored
    curve: Curve
    rivals: Mapping[str, Curve]
    rules: Mapping[str, Stopped]
    everything: Stopped
    best: Stopped


def chapters(scored: Scored) -> list[Chapter]:
    """A report's chapters in reading order; what the history doesn't carry has none."""
    amounts = scored.attempts["amount_minor"]
    curve = Curve(scored.is_fraud, scored.scores, amounts)
    measured = _Measured(
        scored,
        curve,
        {name: Curve(scored.is_fraud, scores, amounts) for name, scores in scored.rivals.items()},
        {name: _stopped_by(scored, hits) for name, hits in scored.rules.items()},
        curve.everything(),
        curve.best(scored.costs),
    )
    every: tuple[Callable[[_Measured], Iterator[Chapter]], ...] = (
        _summary, _caught, _scores, _money, _compared, _against_rules, _scenarios, _parts, _weeks, _fairness,
        _features, _examples, _about,
    )  # fmt: skip
    return [chapter for write in every for chapter in write(measured)]


def _stopped_by(scored: Scored, hits: np.ndarray) -> Stopped:
    amounts, fraud = scored.attempts["amount_minor"], scored.is_fraud
    caught, wrong = hits & fraud, hits & ~fraud
    return Stopped(
        0.0, int(caught.sum()), int(wrong.sum()), int(amounts[caught].sum()), int(amounts[wrong].sum())
    )


def _summary(measured: _Measured) -> Iterator[Chapter]:
    scored, everything = measured.scored, measured.everything
    declined, asked = measured.curve.above(scored.decline), measured.curve.above(scored.step_up)
    currency, times_s = scored.currency, scored.attempts["time_s"]
    first, last = wording.day(int(times_s[0])), wording.day(int(times_s[-1]))
    expected = float(scored.scores.sum(dtype=np.float64))
    says = [
        f"{scored.model} scored {wording.of(len(times_s), 'payment')} of "
        f"{wording.of(len(np.unique(scored.attempts['card_row'])), 'card')} from {first} to {last}. "
        f"{wording.count(everything.frauds)} of them were fraud, worth "
        f"{wording.round_money(everything.frauds_minor, currency)}.",
        f"Declining above {scored.decline:g} stops {_share(declined.frauds, everything.frauds)} of the frauds and "
        f"{_share(declined.frauds_minor, everything.frauds_minor)} of their money, and wrongly declines "
        f"{wording.of(declined.genuine, 'genuine payment')} ({_one_in(declined, everything)}).",
        f"Asking for proof above {scored.step_up:g} reaches {_share(asked.frauds, everything.frauds)} of the frauds "
        f"and disturbs {wording.of(asked.genuine, 'genuine payment')} ({_one_in(asked, everything)}).",
        f"Declined so, {wording.round_money(saved_by(declined, scored.costs), currency)} are saved after the cost of "
        f"wrong declines; {_best(measured)}",
        f"The scores add up to {expected:,.0f} frauds expected, where {wording.count(everything.frauds)} were found.",
    ]
    says += [_rule_sentence(measured, name) for name in measured.rules]
    at = measured.curve.allowing(0.001)
    yield Chapter(
        "summary",
        "In short",
        tuple(says),
        headlines=(
            Headline(
                "Average precision",
                wording.number(average_precision(scored.is_fraud, scored.scores)),
                f"{wording.number(everything.frauds / len(times_s), 4)} by chance",
            ),
            Headline(
                "Fraud caught",
                _share(at.frauds, everything.frauds),
                "while 0.1 % of genuine payments are stopped",
            ),
            Headline(
                "Fraud money declined",
                wording.round_money(declined.frauds_minor, currency),
                f"of {wording.round_money(everything.frauds_minor, currency)}",
            ),
            Headline(
                "Genuine payments declined",
                wording.count(declined.genuine),
                f"of {wording.count(everything.genuine)}: {_one_in(declined, everything)}",
            ),
        ),
    )


def _best(measured: _Measured) -> str:
    best, scored = measured.best, measured.scored
    if not best.frauds:
        return "no threshold would save anything."
    most = wording.round_money(saved_by(best, scored.costs), scored.currency)
    return f"the most that any threshold saves here is {most}, above {wording.threshold(best.threshold)}."


def _rule_sentence(measured: _Measured, name: str) -> str:
    rule, everything = measured.rules[name], measured.everything
    own = measured.curve.allowing(rule.genuine / everything.genuine)
    return (
        f"The rule “{name}” stops {_share(rule.frauds, everything.frauds)} of the frauds; disturbing as many "
        f"genuine payments, the model stops {_share(own.frauds, everything.frauds)}."
    )


def _caught(measured: _Measured) -> Iterator[Chapter]:
    scored, curve, everything = measured.scored, measured.curve, measured.everything
    rows = []
    for rate in _RATES:
        at = curve.allowing(rate)
        rows.append(
            (
                wording.share(rate),
                wording.count(at.genuine),
                wording.count(at.frauds),
                _share(at.frauds, everything.frauds),
                wording.between(interval(at.frauds, everything.frauds)),
                _share(at.frauds_minor, everything.frauds_minor),
                _share(at.frauds, at.frauds + at.genuine),
                wording.threshold(at.threshold),
            )
        )
    header = (
        "False positives allowed", "Genuine stopped", "Frauds stopped", "Recall", "95 % interval",
        "Recall by money", "Precision", "Score above",
    )  # fmt: skip
    fixed = table("Recall at fixed false-positive rates", header, rows, words=0)
    by_recall = []
    for tenth in range(1, 11):
        place = int(np.searchsorted(curve.recall(), tenth / 10 - 1e-12))
        stopped = curve.at(place)
        by_recall.append(
            (
                wording.share(tenth / 10),
                _share(stopped.frauds, stopped.frauds + stopped.genuine),
                wording.count(stopped.genuine),
                f"{stopped.threshold:.4f}",
            )
        )
    precision = table(
        "Precision by recall", ("Recall", "Precision", "Genuine stopped", "Score from"), by_recall, words=0
    )
    yield Chapter(
        "caught",
        "What is caught, and who is disturbed",
        (
            "A threshold that stops more fraud stops more genuine payments too. Both charts show every such trade; "
            "the table below picks the ones usually agreed on. Counts are of scores strictly above a threshold.",
        ),
        charts=(
            charts.precision_recall(scored, curve, measured.rivals, measured.rules, precision),
            charts.receiver(scored, curve, measured.rivals, fixed._replace(caption="Points of the curve")),
        ),
        tables=(fixed,),
    )


def _scores(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    found = charts.bins(scored.is_fraud, scored.scores)
    reliable = table(
        "Payments by score",
        ("Mean score", "Payments", "Frauds", "Share of fraud", "95 % interval"),
        [
            (
                f"{one.mean:.4f}",
                wording.count(one.total),
                wording.count(one.frauds),
                _share(one.frauds, one.total),
                wording.between(interval(one.frauds, one.total)),
            )
            for one in found
        ],
        words=0,
    )
    edges = np.array([0, 0.001, 0.01, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.85, 0.95, 0.99, 1.0])
    fraud, genuine = (
        np.histogram(scored.scores[rows], edges)[0].tolist() for rows in (scored.is_fraud, ~scored.is_fraud)
    )
    spread = table(
        "Payments by score",
        ("Score from", "to", "Frauds", "of all frauds", "Genuine", "of all genuine"),
        [
            (
                f"{low:g}",
                f"{high:g}",
                wording.count(bad),
                _share(bad, sum(fraud)),
                wording.count(good),
                _share(good, sum(genuine)),
            )
            for low, high, bad, good in zip(edges[:-1], edges[1:], fraud, genuine, strict=True)
        ],
        words=0,
    )
    brier = float(np.mean((scored.scores.astype(np.float64) - scored.is_fraud) ** 2))
    total = len(scored.scores)
    gap = sum(one.total / total * abs(one.frauds / one.total - one.mean) for one in found)
    yield Chapter(
        "scores",
        "Do scores mean what they say?",
        (
            f"A score is a probability: of all payments scored 0.3, three in ten should be fraud. Here the Brier score "
            f"is {brier:.5f} (0 is perfect), and scores miss the share of fraud by {wording.share(gap)} on average.",
        ),
        charts=(charts.reliability(found, reliable), charts.distribution(scored, spread)),
    )


def _money(measured: _Measured) -> Iterator[Chapter]:
    scored, curve, best = measured.scored, measured.curve, measured.best
    currency = scored.currency
    marks = sorted({*_THRESHOLDS, scored.step_up, scored.decline})
    lines = []
    for threshold in marks:
        at = curve.above(threshold)
        lines.append(
            (
                wording.threshold(threshold),
                wording.count(at.frauds),
                wording.money(at.frauds_minor, currency),
                wording.money(measured.everything.frauds_minor - at.frauds_minor, currency),
                wording.count(at.genuine),
                wording.money(at.genuine_minor, currency),
                wording.money(saved_by(at, scored.costs), currency),
            )
        )
    header = (
        "Decline above", "Frauds declined", "Their money", "Fraud let through", "Genuine declined", "Their money",
        "Saved",
    )  # fmt: skip
    by_threshold = table(
        "By threshold; the server's own are set apart",
        header,
        lines,
        words=0,
        marked=[place for place, mark in enumerate(marks) if mark in (scored.step_up, scored.decline)],
    )
    says = (
        f"A wrong decline is taken to cost {wording.money(scored.costs.false_decline_minor, currency)}; of a fraud let "
        f"through, {wording.share(scored.costs.fraud_loss_bp / 10_000)} is lost.",
        f"Declining above {scored.decline:g} saves "
        f"{wording.round_money(saved_by(curve.above(scored.decline), scored.costs), currency)}; {_best(measured)} That "
        "threshold was found on this very history: another month's best lies elsewhere.",
    )
    yield Chapter(
        "money",
        "What it saves",
        says if best.frauds else says[:1],
        charts=(charts.money(scored, curve, best, by_threshold),),
        tables=(by_threshold,),
    )


def _compared(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    if not scored.rivals:
        return
    models = {scored.model: (scored.scores, measured.curve)}
    models |= {name: (scores, measured.rivals[name]) for name, scores in scored.rivals.items()}
    everything = measured.everything
    rows = []
    for name, (scores, curve) in models.items():
        declined = curve.above(scored.decline)
        rows.append(
            (
                name,
                wording.number(average_precision(scored.is_fraud, scores)),
                wording.number(roc_auc(scored.is_fraud, scores), 4),
                _share(curve.allowing(0.001).frauds, everything.frauds),
                _share(curve.allowing(0.01).frauds, everything.frauds),
                wording.number(card_precision(scored.is_fraud, scores, scored.attempts)),
                _share(declined.frauds, everything.frauds),
                wording.count(declined.genuine),
                wording.round_money(saved_by(declined, scored.costs), scored.currency),
            )
        )
    header = (
        "Model", "Average precision", "ROC AUC", "Recall at 0.1 %", "Recall at 1 %", "CP@100", "Recall declined",
        "Genuine declined", "Saved",
    )  # fmt: skip
    yield Chapter(
        "compared",
        "Beside the other models",
        ("All models scored the same payments; each declines above the same threshold.",),
        tables=(
            table("Models on the same payments", header, rows, marked=[0]),
            *(_disagreement(scored, name) for name in scored.rivals),
        ),
    )


def _disagreement(scored: Scored, name: str) -> Table:
    threshold = np.float32(scored.decline)
    own, other = scored.scores > threshold, scored.rivals[name] > threshold
    sorts = {
        "both decline": own & other,
        f"only {scored.model}": own & ~other,
        f"only {name}": ~own & other,
        "neither": ~own & ~other,
    }
    rows = []
    for sort, hits in sorts.items():
        stopped = _stopped_by(scored, hits)
        rows.append(
            (
                sort,
                wording.count(stopped.frauds),
                wording.round_money(stopped.frauds_minor, scored.currency),
                wording.count(stopped.genuine),
                wording.round_money(stopped.genuine_minor, scored.currency),
            )
        )
    header = ("Decision", "Frauds", "Their money", "Genuine", "Their money")
    return table(f"Where decisions differ from {name}", header, rows)


def _against_rules(measured: _Measured) -> Iterator[Chapter]:
    if not measured.rules:
        return
    scored, everything = measured.scored, measured.everything
    rows = []
    for name, rule in measured.rules.items():
        own = measured.curve.allowing(rule.genuine / everything.genuine)
        rows.append(
            (
                name,
                wording.count(rule.frauds),
                _share(rule.frauds, everything.frauds),
                _share(own.frauds, everything.frauds),
                wording.count(rule.genuine),
                _share(rule.frauds, rule.frauds + rule.genuine),
                _share(own.frauds, own.frauds + own.genuine),
                wording.round_money(rule.frauds_minor, scored.currency),
                wording.round_money(own.frauds_minor, scored.currency),
            )
        )
    header = (
        "Rule", "Frauds stopped", "Recall", "the model's", "Genuine stopped", "Precision", "the model's",
        "Fraud money", "the model's",
    )  # fmt: skip
    yield Chapter(
        "rules",
        "Beside simple rules",
        (
            "The model's figures are at the threshold where it stops as many genuine payments as the rule does.",
        ),
        tables=(table("Simple rules, and the model at the same false positives", header, rows),),
    )


def _scenarios(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    if scored.scenarios is None:
        return
    grouping = scored.scenarios
    frauds_only = grouping._replace(codes=np.where(scored.is_fraud, grouping.codes, len(grouping.labels)))
    found = groups.parts(scored, frauds_only)
    rows = [
        (
            part.label,
            wording.count(part.frauds),
            wording.round_money(part.fraud_minor, scored.currency),
            _rate(part.declined),
            _rate(part.stepped_up),
            _rate(part.reviewed),
            wording.between(part.reviewed.interval),
            wording.number(
                groups.scenario_precision(scored, grouping, part.label)
                if part.label in grouping.labels
                else None
            ),
        )
        for part in found
    ]
    header = (
        grouping.title, "Frauds", "Worth", "Declined", "Stepped up or declined", "Above 1 % false positives",
        "95 % interval", "Average precision",
    )  # fmt: skip
    recalls = {part.label: part.reviewed for part in found}
    all_frauds = Rate(
        sum(rate.hits for rate in recalls.values()), sum(rate.total for rate in recalls.values())
    )
    by_scenario = table("Frauds by scenario", header, rows)
    yield Chapter(
        "scenarios",
        "By fraud scenario",
        (
            "How much of each kind of fraud is caught. Average precision is each scenario's among all genuine "
            "payments, the other scenarios left out.",
        ),
        charts=(
            charts.dots(
                "scenario",
                "Recall where 1 % of genuine payments are stopped",
                "Each scenario's share caught, with its 95 % interval; the line is that of all fraud.",
                recalls,
                all_frauds,
            )._replace(table=by_scenario),
        ),
        tables=(by_scenario,),
    )


def _parts(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    if not scored.parts:
        return
    yield Chapter(
        "parts",
        "By part of the traffic",
        ("The same thresholds everywhere; average precision within each part.",),
        tables=tuple(_part_table(scored, grouping) for grouping in scored.parts),
    )


def _part_table(scored: Scored, grouping: Grouping) -> Table:
    rows = [
        (
            part.label,
            wording.count(part.transactions),
            wording.count(part.frauds),
            wording.number(part.average_precision),
            _rate(part.declined),
            _rate(part.wrongly_declined),
            _rate(part.reviewed),
            _rate(part.wrongly_reviewed),
        )
        for part in groups.parts(scored, grouping)
    ]
    header = (
        grouping.title, "Payments", "Frauds", "Average precision", "Frauds declined", "Genuine declined",
        "Frauds above 1 % false positives", "Genuine above it",
    )  # fmt: skip
    return table(f"By {_lowered(grouping.title)}", header, rows)


def _weeks(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    found = weeks.weeks(scored)
    if len(found) < 2:
        return
    rows = [
        (
            f"{wording.day(week.begin_s)}{'' if week.whole else ' *'}",
            wording.count(week.part.transactions),
            wording.count(week.part.frauds),
            f"{week.part.expected:,.0f}",
            wording.number(week.part.average_precision),
            _rate(week.part.declined),
            _rate(week.part.wrongly_declined),
            _rate(week.part.reviewed),
            _rate(week.part.wrongly_reviewed),
            f"{week.drift:.3f}",
        )
        for week in found
    ]
    header = (
        "Week from Monday", "Payments", "Frauds", "Frauds expected", "Average precision", "Frauds declined",
        "Genuine declined", "Frauds above 1 % false positives", "Genuine above it", "Drift of scores",
    )  # fmt: skip
    moved = [week for week in found if week.whole and week.drift > 0.25]
    whole = [week.part.reviewed.share for week in found if week.whole and week.part.frauds]
    says = [
        "Thresholds stay what they are, week after week. Drift is the population stability index of the week's "
        "scores against all: below 0.1 they are alike, above 0.25 they moved. Weeks marked * (hollow dots) are not "
        "whole.",
        f"Scores moved in {wording.of(len(moved), 'week')}."
        if moved
        else "In no whole week did the scores move (drift above 0.25).",
    ]
    if whole:
        says.append(
            f"Where 1 % of genuine payments are stopped, the worst whole week caught "
            f"{wording.share(min(rate for rate in whole if rate is not None))} of its frauds."
        )
    readings = (
        (
            "week-recall",
            "Frauds caught above the 1 % line",
            "Share of each week's frauds above the threshold that 1 % of all genuine payments pass, with its 95 % "
            "interval.",
            [week.part.reviewed for week in found],
        ),
        (
            "week-genuine",
            "Genuine payments above the 1 % line",
            "Share of each week's genuine payments above the same threshold, with its 95 % interval.",
            [week.part.wrongly_reviewed for week in found],
        ),
        (
            "week-declined",
            f"Frauds declined above {scored.decline:g}",
            "Share of each week's frauds declined, with its 95 % interval.",
            [week.part.declined for week in found],
        ),
        (
            "week-fraud",
            "Fraud in the traffic",
            "Share of each week's payments that were fraud, with its 95 % interval.",
            [Rate(week.part.frauds, week.part.transactions) for week in found],
        ),
    )
    yield Chapter(
        "weeks",
        "Week by week",
        tuple(says),
        charts=tuple(
            charts.weekly(key, title, reading, found, rates) for key, title, reading, rates in readings
        ),
        tables=(table("Week by week", header, rows),),
    )


def _fairness(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    if not scored.fairness:
        return
    usual = groups.part(
        scored, "all", np.arange(len(scored.scores)), measured.curve.allowing(groups.REVIEWED).threshold
    )
    says = [
        "Whether people of one kind are wrongly stopped more often than others. The charts compare genuine payments "
        "above the threshold that 1 % of all genuine payments pass, where there are enough of them to compare; the "
        "model does not see age or region.",
    ]
    drawn, tables = [], []
    for number, grouping in enumerate(scored.fairness):
        found = groups.parts(scored, grouping)
        named = [part for part in found if part.label in grouping.labels]
        apart = [part for part in named if groups.stands_out(part.wrongly_reviewed, usual.wrongly_reviewed)]
        says.append(_fairness_sentence(grouping, apart, usual))
        drawn.append(
            charts.dots(
                f"fair-{number}",
                f"Wrongly stopped, by {_lowered(grouping.title)}",
                "Share of genuine payments above the 1 % line, with its 95 % interval; the line is that of all.",
                {part.label: part.wrongly_reviewed for part in named},
                usual.wrongly_reviewed,
            )
        )
        drawn.append(
            charts.dots(
                f"fair-recall-{number}",
                f"Fraud caught, by {_lowered(grouping.title)}",
                "Share of frauds above the 1 % line, with its 95 % interval; the line is that of all.",
                {part.label: part.reviewed for part in named},
                usual.reviewed,
            )
        )
        tables.append(_fairness_table(grouping, [*found, usual], apart))
    yield Chapter("fairness", "Fairness", tuple(says), charts=tuple(drawn), tables=tuple(tables))


def _fairness_sentence(grouping: Grouping, apart: Sequence[Part], usual: Part) -> str:
    if not apart:
        return (
            f"{grouping.title}: no group is wrongly stopped clearly more often than all are "
            "(a quarter more, and more than chance explains)."
        )
    told = ", ".join(f"{part.label} ({_rate(part.wrongly_reviewed)})" for part in apart)
    return f"{grouping.title}: wrongly stopped clearly more often than all are ({_rate(usual.wrongly_reviewed)}): {told}."


def _fairness_table(grouping: Grouping, found: Sequence[Part], apart: Sequence[Part]) -> Table:
    rows = [
        (
            part.label,
            wording.count(part.transactions),
            _share(part.frauds, part.transactions),
            wording.share(part.expected / part.transactions),
            _rate(part.wrongly_reviewed),
            wording.between(part.wrongly_reviewed.interval),
            _rate(part.wrongly_stepped_up),
            _rate(part.wrongly_declined),
            _rate(part.reviewed),
            _rate(part.declined),
        )
        for part in found
    ]
    header = (
        grouping.title, "Payments", "Fraud found", "Fraud expected", "Genuine above the 1 % line", "95 % interval",
        "Genuine stepped up or declined", "Genuine declined", "Frauds above the 1 % line", "Frauds declined",
    )  # fmt: skip
    marked = [place for place, part in enumerate(found) if part in apart]
    return table(f"By {_lowered(grouping.title)}", header, rows, marked=marked)


def _features(measured: _Measured) -> Iterator[Chapter]:
    why = measured.scored.why
    if why is None:
        return
    found = examples.importances(measured.scored, why)
    rows = [(one.name, one.meaning, f"{one.in_frauds:.3f}", f"{one.in_genuine:.3f}") for one in found]
    header = ("Feature", "What it is", "in frauds", "in genuine")
    every = table("Mean move of the log-odds", header, rows, words=2)
    yield Chapter(
        "features",
        "What the model looks at",
        (
            "How far each feature moves a score, on average over payments of this history (SHAP values). One unit of "
            "log-odds multiplies the odds of fraud by 2.7.",
        ),
        charts=(charts.importance(found[:_FEATURES_SHOWN], every),),
    )


def _examples(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    alarms, missed, slow = (
        find(scored) for find in (examples.false_alarms, examples.missed, examples.slowest)
    )
    sorts = [
        Cases("Genuine, with the highest scores", "One a card.", _cases(scored, alarms)),
        Cases("Fraud, with the lowest scores", "One a card.", _cases(scored, missed)),
    ]
    says = ["The worst mistakes of the model on this history, with the features that moved each score most."]
    elapsed = scored.elapsed_us
    if elapsed is not None and slow:
        typical, rare = (float(np.quantile(elapsed, part)) for part in (0.5, 0.99))
        says.append(
            f"Scoring took {typical:,.1f} µs a payment for the typical one and {rare:,.1f} µs for one in a hundred."
        )
        told = [f"{float(elapsed[example.row]):,.1f} µs" for example in slow]
        sorts.append(Cases("Slowest to score", "One of each batch.", _cases(scored, slow, told)))
    yield Chapter("examples", "Worst and slowest", tuple(says), cases=tuple(sorts))


def _cases(scored: Scored, found: Sequence[Example], told: Sequence[str] = ()) -> tuple[Case, ...]:
    cases = []
    for place, (row, reasons) in enumerate(found):
        attempt = scored.attempts[row]
        merchant = scored.merchants.get(int(attempt["merchant"]), "")
        category = f"category {int(attempt['category']):04}" if attempt["category"] else ""
        facts = (
            wording.moment(int(attempt["time_s"])),
            f"card {wording.masked(scored.cards[int(attempt['card_row'])])}",
            merchant,
            category,
            f"scenario: {_label(scored.scenarios, row)}" if scored.scenarios and scored.is_fraud[row] else "",
            told[place] if told else "",
        )
        cases.append(
            Case(
                wording.money(int(attempt["amount_minor"]), scored.currency),
                " · ".join(fact for fact in facts if fact),
                f"{scored.scores[row]:.4f}",
                tuple(
                    Because(reason.contribution > 0, f"{reason.contribution:+.2f}", reason.text)
                    for reason in reasons
                ),
            )
        )
    return tuple(cases)


def _about(measured: _Measured) -> Iterator[Chapter]:
    scored = measured.scored
    facts = {
        "Model": scored.model,
        "Data": scored.data,
        "Step-up above": f"{scored.step_up:g}",
        "Decline above": f"{scored.decline:g}",
        "A wrong decline costs": wording.money(scored.costs.false_decline_minor, scored.currency),
        "Lost of a fraud let through": wording.share(scored.costs.fraud_loss_bp / 10_000),
        **scored.facts,
    }
    words = {
        "Average precision": "The mean share of fraud among all payments ranked at or above each fraud. 1 is perfect; "
        "chance gives the share of fraud in the traffic.",
        "CP@100": "Card precision: of the hundred cards with the highest scores of a day, the share defrauded that day.",
        "False positive": "A genuine payment that is stopped. The rate is their share of all genuine payments.",
        "Interval": "Wilson's 95 % interval: chance alone leaves the true share outside it one time in twenty.",
        "Precision": "Of what is stopped, the share that is fraud.",
        "Recall": "Of all fraud, the share that is stopped.",
        "Score": "The probability of fraud, 0 to 1, that the model gives a payment.",
        "1 % line": "The threshold that 1 % of all genuine payments of this history pass.",
    }
    yield Chapter(
        "about",
        "About this report",
        ("Fraud is what labels say. What nobody has found out counts as genuine.",),
        tables=(
            table("Model and data", ("What", "Value"), facts.items(), words=2),
            table("Words", ("Word", "Meaning"), words.items(), words=2),
        ),
    )


def _label(grouping: Grouping, row: int) -> str:
    code = int(grouping.codes[row])
    return grouping.labels[code] if code >= 0 else "not known"


def _lowered(title: str) -> str:
    return title[:1].lower() + title[1:]


def _share(hits: int, total: int) -> str:
    return wording.share(hits / total if total else None)


def _rate(rate: Rate) -> str:
    return wording.share(rate.share)


def _one_in(stopped: Stopped, everything: Stopped) -> str:
    return wording.one_in(stopped.genuine / everything.genuine)
