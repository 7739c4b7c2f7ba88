"""`holdfast models`: the versions of the fraud model, and what people do with them. A running server follows within 1 s."""

import getpass
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from server.cli.desk import AsJson, Home, at_desk, settings_of
from server.cli.output import facts, fail, rows, say, show

T = TypeVar("T")

app = typer.Typer(
    help="Fraud models: candidate, shadow, champion, retired. Promotion needs two people.",
    no_args_is_help=True,
)

Version = Annotated[str, typer.Argument(help="A version, as `holdfast models list` names it.")]
By = Annotated[str | None, typer.Option("--by", help="Who does it; without it the user of this terminal.")]
Why = Annotated[str, typer.Option("--why", help="Kept with the change.")]

_TEN_THOUSAND: Final = 10_000


@app.command("list")
def list_models(home: Home = None, as_json: AsJson = False) -> None:
    """List the versions, each with its state."""
    found = _at_register(home, lambda register: register.versions())
    document = [_line(model) for model in found]
    columns = ("version", "state", "share", "champion_since", "proposed", "floor_recall")
    lines = [tuple(line[column] for column in columns) for line in document]
    show(
        document, as_json=as_json, table=lambda: rows("models", [c.replace("_", " ") for c in columns], lines)
    )


@app.command("show")
def show_model(version: Version, home: Home = None, as_json: AsJson = False) -> None:
    """Show a version: its manifest, whether its files are sound, and everything done to it."""
    from scoring.manifest import ModelError
    from scoring.registry import open as open_model

    async def work(register: Any) -> tuple[Any, Any]:
        return await register.find(version), await register.changes(version)

    model, changes = _at_register(home, work)
    try:
        open_model(_root(home) / version, model.sha256)
        sound = "yes"
    except ModelError as error:
        sound = f"no: {error}"
    document = {
        **_line(model),
        "replaced": model.replaced,
        "sha256": model.sha256,
        "files_sound": sound,
        "floor": str(model.floor),
        "manifest": model.manifest,
        "changes": [_change(change) for change in changes],
    }
    show(document, as_json=as_json, table=lambda: _shown(document))


