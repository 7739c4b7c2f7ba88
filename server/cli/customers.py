"""`holdfast customers`: people, shown masked."""

from datetime import datetime
from typing import Annotated, Any

import typer

from server.cli.desk import AsJson, Home, at_desk, document_of
from server.cli.output import facts, fail, show

app = typer.Typer(
    help="People who hold accounts: add, show, set what is known of them.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(help="The customer's number.")]


@app.command()
def add(
    given_name: Annotated[str, typer.Argument(help="Given name.")],
    family_name: Annotated[str, typer.Argument(help="Family name.")],
    birth_date: Annotated[
        datetime | None, typer.Option("--born", formats=["%Y-%m-%d"], help="Date of birth.")
    ] = None,
    ssn: Annotated[
        str | None,
        typer.Option(help="Social security number; `-` asks for it, unseen and out of the history."),
    ] = None,
    kyc: Annotated[str, typer.Option(help="pending, verified or failed.")] = "pending",
    risk: Annotated[str, typer.Option(help="low, medium or high.")] = "low",
    politically_exposed: Annotated[bool, typer.Option("--politically-exposed", help="Is so.")] = False,
    latitude: Annotated[float | None, typer.Option(help="Home, degrees.")] = None,
    longitude: Annotated[float | None, typer.Option(help="Home, degrees.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Add a customer and print its number."""
    from server.store.customers import Customers, NewCustomer

    if (latitude is None) != (longitude is None):
        fail("--latitude and --longitude go together")
    customer = NewCustomer(
        given_name=given_name,
        family_name=family_name,
        birth_date=birth_date.date() if birth_date else None,
        ssn=typer.prompt("SSN", hide_input=True) if ssn == "-" else ssn,
        kyc_state=kyc,
        risk_rating=risk,
        politically_exposed=politically_exposed,
        home_latitude_deg=latitude,
        home_longitude_deg=longitude,
    )

    async def work(database: Any, keys: Any) -> Any:
        customers = Customers(database, keys)
        return await customers.show(await customers.add(customer))

    _print(at_desk(home, work), as_json=as_json)


@app.command("show")
def show_customer(
    number: Annotated[int | None, typer.Argument(help="The customer's number.")] = None,
    ssn: Annotated[str | None, typer.Option(help="Find by SSN instead; `-` asks for it.")] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Show a customer, names and numbers masked."""
    from server.store.customers import Customers

    if (number is None) == (ssn is None):
        fail("Name a customer by its number, or with --ssn.")
    wanted = typer.prompt("SSN", hide_input=True) if ssn == "-" else ssn

    async def work(database: Any, keys: Any) -> Any:
        customers = Customers(database, keys)
        if number is not None:
            return await customers.show(number)
        return await customers.find(wanted or "")

    _print(at_desk(home, work), as_json=as_json)


@app.command("set")
def set_customer(
    number: Number,
    kyc: Annotated[str | None, typer.Option(help="pending, verified or failed.")] = None,
    risk: Annotated[str | None, typer.Option(help="low, medium or high.")] = None,
    politically_exposed: Annotated[
        bool | None, typer.Option("--politically-exposed/--not-politically-exposed", help="Is so, or is not.")
    ] = None,
    block: Annotated[
        bool | None, typer.Option("--block/--unblock", help="Compliance: every card answers 59, or no more.")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Set KYC state, risk rating, political exposure or the compliance block. A running server follows within 1 s."""
    from server.store.customers import Customers

    async def work(database: Any, keys: Any) -> Any:
        return await Customers(database, keys).change(
            number,
            kyc_state=kyc,
            risk_rating=risk,
            politically_exposed=politically_exposed,
            compliance_block=block,
        )

    _print(at_desk(home, work), as_json=as_json)


def _print(customer: Any, *, as_json: bool) -> None:
    document = document_of(customer)
    show(document, as_json=as_json, table=lambda: facts(f"customer {customer.number}", document))
