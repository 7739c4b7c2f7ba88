"""Transfers between accounts of this home, as a graph."""

from datetime import datetime

import numpy as np

from compliance.ports import Database, queries
from compliance.rules.graph import Graph


async def internal_graph(database: Database, since: datetime) -> tuple[Graph, list[str]]:
    """Internal transfers that were booked from `since` on, a step a day (UTC), and the accounts' numbers as names."""
    async with database.acquire() as connection:
        found = await connection.fetch(queries("compliance.rules")["internal_movements"], since)
    numbers: dict[int, int] = {}
    for row in found:
        for account in (row["account_number"], row["payee_account"]):
            numbers.setdefault(account, len(numbers))
    graph = Graph.of(
        np.array([numbers[row["account_number"]] for row in found], np.int64),
        np.array([numbers[row["payee_account"]] for row in found], np.int64),
        np.array([row["payer_minor"] for row in found], np.int64),
        np.array([row["day"] for row in found], np.int64),
    )
    return graph, [f"account {number}" for number in numbers]