@app.command("history")
def history(
    version: Annotated[str | None, typer.Argument(help="A version; without it every one.")] = None,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="Changes to show, the newest first.")] = 20,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show what was done to the models, by whom and why."""
    changes = _at_register(home, lambda register: register.changes(version, count=count))
    document = [_change(change) for change in changes]
    show(document, as_json=as_json, table=lambda: _changes_table(document))


@app.command("add")
def add(
    folder: Annotated[Path, typer.Argument(help="The folder of a trained version.")],
    by: By = None,
    why: Why = "",
    home: Home = None,
) -> None:
    """Take a trained model in as a candidate; its files are copied into this home."""
    version = _at_register(home, lambda register: register.add(folder, by=_person(by), why=why))
    say(
        f"{version} is a candidate. Let it score all traffic on paper: holdfast models shadow {version}",
        markup=False,
    )


@app.command("shadow")
def shadow(version: Version, by: By = None, why: Why = "", home: Home = None) -> None:
    """Let a version score all traffic off the answer path; it decides nothing."""
    _at_register(home, lambda register: register.shadow(version, by=_person(by), why=why))
    say(f"{version} is shadow. Compare it: holdfast models compare {version}", markup=False)


@app.command("promote")
def promote(version: Version, by: By = None, why: Why = "", home: Home = None) -> None:
    """Propose that a shadow become champion; another person approves."""
    from scoring.registry import Action

    person = _person(by)
    _at_register(home, lambda register: register.propose(version, Action.PROMOTE, by=person, why=why))
    _say_proposed(version, person)


@app.command("challenge")
def challenge(
    version: Version,
    share: Annotated[
        float,
        typer.Option(min=0, max=100, help="Percent of the cards that it decides for; 0 ends it at once."),
    ],
    by: By = None,
    why: Why = "",
    home: Home = None,
) -> None:
    """Propose that a shadow decide for a share of the cards, always the same ones; another person approves."""
    from scoring.registry import Action

    person = _person(by)
    parts = round(share * _TEN_THOUSAND / 100)
    if parts == 0 and share > 0:
        fail("--share: a challenger decides for 0.01 percent of the cards at least, or for none")
    if parts == 0:
        _at_register(home, lambda register: register.end_challenge(version, by=person, why=why))
        say(f"{version} decides nothing any more; it is still shadow.", markup=False)
        return
    _at_register(
        home, lambda register: register.propose(version, Action.CHALLENGE, share=parts, by=person, why=why)
    )
    _say_proposed(version, person)


@app.command("approve")
def approve(version: Version, by: By = None, why: Why = "", home: Home = None) -> None:
    """Do what another person proposed."""
    proposal = _at_register(home, lambda register: register.approve(version, by=_person(by), why=why))
    if proposal.share:
        say(f"{version} decides for {proposal.share / 100:g} % of the cards.", markup=False)
    else:
        say(f"{version} is champion. Take it back at once: holdfast models rollback", markup=False)


@app.command("withdraw")
def withdraw(version: Version, by: By = None, why: Why = "", home: Home = None) -> None:
    """Take back what is proposed."""
    _at_register(home, lambda register: register.withdraw(version, by=_person(by), why=why))
    say(f"Nothing is proposed for {version} any more.", markup=False)


@app.command("rollback")
def rollback(by: By = None, why: Why = "", home: Home = None) -> None:
    """The champion before takes over again, at once."""
    went, came = _at_register(home, lambda register: register.roll_back(by=_person(by), why=why))
    say(f"{came} is champion again; {went} is retired.", markup=False)


@app.command("retire")
def retire(version: Version, by: By = None, why: Why = "", home: Home = None) -> None:
    """Put a candidate or a shadow to rest."""
    _at_register(home, lambda register: register.retire(version, by=_person(by), why=why))
    say(f"{version} is retired.", markup=False)


@app.command("floor")
def floor(
    version: Version,
    recall: Annotated[
        float, typer.Option(min=0, max=1, help="Share of fraud it must find as champion; 0 for no floor.")
    ],
    fpr: Annotated[
        float, typer.Option(min=0.0001, max=0.5, help="Share of genuine payments that may score as high.")
    ] = 0.01,
    days: Annotated[int, typer.Option(min=1, max=366, help="Labels received in so many days count.")] = 28,
    frauds: Annotated[int, typer.Option(min=1, max=1_000_000, help="Fewer frauds say nothing.")] = 50,
    by: By = None,
    why: Why = "",
    home: Home = None,
) -> None:
    """Set the floor below which a champion rolls back by itself."""
    from scoring.floor import Floor

    wanted = Floor(recall or None, fpr, days, frauds)
    _at_register(home, lambda register: register.set_floor(version, wanted, by=_person(by), why=why))
    say(f"floor of {version}: {wanted}", markup=False)


@app.command("check")
def check(home: Home = None, as_json: AsJson = False) -> None:
    """Judge the champion by fresh labels, as the server does by itself; nothing is done."""
    from scoring.registry import State
    from server.fraud.floor import stand
    from server.store.outcomes import Outcomes

    async def work(register: Any, database: Any) -> dict[str, Any] | None:
        found = [model for model in await register.versions() if model.state == State.CHAMPION]
        if not found:
            return None
        footing = await stand(Outcomes(database), found[0])
        return {
            "champion": found[0].version,
            "recall": None if footing.recall is None else round(footing.recall, 5),
            "floor": str(found[0].floor),
            "frauds": footing.frauds,
            "genuine": footing.genuine,
            "fallen": footing.fallen,
            "judged": footing.recall is not None,
        }

    document = _at_register_and_database(home, work)
    if document is None:
        fail("there is no champion: add a model, let it shadow, and promote it")
    show(document, as_json=as_json, table=lambda: facts("champion on fresh labels", document))


@app.command("compare")
def compare(
    version: Version,
    days: Annotated[int, typer.Option(min=1, max=92, help="Traffic of so many days.")] = 28,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Compare a shadow with the champion on the same traffic: what the champion decided, and both scores of it."""
    import numpy as np

    from scoring.evaluate import measure
    from scoring.registry import State
    from server.store.outcomes import Outcomes

    async def work(register: Any, database: Any) -> dict[str, Any]:
        await register.find(version)
        champions = [model.version for model in await register.versions() if model.state == State.CHAMPION]
        found = await Outcomes(database).compared(version, days=days)
        own = found.decided(champions[0]) if champions else found
        scored = ~np.isnan(own.decided_scores)
        return {
            "champion": champions[0] if champions else None,
            "shadow": version,
            "days": days,
            "champion_figures": measure(own.is_fraud[scored], own.decided_scores[scored]),
            "shadow_figures": measure(own.is_fraud[scored], own.scores[scored]),
        }

    document = _at_register_and_database(home, work)
    show(document, as_json=as_json, table=lambda: _compared(document))


