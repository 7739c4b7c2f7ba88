"""The project's packages as their files say: plans, imports and calls, read without importing anything."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "compliance": "compliance",
    "compliance.analyst": "compliance/analyst",
    "compliance.audit": "compliance/audit",
    "compliance.cases": "compliance/cases",
    "compliance.filings": "compliance/filings",
    "compliance.policies": "compliance/policies",
    "compliance.review": "compliance/review",
    "compliance.rules": "compliance/rules",
    "compliance.screening": "compliance/screening",
    "holdfast.v1": "proto/holdfast/v1",
    "ledger": "ledger",
    "loadtest": "loadtest",
    "loadtest.rival": "loadtest/rival",
    "scoring": "scoring",
    "scoring.report": "scoring/report",
    "server": "server",
    "server.banking": "server/banking",
    "server.cli": "server/cli",
    "server.core": "server/core",
    "server.fraud": "server/fraud",
    "server.front": "server/front",
    "server.office": "server/office",
    "server.store": "server/store",
}
ROOMS = ("compliance", "holdfast", "ledger", "loadtest", "scoring", "server")
_LINE = re.compile(r"^([\w.]+) {2,}\S", re.MULTILINE)


@cache
def tree(path):
    """The syntax of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def plan(package):
    """The names on a package's floor plan, in order."""
    text = ast.get_docstring(tree(ROOT / PACKAGES[package] / "__init__.py")) or ""
    return [name.removesuffix(".proto") for name in _LINE.findall(text)]


@cache
def modules():
    """Every module by its dotted name, with its file."""
    return {
        f"{package}.{path.stem}" if path.stem != "__init__" else package: path
        for package, folder in PACKAGES.items()
        for path in sorted((ROOT / folder).glob("*.py"))
    }


@cache
def imports(name):
    """What a module imports, anywhere in its text, by dotted names; of our own, always down to the module."""
    known = modules()
    found = set()
    for node in ast.walk(tree(known[name])):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found


def calls(name):
    """Each call in a module: its dotted text and its line."""
    for node in ast.walk(tree(modules()[name])):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node.lineno


def inside(name, places):
    """Whether a module is one of these places, or in one of them."""
    return any(name == place or name.startswith(f"{place}.") for place in places)
