"""`holdfast serve`: the server, from its start to the end of its drain."""

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.progress import Progress

from server.cli.output import explained, fail, say, stderr

DEMO_CARDS: Final = 10_000


def serve(
    demo: Annotated[bool, typer.Option("--demo", help="Fill in the demo portfolio.")] = False,
    cards: Annotated[
        int, typer.Option(min=1, max=100_000_000, help="Cards of the demo portfolio.")
    ] = DEMO_CARDS,
    host: Annotated[str | None, typer.Option(help="Address to serve on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="gRPC port [50051]; 0 takes a free one.")] = None,
    metrics_port: Annotated[int | None, typer.Option(help="Prometheus port [9464]; 0 for none.")] = None,
    home: Annotated[Path | None, typer.Option(help="Folder of all state [HOLDFAST_HOME or var].")] = None,
    fronts: Annotated[
        int | None, typer.Option(help="Processes that speak gRPC before the one core [0: the core's own].")
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure", help="Serve without TLS also beyond this machine: everybody may do everything."
        ),
    ] = False,
    clock: Annotated[str | None, typer.Option(help="service, or message for a replay of history.")] = None,
    comply: Annotated[
        bool, typer.Option("--comply", help="Start `holdfast comply` beside it, and again when it dies.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Start the server. Ctrl-C or SIGTERM drains it; what it has answered is on disk."""
    from pydantic import ValidationError

    from server.settings import Settings
    from server.telemetry import configure_logs

    configure_logs(verbose=verbose)
    given: dict[str, Any] = {
        "host": host,
        "port": port,
        "metrics_port": metrics_port,
        "home": home,
        "clock": clock,
        "fronts": fronts,
        "insecure": insecure or None,
    }
    try:
        settings = Settings(**{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        fail("; ".join(f"{'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()))
    run_server(settings, cards if demo else 0, comply=comply, verbose=verbose)


def run_server(settings: Any, demo_cards: int, *, comply: bool = False, verbose: bool = False) -> None:
    """Run until a signal; errors that a person can mend are told without a traceback."""
    import uvloop

    _take_in_keys(settings)
    if settings.fronts:
        _run_supervisor(settings, demo_cards, comply=comply, verbose=verbose)
        return

    from server.garbage import let_grow

    let_grow()  # before all that follows is imported

    from ledger.book import LedgerError
    from server.assembly import StartError
    from server.core.journal import JournalStopped
    from server.core.journal_reader import JournalCorrupt
    from server.core.snapshot import SnapshotUnreadable
    from server.front.certificates import DoorClosed
    from server.front.door import PortTaken
    from server.keys import KeysError
    from server.store.postgres import StoreError

    expected = (
        StartError, StoreError, LedgerError, KeysError, DoorClosed, PortTaken, JournalStopped, JournalCorrupt, SnapshotUnreadable,
    )  # fmt: skip

    @explained(*expected)
    def run() -> None:
        uvloop.run(_serve(_open_server(settings, demo_cards), demo=demo_cards > 0, comply=comply))

    run()


def _take_in_keys(settings: Any) -> None:
    from server.keys import KeysError, PanKey

    @explained(KeysError)
    def take_in() -> None:
        if PanKey(settings.home).take_in():
            stderr.print("the new PAN key is in use: cards move to it when they are next seen")

    take_in()


def _run_supervisor(settings: Any, demo_cards: int, *, comply: bool, verbose: bool) -> None:
    from server.child import ChildFailed
    from server.spread import PortClaimed
    from server.supervisor import Supervisor

    @explained(PortClaimed, ChildFailed)
    def run() -> None:
        supervisor = Supervisor(settings)
        opened = _open_supervisor(supervisor, demo_cards, verbose=verbose)
        asyncio.run(_serve(opened, demo=demo_cards > 0, comply=comply, kill=supervisor.kill))
        if supervisor.peaks:
            stderr.print(f"connections at the most: {supervisor.spread()}")

    run()


async def _serve(
    opened: Coroutine[Any, Any, Any],
    *,
    demo: bool,
    comply: bool,
    kill: Callable[[], None] = lambda: None,
) -> None:
    """Run what `opened` gives (settings, port, cards, failed, close) until a signal; `kill` what else runs for it."""
    from server.office.beside import Companion

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    opening = asyncio.ensure_future(opened)

    def stop(number: signal.Signals) -> None:
        if stopping.is_set() and number == signal.SIGINT:
            stderr.print("stopping at once")
            kill()
            os._exit(130)
        stopping.set()
        if not opening.done():
            opening.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    try:
        server = await opening
    except asyncio.CancelledError:
        stderr.print("stopped before it was ready")
        return

    async def attend() -> None:
        await _greet(server, demo=demo, comply=comply)
        await (Companion(server.settings.home, stderr.print).run() if comply else stopping.wait())

    waiting, attending = asyncio.ensure_future(stopping.wait()), asyncio.ensure_future(attend())
    try:
        await asyncio.wait((waiting, attending, server.failed), return_when=asyncio.FIRST_COMPLETED)
        if attending.done():
            attending.result()
    finally:
        stderr.print("draining")
        waiting.cancel()
        attending.cancel()
        await asyncio.gather(waiting, attending, return_exceptions=True)
        await server.close()
    if server.failed.done():
        server.failed.result()
    stderr.print("stopped")


async def _open_server(settings: Any, demo_cards: int) -> Any:
    from server.assembly import Server
    from server.garbage import settle

    with Progress(console=stderr, transient=True) as progress:
        step = progress.add_task("starting", total=None)

        async def populate(portfolio: Any) -> None:
            filling = progress.add_task("demo portfolio", total=demo_cards)
            await portfolio.ensure_demo(
                demo_cards, lambda done, total: progress.update(filling, completed=done, total=total)
            )

        server = await Server.open(
            settings,
            populate=populate if demo_cards else None,
            told=lambda text: progress.update(step, description=text),
        )
        settle()
        return server


async def _open_supervisor(supervisor: Any, demo_cards: int, *, verbose: bool) -> Any:
    with Progress(console=stderr, transient=True) as progress:
        step = progress.add_task("starting", total=None)

        def heard(said: dict[str, Any]) -> None:
            if "told" in said:
                progress.update(step, description=said["told"])
            elif "of" in said:
                progress.update(step, description="demo portfolio", completed=said["cards"], total=said["of"])

        await supervisor.open(demo_cards, heard, verbose=verbose)
    return supervisor


async def _greet(server: Any, *, demo: bool, comply: bool) -> None:
    """Say where the server is; with the demo, show what is sent to itself, and how to send more."""
    target = f"{server.settings.host}:{server.port}"
    secure = server.settings.tls_certificate is not None
    speaking = ", in TLS to those whom its clients' file names" if secure else ""
    say(f"[bold]holdfast[/] answers on {target} with {server.cards:,} cards{speaking}")
    if server.settings.metrics_port:
        say(f"metrics on http://{server.settings.metrics_host}:{server.settings.metrics_port}/metrics")
    if demo and not secure:
        from server.cli.greeting import demonstrate, tell_stories

        await demonstrate(target)
        if comply:
            await tell_stories(target, server.settings)
    say("Ctrl-C stops it")