def _compared(document: dict[str, Any]) -> Any:
    champion, shadow = document["champion_figures"], document["shadow_figures"]
    lines = [(name.replace("_", " "), figure, shadow[name]) for name, figure in champion.items()]
    title = f"on what {document['champion'] or 'nobody'} decided in {document['days']} days"
    return rows(title, ("", "champion", document["shadow"]), lines)


def _at_register(home: Path | None, work: Callable[[Any], Awaitable[T]]) -> T:
    """Runs `work(register)`; a refusal is told without a traceback."""
    return _at_register_and_database(home, lambda register, _database: work(register))


def _at_register_and_database(home: Path | None, work: Callable[[Any, Any], Awaitable[T]]) -> T:
    """Runs `work(register, database)` likewise."""
    from scoring.manifest import ModelError
    from scoring.registry import RegistryError
    from server.store.register import Register

    root = _root(home)
    try:
        return at_desk(home, lambda database, _keys: work(Register(database, root), database))
    except (ModelError, RegistryError) as error:
        fail(str(error))


def _root(home: Path | None) -> Path:
    return Path(settings_of(home).home) / "models"


def _person(by: str | None) -> str:
    return getpass.getuser() if by is None else by


def _say_proposed(version: str, person: str) -> None:
    say(f"Proposed by {person}. Somebody else: holdfast models approve {version} --by NAME", markup=False)


def _line(model: Any) -> dict[str, Any]:
    proposal = model.proposal
    asked = "" if proposal is None else f"{proposal.action} by {proposal.by}"
    if proposal is not None and proposal.share:
        asked = f"{proposal.action} {proposal.share / 100:g} % by {proposal.by}"
    since = model.champion_since
    return {
        "version": model.version,
        "state": str(model.state),
        "share": f"{model.share / 100:g} %" if model.share else None,
        "champion_since": None if since is None else since.isoformat(timespec="seconds"),
        "proposed": asked or None,
        "floor_recall": model.floor.recall,
    }


def _change(change: Any) -> dict[str, Any]:
    return {
        "at": change.happened_at.isoformat(timespec="seconds"),
        "version": change.version,
        "action": change.action,
        "from": change.from_state,
        "to": change.to_state,
        "share": change.share,
        "by": change.who,
        "proposed_by": change.proposed_by,
        "why": change.why,
    }


def _changes_table(changes: list[dict[str, Any]]) -> Any:
    columns = ("at", "version", "action", "state", "by", "why")
    lines = []
    for change in changes:
        moved = (
            change["to"] if change["from"] in {None, change["to"]} else f"{change['from']} → {change['to']}"
        )
        people = change["by"] if change["proposed_by"] is None else f"{change['proposed_by']}, {change['by']}"
        lines.append((change["at"][:16], change["version"], change["action"], moved, people, change["why"]))
    return rows("changes", columns, lines)


def _shown(document: dict[str, Any]) -> Any:
    from rich.console import Group

    about = {name: value for name, value in document.items() if name not in {"manifest", "changes"}}
    metrics = document["manifest"].get("metrics", {})
    return Group(
        facts("model", about), facts("measured", _flat(metrics)), _changes_table(document["changes"])
    )


def _flat(metrics: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat |= {f"{name} {inner}": figure for inner, figure in _flat(value).items()}
        else:
            flat[name] = value
    return flat
