"""`holdfast comply evaluate`: how well the rules, or a model under them, meet the golden cases."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home
from server.cli.office import Office, at_office
from server.cli.output import FAILED, fail, rows, say, show


def evaluate(
    model: Annotated[
        str | None, typer.Option(help="A model to ask [HOLDFAST_COMPLIANCE_MODEL]; empty for rules alone.")
    ] = None,
    base_url: Annotated[
        str | None, typer.Option(help="Its OpenAI-compatible endpoint [HOLDFAST_COMPLIANCE_MODEL_BASE_URL].")
    ] = None,
    prompt: Annotated[
        Path | None, typer.Option(help="A file with another task text, to compare with ours.")
    ] = None,
    rules_alone: Annotated[
        bool, typer.Option("--rules", help="Ask no model, whatever the settings say.")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="Ask again where an answer is kept.")] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Score the golden cases and print the table; status 1 where the floor (85 % right, under 15 % false) falls."""
    from compliance.analyst.golden import FALSE_MAX, RIGHT_MIN

    config = _config(model, base_url, prompt)
    if rules_alone or not config.is_set:
        total = asyncio.run(_by_rules())
        who = "rules alone"
    else:
        total = at_office(home, "work_cases", lambda office: _by_model(office, config, again=again))
        who = f"{config.model}, prompt {config.prompt_version}"
    show(
        _document(total, who),
        as_json=as_json,
        table=lambda: rows(
            f"Golden cases: {total.cases}, {who}",
            ("duty", "due", "right", "raised", "falsely"),
            _lines(total),
        ),
    )
    if not as_json:
        say(
            f"right {total.right_share:.1%} (floor {RIGHT_MIN:.0%}), raised falsely {total.false_share:.1%}"
            f" (under {FALSE_MAX:.0%}), tiers wrong {total.tiers_wrong}, claims struck {total.struck},"
            f" cost {total.cost_micro_usd / 1e6:.4f} USD, by "
            + ", ".join(f"{origin} {count}" for origin, count in sorted(total.origins.items()))
        )
        for difference in total.differences:
            say(difference, markup=False)
    if not total.holds:
        raise typer.Exit(FAILED)


def _config(model: str | None, base_url: str | None, prompt: Path | None) -> Any:
    import dataclasses

    from pydantic import ValidationError

    from server.office.settings import OfficeSettings

    try:
        config = OfficeSettings().analyst
        task = "" if prompt is None else prompt.read_text("utf-8")
    except ValidationError as error:
        fail("; ".join(f"compliance_{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()))
    except (OSError, UnicodeDecodeError) as error:
        fail(f"--prompt {prompt}: {error}")
    if prompt is not None and not task.strip():
        fail(f"--prompt {prompt}: the file is empty")
    config = dataclasses.replace(
        config,
        task=task,
        model=config.model if model is None else model,
        base_url=config.base_url if base_url is None else base_url,
    )
    if model and not config.is_set:
        fail("--model needs HOLDFAST_COMPLIANCE_MODEL_API_KEY, or --base-url of an endpoint without keys")
    return config


async def _by_rules() -> Any:
    from compliance.analyst.by_rules import from_rules
    from compliance.analyst.golden import golden_cases, score

    async def analyse(*given: Any) -> Any:
        return from_rules(*given)

    return await score(golden_cases(), analyse)


async def _by_model(office: Office, config: Any, *, again: bool) -> Any:
    from datetime import UTC, datetime

    from compliance.analyst.analyst import Analyst
    from compliance.analyst.golden import golden_cases, score

    analyst = Analyst(office.database, config, lambda: datetime.now(UTC))

    async def analyse(*given: Any) -> Any:
        return await analyst.analyse(*given, force=again)

    try:
        return await score(golden_cases(), analyse)
    finally:
        await analyst.close()


def _lines(total: Any) -> list[tuple[str, int, int, int, int]]:
    kinds = sorted({*total.expected, *total.raised})
    return [
        (kind, total.expected[kind], total.right[kind], total.raised[kind], total.false[kind])
        for kind in kinds
    ]


def _document(total: Any, who: str) -> dict[str, Any]:
    return {
        "by": who,
        "cases": total.cases,
        "right_share": round(total.right_share, 4),
        "false_share": round(total.false_share, 4),
        "holds": total.holds,
        "tiers_wrong": total.tiers_wrong,
        "struck": total.struck,
        "cost_micro_usd": total.cost_micro_usd,
        "origins": dict(total.origins),
        "duties": [
            dict(zip(("duty", "due", "right", "raised", "falsely"), line, strict=True))
            for line in _lines(total)
        ],
        "differences": total.differences,
    }
