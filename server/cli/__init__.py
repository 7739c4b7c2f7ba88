"""
The command line `holdfast`.

Floor plan, in reading order:

__main__     `python -m server.cli`
serve        the server, from its start to the end of its drain
compiling    what a first start would compile, beforehand
greeting     what a newcomer sees when the demo is ready
replay       a recorded history through a server, and whether the books balance after it
parity       whether a replay's server saw the history as training does
own_server   a server of a replay's own: its portfolio, its process, its deaths and its end
backtest     a past decided again, with other limits, thresholds or another model
again        both sides of that: how decisions are made, and would be; what changes
past         a past as that takes it: a file, or what a home decided
limits_file  the limits to try, as a TOML file
evaluate     what a model makes of a labelled history
report       the report of an evaluation: which models, which currency, which costs
train        a labelled history in, a model with its manifest out; once, or whenever it is due
schedule     training again when it is due
registry     models: added, proposed, approved, rolled back, compared
bench        the server beside an empty one, measured in turns; the ledgers, each figure beside its bar
bench_path   latency at which load, open loop, beside an empty server and a rival
bench_steady  the ledger away, processes killed, a day in short: answers and money meanwhile, beside their bars
steady_day  a day in short: restarts and single faults, one each minute, and what an authorization costs
steady_kills  processes of a server killed again and again, while somebody asks
steady_away  the ledger away again and again, while somebody asks
trial        the server of those: its processes by what they do, what they spend, its books after it
balance      whether the books of a stopped server balance: its ledger against its journal
bench_compliance  screening, patterns, the audit log and the worker, each figure beside its bar
bench_scale  a directory of ten million cards, memory over ten million requests, each figure beside its bar
directory_figures  the first of those
bench_review  flagged transfers worked through beside a server under load
review_kills  the compliance worker and PostgreSQL, killed while transfers come
flagged_past  transfers that compliance is measured on
customers    add, show, and set what is known of them
cards        issue, list, show, freeze and unfreeze
accounts     open, show, statement, limit, close
transfers    create, list, show, decide, reverse
rates        import and show exchange rates
programmes   what is answered while the ledger is away: list, posture, history, what stood in
limits       what programmes, accounts and cards may use: set, list, move on, remove
rules        what declines, steps up or flags beside the score: add, shadow, live, retire
blocks       block lists: add, lift, list
ledger       the chart of accounts, and proofs that the books are right
countries    lists of high-risk and sanctioned countries
keys         certificates for development: an authority, a server's, clients'; the PAN key's rotation
disputes     errors that consumers told of, with the clocks of Regulation E
label        what became known of authorizations: one told, a file of them, what was told
cases        cases of compliance: listed, worked on, decided; everything on record
cases_record  what goes on with them, and what is on record: watch, trail, analyse
cases_desk   how those reach the desk, and what they take
cases_tables  how those are printed
profiles     what filings ask of a customer: set and show
filings      reports to FinCEN and OFAC: due, prepare, edit, approve, export, acknowledge, validate
calls        commands that talk to a running server: authorize, increment, reverse, clear, explain
comply       the compliance worker, and what waits for it
audit        the audit log: verify, list, show, prove, checkpoint, export
retention    what is too old deleted; legal holds placed, lifted, listed
golden       how well the rules, or a model under them, meet the golden cases
summary      what compliance flagged, reviewed and decided, by the day
patterns     laundering patterns in a whole graph of transfers
sanctions    sanctions lists: import, list, changes, matches, exceptions
screen       a name, or a file of them, held against the sanctions lists
policies     the policy library: import, list, show, search, withdraw
office       how commands of compliance reach this home: who acts, and whether they may
desk         what those share: the store of this home, opened for one command
people       who makes a change
output       tables for people, one JSON document for programs, errors that say what to do next
"""

import os
import signal

import typer

from server.cli import (
    accounts,
    audit,
    backtest,
    bench,
    blocks,
    calls,
    cards,
    cases,
    compiling,
    comply,
    countries,
    customers,
    disputes,
    evaluate,
    filings,
    keys,
    label,
    ledger,
    limits,
    patterns,
    policies,
    profiles,
    programmes,
    rates,
    registry,
    replay,
    retention,
    rules,
    sanctions,
    screen,
    serve,
    train,
    transfers,
)
from server.compiled import keep_compiled
from server.undumpable import refuse_dumps

app = typer.Typer(
    name="holdfast",
    help="An issuer's card authorization server: answered in milliseconds, held in a double-entry ledger.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command("compile")(compiling.compile_kernels)
app.command()(calls.authorize)
app.command()(calls.increment)
app.command()(calls.reverse)
app.command()(calls.clear)
app.command()(calls.explain)
app.command()(label.label)
app.command()(replay.replay)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.command()(backtest.backtest)
app.command()(patterns.patterns)
app.add_typer(bench.app, name="bench")
app.add_typer(customers.app, name="customers")
app.add_typer(cards.app, name="cards")
app.add_typer(accounts.app, name="accounts")
app.add_typer(transfers.app, name="transfers")
app.add_typer(rates.app, name="rates")
app.add_typer(programmes.app, name="programmes")
app.add_typer(limits.app, name="limits")
app.add_typer(rules.app, name="rules")
app.add_typer(blocks.app, name="blocks")
app.command()(screen.screen)
app.add_typer(sanctions.app, name="sanctions")
app.add_typer(policies.app, name="policies")
app.add_typer(registry.app, name="models")
app.add_typer(countries.app, name="countries")
app.add_typer(keys.app, name="keys")
app.add_typer(disputes.app, name="disputes")
app.add_typer(ledger.app, name="ledger")
app.add_typer(comply.app, name="comply")
app.add_typer(cases.app, name="cases")
app.add_typer(audit.app, name="audit")
app.add_typer(retention.app, name="retention")
app.add_typer(filings.app, name="filings")
app.add_typer(profiles.app, name="profiles")


def main() -> None:
    """Run the command line."""
    # Programs that we start (PostgreSQL's) are not forked copies of us that go on using gRPC.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")
    # gRPC would write a line of its own for every handshake that a stranger lets fail.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # Asked to end, a command takes down what it has started, as after Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    refuse_dumps()  # many are given a card number, or a name
    keep_compiled()
    app()
