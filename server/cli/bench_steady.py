"""`holdfast bench away`, `kills` and `day`: what becomes of answers and money while neighbours fail, beside their bars."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from server.cli.bench_compliance import measure
from server.cli.desk import AsJson
from server.cli.output import fail, rows

app = typer.Typer()

Seed = Annotated[int, typer.Option(help="Chooses what is asked, and every moment of chance.")]


@app.command("away")
def bench_away(
    times: Annotated[int, typer.Option(min=1, help="How often the ledger is away.")] = 50,
    shortest: Annotated[float, typer.Option(help="The shortest absence, seconds.")] = 1.0,
    longest: Annotated[float, typer.Option(help="The longest absence, seconds.")] = 60.0,
    kinds: Annotated[
        str, typer.Option(help="How: stop, kill, blackhole, refuse, slow; several by commas.")
    ] = "stop,kill,blackhole,refuse,slow",
    replicas: Annotated[int, typer.Option(min=1, max=6, help="Replicas of the cluster; all are away.")] = 1,
    rate: Annotated[float, typer.Option(help="Questions a second.")] = 50.0,
    deadline_ms: Annotated[int, typer.Option(min=10, help="The server's deadline.")] = 300,
    cards: Annotated[int, typer.Option(min=1, help="Cards of the demo portfolio.")] = 10_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    Take the ledger away from a server of this command's own, again and again, while somebody asks at a fixed pace.

    A TigerBeetle cluster is started for it. How late answers come, how soon holds are made again, how long a hold
    stands that nobody was promised, and whether the books balance. The exit status is 1 where a bar is missed.
    """
    from server.cli.steady_away import AwayOptions, away_figures

    try:
        options = AwayOptions(
            times=times,
            shortest_s=shortest,
            longest_s=longest,
            replicas=replicas,
            kinds=tuple(kinds.split(",")),
            rate=rate,
            deadline_ms=deadline_ms,
            cards=cards,
            seed=seed,
        )
    except ValueError as error:
        fail(str(error))
    measure(lambda told: away_figures(options, told), "ledger away", as_json=as_json)


@app.command("kills")
def bench_kills(
    times: Annotated[int, typer.Option(min=1, help="Kills (SIGKILL) of each.")] = 200,
    of: Annotated[str, typer.Option(help="Who: core, front, worker, postgres; several by commas.")] = "core",
    fronts: Annotated[int, typer.Option(min=0, help="Fronts of the server, as `serve --fronts`.")] = 0,
    rate: Annotated[float, typer.Option(help="Questions a second.")] = 100.0,
    cards: Annotated[int, typer.Option(min=1, help="Cards of the demo portfolio.")] = 100_000,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    Kill processes of a server of this command's own, again and again, while somebody asks at a fixed pace.

    Questions without an answer are asked again under their key, until they have one. Nothing acknowledged may be lost,
    nothing held twice. The exit status is 1 where a bar is missed.
    """
    from server.cli.steady_kills import KillOptions, kill_figures

    try:
        options = KillOptions(
            times=times, of=tuple(of.split(",")), fronts=fronts, rate=rate, cards=cards, seed=seed
        )
    except ValueError as error:
        fail(str(error))
    measure(lambda told: kill_figures(options, told), "kills", as_json=as_json)


@app.command("day")
def bench_day(
    minutes: Annotated[float, typer.Option(help="How long the day is.")] = 60.0,
    every: Annotated[float, typer.Option(help="Seconds from one fault to the next.")] = 60.0,
    ledger: Annotated[str, typer.Option(help="tigerbeetle, or embedded.")] = "tigerbeetle",
    replicas: Annotated[int, typer.Option(min=1, max=6, help="Replicas of the cluster.")] = 3,
    fronts: Annotated[int, typer.Option(min=0, help="Fronts of the server, as `serve --fronts`.")] = 0,
    rate: Annotated[float, typer.Option(help="Questions a second.")] = 50.0,
    posture: Annotated[
        str | None,
        typer.Option(help="What is answered while the ledger is away: decline, network, stand-in."),
    ] = None,
    away_code: Annotated[
        str, typer.Option(help="What fronts answer while the core is away: 91 or N0.")
    ] = "91",
    patience_ms: Annotated[int, typer.Option(min=50, help="How long a question is asked again.")] = 1_000,
    machine_usd_h: Annotated[float, typer.Option(help="What the machine costs an hour, US dollars.")] = 0.1,
    seed: Seed = 1,
    as_json: AsJson = False,
) -> None:
    """
    Live through a day in short: somebody asks while parts are restarted and neighbours fail, one each minute.

    A question that finds no connection is asked again under its key; what has no answer when its patience is over
    counts against the server, as 91 and 96 do; N0 (the network stands in) does not. Processor time and bytes written of all processes are counted, the
    ledger's and PostgreSQL's too. The exit status is 1 where a bar is missed.
    """
    from server.cli.steady_day import DayOptions, day_figures

    try:
        options = DayOptions(
            minutes=minutes,
            every_s=every,
            ledger=ledger,
            replicas=replicas,
            fronts=fronts,
            rate=rate,
            posture=posture,
            away_code=away_code,
            patience_s=patience_ms / 1_000,
            machine_usd_h=machine_usd_h,
            seed=seed,
        )
    except ValueError as error:
        fail(str(error))
    measure(lambda told: day_figures(options, told), "a day in short", as_json=as_json, beside=_by_fault)


def _by_fault(details: Mapping[str, Any]) -> Any:
    lines = [(name, *sums.values()) for name, sums in details["by_fault"].items()]
    return rows("by fault", ("fault", "times", "asked until the next", "against us"), lines)
