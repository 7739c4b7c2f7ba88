"""`holdfast keys`: an authority for development, and the certificates that it signs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from server.authority import SERVER, Authority, AuthorityError, folder_of, read
from server.cli.desk import AsJson, Home, settings_of
from server.cli.output import explained, facts, fail, rows, say, show

app = typer.Typer(
    help="Certificates for development: an authority, a server's, clients'.", no_args_is_help=True
)

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
