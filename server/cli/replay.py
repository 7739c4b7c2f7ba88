"""`holdfast replay`: a recorded history through a server, and whether the books balance after it."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from server.cli.calls import minor_units
from server.cli.output import FAILED, explained, facts, fail, show, stderr

CONNECT_TIMEOUT_S: Final = 30.0
_DAY_S: Final = 86_400
RECONNECT_TIMEOUT_S: Final = 60.0
"""How long a killed server may take to answer again, recovery included."""


class ReplayEnded(RuntimeError):  # noqa: N818 - told as what it is
    """The replay could not be finished; the text says why."""


@explained(ReplayEnded)
def replay(
    file: Annotated[Path, typer.Argument(help="A Sparkov or Handbook file (Parquet).")],
    target: Annotated[str | None, typer.Option(help="A running server; else one is started for it.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first rows, in time order.")] = None,
    funding: Annotated[
        str | None, typer.Option(help="Open every card with so much USD; else with what its file spends.")
    ] = None,
    customers: Annotated[
        Path | None, typer.Option(help="Sparkov's customers; else sparkov_customers.csv beside the file.")
    ] = None,
    home: Annotated[
        Path | None, typer.Option(help="Keep the started server's state here; else it is thrown away.")
    ] = None,
    kills: Annotated[
        int, typer.Option(min=0, help="Kill the started server (SIGKILL) so many times meanwhile.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Chooses the moments of the kills.")] = 1,
    label_delay_days: Annotated[
        float | None, typer.Option(min=0, help="Tell its frauds as labels, each so many days after.")
    ] = None,
    check_features: Annotated[
        bool, typer.Option(help="Compare what the server computed of each row with training's own path.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """
    Send a recorded history through one link, in its own order and time; say what was answered, and check the books.

    Without --target a server of its own is started, with a card for everyone in the file, and stopped afterwards; then
    its ledger and its journal are compared. The exit status is 1 where the books do not balance, an answer was lost, a
    repeat got another answer than the first, a label was refused, or a checked feature or score is another.
    """
    from loadtest.histories import customers_beside, read_history, read_holders
    from loadtest.labelling import Labelling
    from scoring.history import HistoryError

    if target is not None and (home is not None or kills or funding is not None or check_features):
        fail(
            "--home, --kills, --funding and --check-features are for a server of the replay's own: leave --target out"
        )
    funding_minor = None if funding is None else minor_units(funding, "USD")
    try:
        with stderr.status(f"reading {file.name}"):
            history = read_history(file, limit)
            if customers is None and history.name == "sparkov":
                customers = customers_beside(file)
            holders = read_holders(history, customers, funding_minor)
    except (HistoryError, OSError) as error:
        raise ReplayEnded(str(error)) from error
    labelling = None
    if label_delay_days is not None:
        labelling = Labelling(history, round(label_delay_days * _DAY_S))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=stderr, transient=True) as progress:
        if target is not None:
            document = _drive(history, labelling, target, progress)
        else:
            seen = (file, customers, label_delay_days) if check_features else None
            document = _at_home(history, labelling, holders, home, kills, seed, seen, progress)
    document["labels"] = None if labelling is None else labelling.summary()
    show(document, as_json=as_json, table=lambda: _tables(document))
    books = document["books"]
    refused = labelling is not None and labelling.refused
    parity = document["parity"]
    other = parity is not None and (parity["rows_with_other_features"] or parity["rows_with_other_scores"])
    if (books is not None and not books["sound"]) or document["mismatched"] or refused or other:
        raise typer.Exit(FAILED)


def _drive(history: Any, labelling: Any, target: str, progress: Progress) -> dict[str, Any]:
    """What a running server answers; its books are its own."""
    from loadtest.replay import summarize

    return {
        **summarize(history, _answers(history, labelling, target, progress, RECONNECT_TIMEOUT_S)),
        "server": None,
        "books": None,
        "parity": None,
    }


def _at_home(
    history: Any,
    labelling: Any,
    holders: Any,
    home: Path | None,
    kills: int,
    seed: int,
    seen: tuple[Path, Path | None, float | None] | None,
    progress: Progress,
) -> dict[str, Any]:
    """
    What a server of our own answers, killed `kills` times meanwhile, and what its books say after it.

    `seen` is what `parity.compare` takes: then features and scores are compared with training's.
    """
    from ledger.book import LedgerError
    from loadtest.kills import Kills
    from loadtest.processes import ServerFailed, scratch
    from loadtest.replay import summarize
    from server.cli.balance import BooksUnknown, examine
    from server.cli.own_server import OwnServer, make_portfolio
    from server.cli.parity import compare
    from server.core.journal_reader import JournalCorrupt
    from server.keys import KeysError
    from server.store.postgres import StoreError

    with ExitStack() as stack:
        folder = stack.enter_context(scratch("replay"))
        place = home or folder / "home"
        place.mkdir(parents=True, exist_ok=True)
        step = progress.add_task("issuing cards", total=len(holders))
        try:
            make_portfolio(place, holders, lambda made: progress.update(step, completed=made))
            progress.update(step, description="starting the server", total=None)
            server = stack.enter_context(OwnServer(place, folder))
            progress.remove_task(step)
            deaths = stack.enter_context(Kills(kills, len(history), server.die, seed))
            try:
                patience_s = RECONNECT_TIMEOUT_S if kills else 0.0
                answers = _answers(history, labelling, server.target, progress, patience_s, deaths.heard)
            except ReplayEnded as error:
                raise ReplayEnded(f"{error}\n{server.last_words()}".strip()) from error
            deaths.end()
            step = progress.add_task("stopping the server", total=None)
            server.stop()
            progress.update(step, description="comparing ledger and journal")
            told = answers.authorization_id.any(axis=1)
            books = examine(
                place, answers.authorization_id[told], answers.code[told], answers.approved_minor[told]
            )
            progress.update(step, description="computing features as training does")
            parity = None if seen is None else compare(place, *seen)
        except (ServerFailed, StoreError, KeysError, LedgerError, JournalCorrupt, BooksUnknown) as error:
            raise ReplayEnded(str(error)) from error
    return {
        **summarize(history, answers),
        "server": {"kills": deaths.done, "memory_peak_bytes": server.memory_peak_bytes},
        "books": books,
        "parity": parity,
    }


def _answers(
    history: Any,
    labelling: Any,
    target: str,
    progress: Progress,
    patience_s: float,
    heard: Callable[[int], None] = lambda _answered: None,
) -> Any:
    """
    Replays the history; `heard` is told how many rows are answered.

    A server that is away for longer than `patience_s` ends it: raises ReplayEnded.
    """
    from loadtest.replay import Pace, Replay, ReplayFailed

    step = progress.add_task("replaying", total=len(history))

    def told(answered: int, _rows: int) -> None:
        progress.update(step, completed=answered)
        heard(answered)

    pace = Pace(connect_timeout_s=CONNECT_TIMEOUT_S, reconnect_timeout_s=patience_s)
    try:
        return Replay(history, target, pace=pace, labelling=labelling, progress=told).run()
    except ReplayFailed as error:
        raise ReplayEnded(str(error)) from error


def _tables(document: dict[str, Any]) -> Group:
    from loadtest.report import replay_table

    if document["books"] is None:
        return Group(
            replay_table(document), "The books were not looked at: the server is not this command's."
        )
    books, server = document["books"], document["server"]
    peak = server["memory_peak_bytes"]
    lines = {
        "the books": "balance" if books["sound"] else "DO NOT BALANCE",
        **{
            f"{currency}, debits = credits": ", ".join(
                f"{kind} {sums[f'debits_{kind}']:,} = {sums[f'credits_{kind}']:,}"
                for kind in ("posted", "pending")
            )
            for currency, sums in books["totals"].items()
        },
        "authorizations": f"{books['authorizations']:,}, of which approved {books['approvals']:,}",
        "holds that stand": f"{books['holds']:,}",
        **{name.replace("_", " "): f"{count:,}" for name, count in books["faults"].items()},
        "answers lost": f"{books['answers_lost']:,}",
        "kills": server["kills"],
        "memory of the server, peak": None if peak is None else f"{peak / 2**20:,.0f} MiB",
    }
    return Group(replay_table(document), facts("its ledger and its journal", lines))
