"""The golden cases, by the rules alone and by models that lie and obey."""

import asyncio
import json

import pytest
from typer.testing import CliRunner

from compliance.analyst.by_rules import from_rules
from compliance.analyst.golden import golden_cases, score
from compliance.results import DutyKind
from server.cli import app


def test_the_golden_cases_cover_every_duty_and_cases_where_none_is_due():
    """At least forty, each name once; only Regulation E's errors are no transfer's own."""
    cases = golden_cases()
    kinds = {expected.kind for case in cases for expected in case.expected}
    assert len(cases) >= 40
    assert len({case.name for case in cases}) == len(cases)
    assert kinds == set(DutyKind) - {DutyKind.ERROR_RESOLUTION}
    assert sum(not case.expected for case in cases) >= 10


def test_the_floor_holds_on_rules_alone():
    """85 % of duties right, under 15 % raised falsely, and every tier."""

    async def analyse(*given):
        return from_rules(*given)

    total = asyncio.run(score(golden_cases(), analyse))
    assert total.holds, total.differences
    assert total.tiers_wrong == 0, total.differences


def test_the_floor_falls_when_nothing_is_raised():
    """An analysis without duties is told apart."""

    async def analyse(dossier, assessment, hits, passages):
        import dataclasses

        return dataclasses.replace(from_rules(dossier, assessment, hits, passages), duties=())

    total = asyncio.run(score(golden_cases(), analyse))
    assert (total.right_share, total.holds) == (0.0, False)


def test_the_command_prints_the_table_as_one_document():
    """Status 0 where the floor holds."""
    done = CliRunner().invoke(app, ["comply", "evaluate", "--rules", "--json"])
    document = json.loads(done.stdout)
    assert (done.exit_code, document["holds"], document["by"]) == (0, True, "rules alone")
    assert {row["duty"] for row in document["duties"]} >= {"ctr", "sar", "travel_rule"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--model", "some"], "HOLDFAST_COMPLIANCE_MODEL_API_KEY"),
        (["--prompt", "/nowhere/prompt.txt"], "--prompt /nowhere/prompt.txt"),
    ],
)
def test_the_command_names_what_is_missing(arguments, said):
    """Before anything is asked."""
    done = CliRunner().invoke(app, ["comply", "evaluate", *arguments])
    assert done.exit_code == 1
    assert said in done.stderr
