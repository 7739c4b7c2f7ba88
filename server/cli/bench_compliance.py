"""`holdfast bench aml` and what else of compliance is measured: each figure beside its bar."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Group

from server.cli.desk import AsJson
from server.cli.output import FAILED, facts, fail, rows, show, steps

app = typer.Typer()

Told = Callable[[str], None]


@app.command("aml")
def bench_aml(
    data: Annotated[Path, typer.Option(help="Folder of AMLSim's runs, as .tgz.")] = Path(
        "../shared/data/aml"
    ),
    as_json: AsJson = False,
) -> None:
    """
    Measure how well laundering patterns are found: precision and recall per node, beside counting degrees.

    The exit status is 1 where counting degrees does as well.
    """
    from loadtest.aml_bench import aml_figures

    measure(lambda told: aml_figures(data, told), "aml bench", as_json=as_json, beside=_per_node)


@app.command("screening")
def bench_screening(
    data: Annotated[
        Path, typer.Option(help="Folder of the lists and portfolios: sanctions/, fraud/.")
    ] = Path("../shared/data"),
    as_json: AsJson = False,
) -> None:
    """
    Measure screening: names a second and p99, UN names with typing errors found, ordinary names met falsely.

    The exit status is 1 where a bar is missed.
    """
    from loadtest.screening_bench import screening_figures

    measure(lambda told: screening_figures(data, told), "screening bench", as_json=as_json)


@app.command("audit")
def bench_audit(
    parts: Annotated[
        list[str] | None,
        typer.Option("--part", help="speed, append or tampering; again for more. Without it, all."),
    ] = None,
    row_count: Annotated[int, typer.Option("--rows", min=1_000, help="Rows that are verified.")] = 500_000,
    tamperings: Annotated[int, typer.Option(min=1, help="Of each kind.")] = 1_000,
    as_json: AsJson = False,
) -> None:
    """
    Measure the audit log in a home that is thrown away: rows verified a second, and what was tampered with.

    A tampering counts where it is found with its place. The exit status is 1 where a bar is missed.
    """
    from loadtest.audit_bench import PARTS, AuditOptions

    try:
        options = AuditOptions(tuple(parts or PARTS), row_count, tamperings)
    except ValueError as error:
        fail(str(error))
    measure(lambda told: asyncio.run(_audit_figures(options, told)), "audit bench", as_json=as_json)


async def _audit_figures(options: Any, told: Told) -> dict[str, Any]:
    from compliance.audit.copies import Copies
    from compliance.audit.signing import Signer
    from loadtest.audit_bench import Workshop, audit_figures
    from loadtest.processes import scratch
    from server.store.database import Database

    with scratch("bench") as home:
        async with Database.at(home, None) as database:
            shop = Workshop(database, Signer.open(home / "keys"), Copies(home / "checkpoints"))
            return await audit_figures(shop, options, told)


@app.command("policies")
def bench_policies(
    data: Annotated[Path, typer.Option(help="The works to import.")] = Path("../shared/data/policy"),
    questions: Annotated[
        Path, typer.Option(help="Questions with the sections that answer them, JSON.")
    ] = Path("tests/compliance/policies/questions.json"),
    as_json: AsJson = False,
) -> None:
    """
    Measure the policy library in a home that is thrown away: questions answered by five passages, and how soon.

    By full text alone. What was missed is in the JSON. The exit status is 1 where a bar is missed.
    """
    measure(
        lambda told: asyncio.run(_policy_figures(data, questions, told)), "policies bench", as_json=as_json
    )


async def _policy_figures(data: Path, questions: Path, told: Told) -> dict[str, Any]:
    from loadtest.policies_bench import policy_figures, questions_of
    from loadtest.processes import scratch
    from server.store.database import Database

    asked = questions_of(questions)
    with scratch("bench") as home:
        async with Database.at(home, None) as database:
            return await policy_figures(database, data, asked, told)


@app.command("rules")
def bench_rules(
    seconds: Annotated[float, typer.Option(min=0.3, max=600, help="How long.")] = 15.0,
    seed: Annotated[int, typer.Option(help="Of the made-up customers.")] = 1,
    as_json: AsJson = False,
) -> None:
    """
    Measure how many dossiers the rules assess a second, on one core; the slowest of three runs.

    The exit status is 1 where the bar is missed.
    """
    from loadtest.rules_bench import rule_figures

    measure(lambda told: rule_figures(seconds, seed, told), "rules bench", as_json=as_json)


def measure(
    work: Callable[[Told], dict[str, Any]],
    title: str,
    *,
    as_json: bool,
    beside: Callable[[Mapping[str, Any]], Any] | None = None,
) -> None:
    """Run a measurement whose document holds `figures`, `details` and `passes`; show it; exit 1 where a bar is missed."""
    with steps(OSError, RuntimeError, ValueError) as told:
        document = work(told)

    def table() -> Group:
        lines = [
            (
                f["part"],
                f["name"],
                f.get("reason", f["value"]),
                f["bar"],
                f["unit"],
                "pass" if f["passes"] else "MISS",
            )
            for f in document["figures"]
        ]
        parts = [rows(title, ("part", "figure", "value", "bar", "unit", ""), lines)]
        if beside is not None:
            parts.append(beside(document["details"]))
        return Group(*parts)

    show(document, as_json=as_json, table=table)
    if not document["passes"]:
        raise typer.Exit(FAILED)


def _per_node(details: Mapping[str, Any]) -> Any:
    lines = [
        (graph, name.replace("_", " "), *figures.values())
        for graph, found in details.items()
        for name, figures in (
            ("patterns", found["patterns"]),
            ("counting degrees", found["counting_degrees"]),
            *found["by_pattern"].items(),
        )
    ]
    return rows("per node", ("graph", "by", "found", "precision", "recall", "F1"), lines)


def _killed(details: Mapping[str, Any]) -> Any:
    return facts(
        "after the kills", {**details, "kills": [f"{n} of {what}" for what, n in details["kills"].items()]}
    )


@app.command("compliance")
def bench_compliance(
    transfers: Annotated[int, typer.Option(min=100, help="Flagged transfers of each measurement.")] = 10_000,
    rate: Annotated[float, typer.Option(min=1, help="Authorizations a second meanwhile.")] = 300.0,
    seconds: Annotated[float, typer.Option(min=1, help="Length of one measurement of latency.")] = 8.0,
    rounds: Annotated[int, typer.Option(min=1, help="With and without the worker, in turns.")] = 5,
    kills: Annotated[
        int, typer.Option(min=0, help="Instead: so many kill -9, half of the worker, half of PostgreSQL.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Of the kills.")] = 1,
    as_json: AsJson = False,
) -> None:
    """
    Measure the compliance worker beside a running server: its rate on rules, with an instant model, and authorization's p99.

    With --kills: whether every flagged transfer has exactly one case after all of them. The exit status is 1 where a bar is missed.
    """
    if kills:
        from server.cli.review_kills import kill_figures

        measure(
            lambda told: kill_figures(kills, seed, told), "compliance bench", as_json=as_json, beside=_killed
        )
        return
    from server.cli.bench_review import ReviewOptions, review_figures

    options = ReviewOptions(transfers=transfers, rate=rate, seconds=seconds, rounds=rounds)
    measure(lambda told: review_figures(options, told), "compliance bench", as_json=as_json)
