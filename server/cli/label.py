"""`holdfast label`: what became known of authorizations, told to a running server, one or a file of them."""

import csv
import getpass
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from server.cli.calls import TARGET, AsJson, CallFailed, Peer, Target, Tls, as_document, call
from server.cli.output import FAILED, explained, fail, rows, show

VERDICTS: Final = ("fraud", "dispute", "false_positive")
COLUMNS: Final = ("authorization_id", "verdict", "learnt_time", "source", "reported_by", "report_id")
_REQUIRED: Final = COLUMNS[:2]
_AT_ONCE: Final = 1_000
_SHOWN_MAX: Final = 20
_SERVICE: Final = "FeedbackService"


class FileUnreadable(CallFailed):
    """The file holds no labels; the text says where and why."""


@explained(CallFailed)
def label(
    authorization_id: Annotated[
        str | None, typer.Argument(help="32 hexadecimal digits of the answer.")
    ] = None,
    verdict: Annotated[
        str | None, typer.Argument(help=f"One of {', '.join(VERDICTS)}; without it what was told is shown.")
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            help=f"CSV or Parquet with the columns {', '.join(COLUMNS)}; all but two may be absent."
        ),
    ] = None,
    learnt: Annotated[str, typer.Option(help="When it was learnt, ISO 8601 \\[now].")] = "",
    source: Annotated[str, typer.Option(help="Where it comes from, such as chargebacks.")] = "command line",
    by: Annotated[str, typer.Option(help="Who tells it; recorded \\[the user who runs this].")] = "",
    report_id: Annotated[str, typer.Option(help="The reporter's own number of it.")] = "",
    target: Target = TARGET,
    tls: Tls = None,
    as_json: AsJson = False,
) -> None:
    """
    Tell what became known of authorizations: confirmed fraud, disputes, and declines that were wrong.

    The last label of an authorization counts. The same one again changes nothing. Options fill in what a file's lines
    leave out. The exit status is 1 where a label was refused; the others are taken.
    """
    given = {
        "learnt_time": learnt,
        "source": source,
        "reported_by": by or getpass.getuser(),
        "report_id": report_id,
    }
    if (authorization_id is None) == (file is None):
        fail("give an authorization, or a file of labels with --file")
    if authorization_id is not None and verdict is None:
        _show_told(authorization_id, Peer(target, tls), as_json=as_json)
        return
    if file is None:
        lines: Iterable[dict[str, str]] = [
            {"authorization_id": authorization_id or "", "verdict": verdict or "", **given}
        ]
    else:
        lines = ({**given, **{k: v for k, v in line.items() if v}} for line in read_lines(file))
    document = _told(lines, Peer(target, tls))
    show(document, as_json=as_json, table=lambda: _table(document))
    if document["refused"]:
        raise typer.Exit(FAILED)


def _told(lines: Iterable[dict[str, str]], target: Peer) -> dict[str, Any]:
    """Tell these; how many were taken, and why others were not. Raises CallFailed, which says how far it came."""
    document: dict[str, Any] = {"labels": 0, "accepted": 0, "replayed": 0, "refused": []}
    try:
        for number, result in enumerate(_tell(lines, target), 1):
            document["labels"] = number
            document["accepted"] += result["accepted"]
            document["replayed"] += result["replayed"]
            if not result["accepted"]:
                refused = {name: result[name] for name in ("authorization_id", "errors")}
                document["refused"].append({"line": number, **refused})
    except CallFailed as error:
        if not document["labels"]:
            raise
        text = f"{error}\n{document['labels']:,} were told before. Tell the same file again: what is known stays as it is."
        raise CallFailed(text) from error
    return document


def read_lines(file: Path) -> Iterator[dict[str, str]]:
    """The labels of a CSV or Parquet file as texts by column. Raises FileUnreadable."""
    try:
        with file.open("rb") as opened:
            is_parquet = opened.read(4) == b"PAR1"
        if is_parquet:
            yield from _parquet(file)
            return
        with file.open(encoding="utf-8", newline="") as text:
            reader = csv.DictReader(text)
            _check_columns(file, reader.fieldnames or ())
            for line in reader:
                if None in line or None in line.values():
                    raise FileUnreadable(f"{file}: line {reader.line_num} has another number of columns")
                yield line
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FileUnreadable(f"{file} can't be read: {error}") from error


