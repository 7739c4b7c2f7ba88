"""Each package's first lines are its floor plan, and imports go down it."""

import sys

import pytest

from tests.house.sources import PACKAGES, ROOMS, ROOT, imports, inside, modules, plan

DOORS = {
    "anyascii": ("compliance.screening",),
    "asyncpg": ("server.store", "loadtest.rival.accounts"),
    "cryptography": ("server.keys", "server.authority", "server.front.certificates", "compliance.audit"),
    "google": ("server.front", "server.cli.calls", "server.cli.greeting", "loadtest"),
    "grpc": (
        "server.front",
        "server.cli.calls",  # commands that are clients of the contract
        "server.cli.greeting",
        "loadtest",
    ),
    "grpc_health": (
        "server.front.door",
        "loadtest.first_request",
        "loadtest.floors",
        "loadtest.processes",
        "loadtest.rival.server",
    ),
    "grpc_reflection": ("server.front.door",),
    "grpc_status": ("server.front", "server.cli.calls"),
    "hdrh": ("loadtest.open_loop",),
    "holidays": ("compliance.calendar",),
    "jinja2": ("scoring.report.page",),
    "lightgbm": ("scoring.grow", "loadtest.rival.score"),
    "locust": ("loadtest.locustfile",),
    "lxml": ("compliance.filings", "compliance.policies", "compliance.screening"),
    "matplotlib": ("loadtest.path_plot",),
    "markupsafe": ("scoring.report.axes", "scoring.report.plot"),
    "numba": (
        "compliance.screening",
        "ledger",
        "loadtest.counted",
        "scoring",
        "server.compiled",
        "server.core",
        "server.front",
        "server.store.binary_copy",
    ),
    "openai": ("compliance.analyst", "compliance.policies"),
    "opentelemetry": ("server.tracing",),
    "prometheus_client": ("server.telemetry",),
    "pyarrow": ("scoring.table", "loadtest.histories", "server.cli.label"),
    "pycountry": ("ledger.money", "server.front.codes"),
    "pydantic": (
        "server.settings",
        "server.office.settings",
        "server.cli",
    ),  # the command line tells what its settings refuse
    "pydantic_settings": ("server.settings", "server.office.settings"),
    "rapidfuzz": ("compliance.screening",),
    "redis": ("loadtest.redis_counters", "loadtest.redis_process", "loadtest.rival.server"),
    "rich": ("server.cli", "loadtest.report", "loadtest.path_report"),
    "sqlite3": (
        "ledger",
        "server.core.journal",
        "server.core.journal_reader",
    ),
    "structlog": ("compliance", "server"),
    "tigerbeetle": ("ledger.native", "loadtest.ledger_bench"),  # the stock client beside ours
    "typer": ("server.cli",),
    "uvloop": (
        "server.cli.serve",
        "server.cli.bench_scale",
        "server.core_process",
        "server.front_process",
        "loadtest.floors",
        "loadtest.rival.server",
    ),
}
EVERYWHERE = {"numpy"}
"""What any file may use, beside the standard library."""

STANDARD = sys.stdlib_module_names - {"sqlite3"}

MAY_IMPORT = {
    "compliance": set(),
    "holdfast": set(),
    "ledger": set(),
    "scoring": set(),
    # A history's layouts are scoring's, money's format is the ledger's, lists are compliance's.
    "loadtest": {"compliance", "holdfast", "ledger", "scoring"},
    "server": {"compliance", "holdfast", "ledger", "scoring", "loadtest"},
}
CONTRACT = ("server.front", "server.cli", "loadtest")
"""Who sees generated protobuf code."""

LOADTEST = ("server.cli",)
"""Who in the server knows the load generators: commands that wrap them."""


@pytest.mark.parametrize("package", PACKAGES)
def test_a_floor_plan_lists_every_file_of_its_package_once(package):
    """Sub-packages too; nothing that is not there."""
    folder = ROOT / PACKAGES[package]
    files = {path.stem for path in folder.glob("*.py")} - {"__init__"}
    files |= {path.parent.name for path in folder.glob("*/__init__.py")}
    files |= {path.stem for path in folder.glob("*.proto")}
    listed = plan(package)
    assert sorted(listed) == sorted(files)


@pytest.mark.parametrize("package", PACKAGES)
def test_a_file_imports_only_files_below_it_on_its_plan(package):
    """Reading order is import order: the door first, the foundations last."""
    order = plan(package)
    wrong = []
    for name in modules():
        if not name.startswith(f"{package}.") or name in PACKAGES:
            continue
        own = name.removeprefix(f"{package}.").split(".")[0]
        wrong += [
            f"{name} imports {imported}"
            for imported in imports(name)
            if imported.startswith(f"{package}.")
            and (other := imported.removeprefix(f"{package}.").split(".")[0]) != own
            and name != f"{package}.__main__"
            and order.index(other) <= order.index(own)
        ]
    assert wrong == []


def test_rooms_import_only_the_rooms_they_may_know():
    """Compliance, ledger and scoring know nobody; the contract and the load generators are known to few."""
    wrong = []
    for name in modules():
        room = name.split(".")[0]
        for imported in imports(name):
            other = imported.split(".")[0]
            if other not in ROOMS or other == room:
                continue
            allowed = other in MAY_IMPORT[room]
            if other == "holdfast":
                allowed = allowed and inside(name, CONTRACT)
            if other == "loadtest":
                allowed = allowed and inside(name, LOADTEST)
            if not allowed:
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_each_third_party_library_comes_in_by_its_own_doors():
    """A library that no line names has no door yet: give it one, and a reason."""
    wrong = []
    for name in modules():
        for imported in imports(name):
            library = imported.split(".")[0]
            if (
                library in ROOMS
                or library in EVERYWHERE
                or library in STANDARD
                or name.startswith("holdfast.")
            ):
                continue
            if not inside(name, DOORS.get(library, ())):
                wrong.append(f"{name} imports {imported}")
    assert wrong == []


def test_every_door_is_used():
    """A door that nobody goes through any more is walled up here."""
    used = {imported.split(".")[0] for name in modules() for imported in imports(name)}
    assert sorted(set(DOORS) - used) == []
