"""`holdfast ledger`: the chart of accounts, and proofs that the books are right."""

import asyncio
import re
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Group
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from server.cli.desk import AsJson, Home, settings_of
from server.cli.output import FAILED, explained, facts, fail, rows, show, stderr

SETTLING_S: Final = 10
"""How far a cluster's clock, and its expiry of holds, may be from ours."""

SHOWN_MAX: Final = 20

app = typer.Typer(help="The books: their chart, and proofs that they are right.", no_args_is_help=True)


@app.callback()
def ledger() -> None:
    """The books: their chart, and proofs that they are right."""


@app.command("chart")
def chart(as_json: AsJson = False) -> None:
    """Print the chart of accounts: which accounts there are, how an id reads, and what each allows."""
    from ledger import chart as book
    from ledger.chart import AccountCode, TransferCode

    meanings = dict(re.findall(r"^ {4}(\w+) {2,}(\S.*)$", book.__doc__ or "", re.MULTILINE))
    accounts = [
        {
            "code": int(code),
            "account": code.name.lower(),
            "one_for": "holder" if code in book.HOLDER_CODES else "currency",
            "allows": _allows(book.FLAGS.get(code)),
            "meaning": meanings.get(code.name.lower(), ""),
        }
        for code in AccountCode
    ]
    transfers = [{"code": int(code), "transfer": code.name.lower()} for code in TransferCode]
    document = {
        "account_id": "hi = code << 32 | ISO 4217 number, lo = account number (1 for the house's own)",
        "accounts": accounts,
        "transfers": transfers,
    }

    def table() -> Group:
        return Group(
            rows(
                "accounts",
                ("code", "account", "one for each", "allows", "meaning"),
                [list(line.values()) for line in accounts],
            ),
            "",
            rows("transfers", ("code", "transfer"), [list(line.values()) for line in transfers]),
            "",
            f"An account's id: {document['account_id']}. There is one ledger for each currency.",
        )

    show(document, as_json=as_json, table=table)


def _allows(flags: Any) -> str:
    from ledger.transfer import AccountFlags

    match flags:
        case AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS:
            return "credit balance only"
        case AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS:
            return "debit balance only"
        case _:
            return "any balance"


@app.command("verify")
def verify(home: Home = None, as_json: AsJson = False) -> None:
    """
    Replay the whole history of the configured ledger by our rules, and compare every balance.

    An embedded ledger is read from a copy, so that its server may run meanwhile; a TigerBeetle cluster over the
    wire. The exit status is 1 where an account or a transfer differs.
    """
    from ledger.book import LedgerError

    settings = settings_of(home)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=stderr, transient=True) as progress:
            document = _verified(settings, progress)
    except (LedgerError, OSError) as error:
        fail(str(error))

    def table() -> Group:
        shown = {
            "read from": document["source"],
            "transfers replayed": f"{document['transfers']:,}",
            "accounts compared": f"{document['accounts'] - document['moving']:,}",
            "moved meanwhile, not compared": f"{document['moving']:,}",
            "accounts that differ": f"{document['differing']:,}",
            "refused by our rules": f"{document['refused']:,}",
            "the balances": "follow from the history" if document["sound"] else "DO NOT FOLLOW",
        }
        return Group(facts("ledger verify", shown), *_told(document["differences"]))

    show(document, as_json=as_json, table=table)
    if not document["sound"]:
        raise typer.Exit(FAILED)


def _verified(settings: Any, progress: Progress) -> dict[str, Any]:
    from ledger.beside import opened_copy
    from ledger.proof import Verification
    from ledger.proof import verify as verify_ledger
    from ledger.tigerbeetle import TigerBeetleLedger
    from server.settings import cluster_of

    began_ns = time.time_ns()
    step = progress.add_task("opening", total=None)
    first_ns: list[int] = []

    def told(transfers: int, stamp_ns: int) -> None:
        # How many there will be nobody knows; how far in time they reach, we do.
        first_ns.append(stamp_ns)
        progress.update(
            step,
            description=f"{transfers:,} transfers",
            total=max(1, began_ns - first_ns[0]),
            completed=stamp_ns - first_ns[0],
        )

    async def over_the_wire(cluster: tuple[int, list[str]]) -> Verification:
        opened = await TigerBeetleLedger.open(cluster[1], cluster[0])
        try:
            return await verify_ledger(
                opened, time.time_ns, settling_ns=SETTLING_S * 1_000_000_000, progress=told
            )
        finally:
            await opened.close()

    cluster = cluster_of(settings.ledger)
    if cluster is not None:
        source, found = settings.ledger, asyncio.run(over_the_wire(cluster))
    else:
        directory = settings.home / "ledger"
        source = f"a copy of {directory}"
        with ExitStack() as stack:
            # Its clock stands still: nothing times out while it is looked at.
            copy = stack.enter_context(opened_copy(directory, lambda: began_ns))
            found = asyncio.run(verify_ledger(copy, lambda: began_ns, progress=told))
    return {"source": source, "sound": found.is_sound, **asdict(found)}


