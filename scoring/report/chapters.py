"""A report's chapters in reading order, the first and the last of them."""

from collections.abc import Callable, Iterator

import numpy as np

from scoring.evaluate import average_precision
from scoring.report import wording
from scoring.report.chapter import Chapter, Headline, Measured, measured, share_of
from scoring.report.comparison import against_rules, compared
from scoring.report.curve import Stopped, saved_minor
from scoring.report.fairness import fairness
from scoring.report.insight import features, worst
from scoring.report.performance import caught, money, most_saved, scores
from scoring.report.scored import Scored
from scoring.report.tables import table
from scoring.report.traffic import by_part, by_scenario, by_week


def chapters(scored: Scored) -> list[Chapter]:
    """The chapters of a scored history; what it doesn't carry has none."""
    counted = measured(scored)
    every: tuple[Callable[[Measured], Iterator[Chapter]], ...] = (
        _summary,
        caught,
        scores,
        money,
        compared,
        against_rules,
        by_scenario,
        by_part,
        by_week,
        fairness,
        features,
        worst,
        _about,
    )
    return [chapter for write in every for chapter in write(counted)]


def _summary(measured: Measured) -> Iterator[Chapter]:
    scored, everything = measured.scored, measured.everything
    declined, asked = measured.curve.above(scored.decline), measured.curve.above(scored.step_up)
    currency, times_s = scored.currency, scored.attempts["time_s"]
    first, last = wording.day(int(times_s[0])), wording.day(int(times_s[-1]))
    cards = len(np.unique(scored.attempts["card_row"]))
    expected = float(scored.scores.sum(dtype=np.float64))
    saved = wording.round_money(saved_minor(declined, asked, scored.costs), currency)
    at = measured.curve.allowing(0.001)
    yield Chapter(
        "summary",
        "In short",
        (
            *scored.cautions,
            (
                f"{scored.model} scored {wording.of(len(times_s), 'payment')} of {wording.of(cards, 'card')} from {first} "
                f"to {last}. {wording.count(everything.frauds)} of them were fraud, worth "
                f"{wording.round_money(everything.frauds_minor, currency)}."
            ),
            (
                f"Declining above {scored.decline:g} stops {share_of(declined.frauds, everything.frauds)} of the frauds "
                f"and {share_of(declined.frauds_minor, everything.frauds_minor)} of their money, and wrongly declines "
                f"{_wrongly(declined, everything)}."
            ),
            (
                f"Asking for proof above {scored.step_up:g} reaches {share_of(asked.frauds, everything.frauds)} of the "
                f"frauds and disturbs {_wrongly(asked, everything)}."
            ),
            f"Both together save {saved} after what wrong declines and step-ups cost; {most_saved(measured)}",
            (
                f"The scores add up to {expected:,.0f} expected frauds, where {wording.count(everything.frauds)} were "
                "found."
            ),
            *(_rule_sentence(measured, name) for name in measured.rules),
        ),
        headlines=(
            Headline(
                "Average precision",
                wording.number(average_precision(scored.is_fraud, scored.scores)),
                f"{wording.number(everything.frauds / len(times_s), 4)} by chance",
            ),
            Headline(
                "Fraud caught",
                share_of(at.frauds, everything.frauds),
                f"where {wording.round_share(0.001)} of genuine payments are stopped",
            ),
            Headline("Saved", saved, f"of {wording.round_money(everything.frauds_minor, currency)} of fraud"),
            Headline(
                "Genuine payments declined",
                wording.count(declined.genuine),
                f"of {wording.count(everything.genuine)}",
            ),
        ),
    )


def _wrongly(stopped: Stopped, everything: Stopped) -> str:
    """How many genuine payments are stopped, and how seldom."""
    told = wording.of(stopped.genuine, "genuine payment")
    return (
        f"{told}, {wording.one_in(stopped.genuine, everything.genuine)} of them" if stopped.genuine else told
    )


def _rule_sentence(measured: Measured, name: str) -> str:
    rule, everything = measured.rules[name], measured.everything
    own = measured.curve.allowing(rule.genuine / everything.genuine)
    return (
        f"The rule “{name}” stops {share_of(rule.frauds, everything.frauds)} of the frauds; disturbing no more genuine "
        f"payments, the model stops {share_of(own.frauds, everything.frauds)}."
    )


def _about(measured: Measured) -> Iterator[Chapter]:
    scored, costs = measured.scored, measured.scored.costs
    facts = {
        "Model": scored.model,
        "Data": scored.data,
        "Step-up above": f"{scored.step_up:g}",
        "Decline above": f"{scored.decline:g}",
        "A fraud that passes costs": f"{wording.round_share(costs.fraud_loss_share)} of its amount and "
        f"{wording.money(costs.chargeback_minor, scored.currency)}",
        "A wrong decline costs": f"{wording.round_share(costs.false_decline_share)} of its amount and "
        f"{wording.money(costs.false_decline_minor, scored.currency)}",
        "A wrong step-up costs": wording.money(costs.step_up_minor, scored.currency),
        "Fraud that proves itself": wording.round_share(costs.step_up_passed_share),
        **scored.facts,
    }
    yield Chapter(
        "about",
        "About this report",
        ("Fraud is what labels say. What nobody has found out counts as genuine. All times are UTC.",),
        tables=(
            table("Model and data", ("What", "Value"), facts.items(), words=2),
            table("Words", ("Word", "Meaning"), _WORDS.items(), words=2),
        ),
    )


_WORDS = {
    "Average precision": "The mean share of fraud among all payments ranked at or above each fraud. 1 is perfect; "
    "chance gives the share of fraud in the traffic.",
    "CP@100": "Card precision: of the hundred cards with the highest scores of a day, the share defrauded that day; "
    "the mean over the days. A card found once leaves the days after.",
    "Decline": "The payment is refused.",
    "Drift": "Population stability index: how far scores moved from the usual ones.",
    "False positive": "A genuine payment that is stopped. The rate is their share of all genuine payments.",
    "Interval": "Wilson's 95 % interval: chance alone leaves the true share outside it one time in twenty.",
    "Precision": "Of what is stopped, the share that is fraud.",
    "Recall": "Of all fraud, the share that is stopped.",
    "ROC AUC": "How often a fraud scores above a genuine payment, of all such pairs.",
    "Score": "The probability of fraud, 0 to 1, that the model gives a payment.",
    "Step-up": "The cardholder is asked to prove that it is really them.",
    "1 % line": "The threshold that 1 % of all genuine payments of this history pass.",
}
