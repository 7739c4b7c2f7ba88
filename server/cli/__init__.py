"""
The command line `holdfast`.

Floor plan, in reading order:

__main__     `python -m server.cli`
serve        the server, from its start to the end of its drain
greeting     what a newcomer sees when the demo is ready
calls        commands that talk to a running server: authorize, reverse, explain
bench        the server beside an empty one, measured in turns
output       tables for people, one JSON document for programs, errors that say what to do next
"""

import os

import typer

from server.cli import bench, calls, serve

app = typer.Typer(
    name="holdfast",
    help="An issuer's card authorization server: answered in milliseconds, held in a double-entry ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(calls.authorize)
app.command()(calls.reverse)
app.command()(calls.explain)
app.command()(bench.bench)


def main() -> None:
    """Run the command line."""
    # Programs that we start (PostgreSQL's) are not forked copies of us that go on using gRPC.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    app()
