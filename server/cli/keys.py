"""`holdfast keys`: an authority for development, the certificates that it signs, and the PAN key's rotation."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from server.authority import SERVER, Authority, AuthorityError, folder_of, read
from server.cli.desk import AsJson, Home, at_desk, settings_of
from server.cli.output import explained, facts, fail, rows, say, show
from server.cli.people import By, changer

app = typer.Typer(help="Certificates for development, and the PAN key.", no_args_is_help=True)

_FOLDER: Final = "tls"


@app.command("ca")
@explained(AuthorityError)
def make_authority(
    name: Annotated[str, typer.Option(help="What it calls itself.")] = "Holdfast development",
    days: Annotated[int, typer.Option(min=1, max=7_300, help="How long it is good.")] = 3_650,
    home: Home = None,
) -> None:
    """Make a development authority in the home, once. Whoever has its key is believed: keep it there."""
    authority = Authority(settings_of(home).home / _FOLDER)
    authority.make(name, datetime.now(UTC), days)
    say(f"made {authority.certificate}")
    say("next: holdfast keys issue --server localhost 127.0.0.1", markup=False)


@app.command("issue")
@explained(AuthorityError)
def issue(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Names the certificate carries: a client's URI or DNS name; a server's hosts and addresses."
        ),
    ],
    server: Annotated[bool, typer.Option("--server", help="For the server, not for a client.")] = False,
    days: Annotated[int, typer.Option(min=1, max=825, help="How long it is good.")] = 90,
    out: Annotated[Path | None, typer.Option(help="Folder to write to [tls/NAME in the home].")] = None,
    home: Home = None,
) -> None:
    """Sign a certificate: ca.crt, tls.crt and tls.key into a folder. Again: it is renewed, also while a server runs."""
    root = settings_of(home).home / _FOLDER
    if not server and len(names) > 1:
        fail("a client has one name: several in one certificate would make it nobody's in particular")
    folder = out or root / (SERVER if server else folder_of(names[0]))
    Authority(root).issue(names, folder, datetime.now(UTC), days, server=server)
    say(f"made {folder}/tls.crt and its key, good for {days} days")
    if server:
        say(
            f"  export HOLDFAST_TLS_CERTIFICATE={folder}/tls.crt HOLDFAST_TLS_KEY={folder}/tls.key",
            markup=False,
        )
        say(f"  export HOLDFAST_TLS_CLIENT_CA={folder}/ca.crt HOLDFAST_CLIENTS=clients.toml", markup=False)
    else:
        say(
            f'permit it something in the file of clients ([[client]] identity = "{names[0]}"), then:',
            markup=False,
        )
        say(f"  holdfast authorize --tls {folder} …", markup=False)


@app.command("show")
@explained(AuthorityError)
def show_certificates(
    path: Annotated[
        Path | None, typer.Argument(help="A PEM file, or a folder of them [tls in the home].")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """What certificates say: names, use, when their time is over."""
    root = path or settings_of(home).home / _FOLDER
    if root.is_file():
        told = read(root)
        document: Any = _told(told)
        show(document, as_json=as_json, table=lambda: facts(str(root), document))
        return
    found = [
        _told(read(file))
        for file in sorted(root.glob("**/*.crt"))
        if file.name != "ca.crt" or file.parent == root
    ]
    if not found:
        fail(f"{root} holds no certificates: begin with `holdfast keys ca`")
    columns = ("path", "use", "names", "expires", "days_left")
    show(
        found,
        as_json=as_json,
        table=lambda: rows("certificates", columns, [[f[c] for c in columns] for f in found]),
    )


@app.command("rotate-pan")
def rotate_pan(by: By = "", home: Home = None) -> None:
    """Make a new PAN key, which the next start of the server takes in. The one before is good beside it until retired."""
    from server.keys import PanKey, fingerprint_of
    from server.store.pan_keys import PanKeys
    from server.store.postgres import StoreError

    async def rotate(database: Any, keys: Any) -> str:
        pan_keys, pan_key = PanKeys(database), PanKey(settings_of(home).home)
        if keys.previous_pan is not None:
            left = (await pan_keys.cards()).get(keys.previous_fingerprint, 0)
            raise StoreError(
                f"the PAN key rotates already: {left:,} cards stand under the previous one "
                f"({keys.previous_fingerprint}). Retire it first, when none is left: holdfast keys retire-pan"
            )
        secret = PanKey.draw()
        fingerprint: str = fingerprint_of(secret)
        await pan_keys.make(fingerprint, changer(by), lambda: pan_key.put(secret))
        return fingerprint

    say(f"made PAN key {at_desk(home, rotate)}: the next start of the server takes it in")
    say("  back up the keys folder now, and again after that start", markup=False)


@app.command("pan")
def show_pan(home: Home = None, as_json: AsJson = False) -> None:
    """How many cards stand under which PAN key. Keys are told by their fingerprints."""
    from server.keys import PanKey
    from server.store.pan_keys import PanKeys

    async def count(database: Any, keys: Any) -> list[dict[str, Any]]:
        cards = await PanKeys(database).cards()
        found = dict(zip(keys.fingerprints, ("today's", "previous"), strict=False))
        return [
            {"fingerprint": one, "key": found.get(one, "unknown"), "cards": cards.get(one, 0)}
            for one in (*found, *sorted(set(cards) - set(found)))
        ]

    lines = at_desk(home, count)
    columns = ("fingerprint", "key", "cards")
    show(
        lines,
        as_json=as_json,
        table=lambda: rows("PAN keys", columns, [[line[column] for column in columns] for line in lines]),
    )
    if not as_json and PanKey(settings_of(home).home).waits:
        say("a new key waits for the next start of the server")


@app.command("retire-pan")
def retire_pan(by: By = "", home: Home = None) -> None:
    """Forget the previous PAN key, once no card stands under it and no repeat can need it."""
    from server.keys import REPEATED_S, PanKey
    from server.store.pan_keys import PanKeys
    from server.store.postgres import StoreError

    async def retire(database: Any, keys: Any) -> str:
        if keys.previous_pan is None:
            raise StoreError("there is no previous PAN key: nothing to retire")
        fingerprint: str = keys.previous_fingerprint
        pan_keys, pan_key = PanKeys(database), PanKey(settings_of(home).home)
        if pan_key.waits:
            raise StoreError("a new PAN key waits for the next start of the server")
        from_s = keys.since_s + REPEATED_S

        def forget() -> None:
            if datetime.now(UTC).timestamp() < from_s:
                raise StoreError(
                    "no card is left under the previous PAN key, but repeats of what was sent before the rotation need "
                    f"it until {datetime.fromtimestamp(from_s, UTC):%Y-%m-%d %H:%M} UTC"
                )
            pan_key.retire()

        await pan_keys.retire(fingerprint, changer(by), forget)
        return fingerprint

    say(f"retired PAN key {at_desk(home, retire)}")


def _told(told: Any) -> dict[str, Any]:
    left = told.expires - datetime.now(UTC)
    return {
        "path": str(told.path),
        "use": told.use,
        "names": told.names,
        "expires": f"{told.expires:%Y-%m-%d %H:%M} UTC",
        "days_left": left.days,
        "sha256": told.fingerprint,
    }