@app.command("reconcile")
def reconcile(
    home: Home = None,
    repair: Annotated[
        bool,
        typer.Option("--repair", help="Void what nothing promises any more; the server must be stopped."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """
    Hold ledger, journal and PostgreSQL against each other, authorization by authorization.

    What drifts is named missing, double, amount or state, with what mends it. A running server does the same by
    itself, every `reconcile_s`. The exit status is 1 where anything drifts.
    """
    document = _reconciled(settings_of(home), repair=repair)

    def table() -> Group:
        shown = {
            "authorizations": f"{document['authorizations']:,}",
            "drifting": f"{len(document['drifting']):,}",
            "not looked at one by one": f"{document['more']:,}",
            "postgresql": document["postgresql"] or "compared",
            "transfers voided": f"{document['voided']:,}",
            "took": f"{document['took_s']:.1f} s",
        }
        lines = [
            [d["authorization_id"], d["kind"], d["against"], d["expected"], d["found"], d["mend"]]
            for d in document["drifting"]
        ]
        drift: list[Any] = []
        titles = ("authorization", "kind", "against", "should be", "is", "mend it")
        if lines:
            drift = ["", rows("drift", titles, lines)]
        return Group(facts("ledger reconcile", shown), *drift)

    show(document, as_json=as_json, table=table)
    if document["drifting"] or document["more"]:
        raise typer.Exit(FAILED)


def _reconciled(settings: Any, *, repair: bool) -> dict[str, Any]:
    from ledger.book import LedgerError
    from server.core.journal_reader import JournalCorrupt
    from server.core.snapshot import SnapshotUnreadable
    from server.reconciling import reconcile_home

    if not (settings.home / "journal.sqlite").exists():
        fail(f"there is no journal in {settings.home}: nothing was authorized there")
    try:
        report, voided = asyncio.run(reconcile_home(settings, repair=repair))
    except (LedgerError, JournalCorrupt, SnapshotUnreadable) as error:
        fail(str(error))
    drifting = [
        {
            "authorization_id": d.authorization_id,
            "kind": d.kind.name.lower(),
            "against": d.against,
            "expected": {
                "pending_minor": d.expected_pending_minor,
                "settled_minor": d.expected_settled_minor,
            },
            "found": {"pending_minor": d.found_pending_minor, "settled_minor": d.found_settled_minor},
            "mend": d.mend,
        }
        for d in report.drifting
    ]
    return {
        "authorizations": report.authorizations,
        "drifting": drifting,
        "more": report.more,
        "postgresql": report.postgresql,
        "voided": voided,
        "took_s": report.took_s,
    }


@app.command("conform")
def conform(
    file: Annotated[Path, typer.Argument(help="A recorded history (.npz).")],
    as_json: AsJson = False,
) -> None:
    """
    Run what a TigerBeetle server was once asked through the embedded books, and list what they answer differently.

    The file holds accounts, transfers, batch_sizes, results and accounts_after as TigerBeetle's own records, and may
    hold account_results and transfers_after. The exit status is 1 where anything differs.
    """
    document = _conformed(file)

    def table() -> Group:
        shown = {
            name.replace("_", " "): f"{value:,}" for name, value in document.items() if type(value) is int
        }
        shown["the answers"] = "are the server's" if document["conforms"] else "DIFFER"
        return Group(facts(str(file), shown), *_told(document["differences"]))

    show(document, as_json=as_json, table=table)
    if not document["conforms"]:
        raise typer.Exit(FAILED)


class NoRecording(Exception):  # noqa: N818 - told as what it is
    """The file can't be used; the text says why."""


@explained(NoRecording)
def _conformed(file: Path) -> dict[str, Any]:
    import zipfile

    import numpy as np

    from ledger.proof import RecordingUnreadable
    from ledger.proof import conform as conform_recording

    try:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise NoRecording(f"{file} holds one array; a recording is an .npz with several")
        with archive:
            recorded = {name: archive[name] for name in archive.files}
        found = conform_recording(recorded)
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise NoRecording(f"{file} can't be read as a recording: {error}") from error
    except RecordingUnreadable as error:
        raise NoRecording(f"{file} is no recording that can be run: {error}") from error
    return {"file": str(file), "conforms": found.conforms, **asdict(found)}


def _told(differences: list[dict[str, Any]]) -> list[Any]:
    if not differences:
        return []
    lines = [
        "; ".join(
            f"{name} {value['found']} instead of {value['expected']}"
            if isinstance(value, dict)
            else f"{name} {value}"
            for name, value in difference.items()
        )
        for difference in differences[:SHOWN_MAX]
    ]
    return ["", rows("the first differences", ("",), [[line] for line in lines])]