def _parquet(file: Path) -> Iterator[dict[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(file) as opened:
            _check_columns(file, opened.schema_arrow.names)
            for batch in opened.iter_batches(_AT_ONCE):
                for line in batch.to_pylist():
                    yield {name: _text(value) for name, value in line.items()}
    except pa.ArrowInvalid as error:
        raise FileUnreadable(f"{file} can't be read as Parquet: {error}") from error


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.replace(tzinfo=value.tzinfo or UTC).isoformat()
    return "" if value is None else str(value)


def _check_columns(file: Path, names: Iterable[str]) -> None:
    found = set(names)
    missing, unknown = set(_REQUIRED) - found, found - set(COLUMNS)
    if missing or unknown:
        told = f"lacks {sorted(missing)}" if missing else f"has columns that labels don't: {sorted(unknown)}"
        raise FileUnreadable(f"{file} {told}; the columns are {', '.join(COLUMNS)}, the first two required")


def _tell(lines: Iterable[dict[str, str]], target: Peer) -> Iterator[dict[str, Any]]:
    """The result of each line, in order; what is no label isn't sent."""
    from holdfast.v1 import feedback_pb2 as pb

    remaining = iter(lines)
    while some := list(islice(remaining, _AT_ONCE)):
        request = pb.LabelTransactionsRequest()
        results: list[dict[str, Any]] = []
        sent: list[int] = []
        for line in some:
            errors = _fill(request, line)
            if not errors:
                sent.append(len(results))
            results.append(
                {
                    "authorization_id": line["authorization_id"],
                    "accepted": False,
                    "replayed": False,
                    "errors": errors,
                }
            )
        if sent:
            answer = call(
                target, "LabelTransactions", request, pb.LabelTransactionsResponse, service=_SERVICE
            )
            for place, result in zip(sent, as_document(answer)["results"], strict=True):
                results[place] = result
        yield from results


def _fill(request: Any, line: dict[str, str]) -> list[dict[str, str]]:
    """Add a line to the request; what is wrong with it, and then nothing was added."""
    errors = []
    verdict = line["verdict"].strip().lower()
    if verdict not in VERDICTS:
        errors.append(
            {"field": "verdict", "description": f"must be one of {', '.join(VERDICTS)}, got {verdict!r}"}
        )
    learnt = None
    if line["learnt_time"]:
        try:
            learnt = datetime.fromisoformat(line["learnt_time"])
        except ValueError:
            text = f"must be a time in ISO 8601, such as 2026-01-31T12:00:00Z, got {line['learnt_time']!r}"
            errors.append({"field": "learnt_time", "description": text})
    if errors:
        return errors
    entry = request.labels.add(
        authorization_id=line["authorization_id"].strip(),
        verdict=VERDICTS.index(verdict) + 1,
        source=line["source"],
        reported_by=line["reported_by"],
        report_id=line["report_id"],
    )
    if learnt is not None:
        entry.learnt_time.FromDatetime(learnt.replace(tzinfo=learnt.tzinfo or UTC))
    return []


def _show_told(authorization_id: str, target: Peer, *, as_json: bool) -> None:
    from holdfast.v1 import feedback_pb2 as pb

    request = pb.ListLabelsRequest(authorization_id=authorization_id)
    document = as_document(call(target, "ListLabels", request, pb.ListLabelsResponse, service=_SERVICE))[
        "labels"
    ]
    columns = ("verdict", "learnt", "received", "source", "by", "report", "counts", "in features")
    lines = [
        (
            line["label"]["verdict"].removeprefix("VERDICT_").lower(),
            line["label"]["learnt_time"],
            line["received_time"],
            *(line["label"][name] for name in ("source", "reported_by", "report_id")),
            line["standing"],
            line["learnt"],
        )
        for line in document
    ]
    show(document, as_json=as_json, table=lambda: rows(f"labels of {authorization_id}", columns, lines))


def _table(document: dict[str, Any]) -> Any:
    from rich.console import Group

    refused = document["refused"]
    counts = [(document["labels"], document["accepted"], document["replayed"], len(refused))]
    told = rows("labels", ("told", "accepted", "of them known before", "refused"), counts)
    if not refused:
        return told
    lines = [
        (
            line["line"],
            line["authorization_id"],
            [f"{e['field']}: {e['description']}" for e in line["errors"]],
        )
        for line in refused[:_SHOWN_MAX]
    ]
    more = f" (the first {_SHOWN_MAX}; --json has all)" if len(refused) > _SHOWN_MAX else ""
    return Group(told, rows(f"refused{more}", ("line", "authorization", "why"), lines))
