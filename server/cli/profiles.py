"""`holdfast profiles`: what filings ask of a customer beyond the directory, shown masked."""

from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home
from server.cli.filings import at_filings
from server.cli.output import facts, fail, show

app = typer.Typer(help="What filings ask of a customer: set, show.", no_args_is_help=True)
Number = Annotated[int, typer.Argument(help="The customer's number.", min=0)]


@app.command("set")
def set_profile(
    number: Number,
    country: Annotated[str | None, typer.Option(help="Of residence, ISO 3166-1 alpha-2.")] = None,
    industry: Annotated[str | None, typer.Option(help="NAICS code, 2 to 6 digits.")] = None,
    street: Annotated[str | None, typer.Option(help="Street and number.")] = None,
    city: Annotated[str | None, typer.Option(help="City.")] = None,
    state: Annotated[str | None, typer.Option(help="Two capital letters.")] = None,
    postal_code: Annotated[str | None, typer.Option(help="ZIP or postal code.")] = None,
    phone: Annotated[str | None, typer.Option(help="Digits.")] = None,
    occupation: Annotated[str | None, typer.Option(help="Occupation or business.")] = None,
    tin: Annotated[
        str | None, typer.Option(help="SSN, ITIN or EIN; `-` asks for it, unseen and out of the history.")
    ] = None,
    id_type: Annotated[
        str | None, typer.Option(help="drivers_license, passport, alien_registration, foreign, or in words.")
    ] = None,
    id_number: Annotated[
        str | None,
        typer.Option(help="The document's number; `-` asks for it, unseen and out of the history."),
    ] = None,
    id_country: Annotated[str | None, typer.Option(help="That issued it.")] = None,
    id_state: Annotated[str | None, typer.Option(help="That issued it.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Set what is given; an empty text empties a field. Sealed where it is stored; the audit log names the fields."""
    given: dict[str, str | None] = {
        "country": country,
        "industry": industry,
        "street": street,
        "city": city,
        "state": state,
        "postal_code": postal_code,
        "phone": phone,
        "occupation": occupation,
        "tin": typer.prompt("TIN", hide_input=True) if tin == "-" else tin,
        "id_type": id_type,
        "id_number": typer.prompt("Document number", hide_input=True) if id_number == "-" else id_number,
        "id_country": id_country,
        "id_state": id_state,
    }
    changes = {name: text for name, text in given.items() if text is not None}
    if not changes:
        fail("Say what to set, such as --street '1 Mill Lane'.")

    async def work(office: Any) -> Any:
        from datetime import UTC, datetime

        from compliance.filings.profiles import Profiles

        profiles = Profiles(office.database, office.keys)
        return (await profiles.change(number, changes, office.actor, datetime.now(UTC))).masked

    _print(number, at_filings(home, "prepare_filings", work), as_json=as_json)


@app.command("show")
def show_profile(
    number: Number,
    unmasked: Annotated[
        bool, typer.Option("--unmasked", help="In full: an audit row tells who saw it.")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show a profile, masked."""

    async def work(office: Any) -> Any:
        from compliance.filings.profiles import Profiles

        return await Profiles(office.database, office.keys).show(number, office.actor, in_full=unmasked)

    permission = "see_personal_data" if unmasked else "see_cases"
    _print(number, at_filings(home, permission, work), as_json=as_json)


def _print(number: int, profile: dict[str, str], *, as_json: bool) -> None:
    document = {"customer": number, **profile}
    show(document, as_json=as_json, table=lambda: facts(f"profile of customer {number}", profile))
