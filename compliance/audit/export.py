"""The whole log as a file of JSON lines, for verifiers of one's own and for archives."""

import json
import os
from pathlib import Path
from typing import Any

from compliance.ports import queries


async def export(connection: Any, path: Path) -> int:
    """
    Writes rows `{"number", "content", "hash"}` in order and returns their count; needs a transaction.

    The file is the owner's alone, and is there whole or not at all. Raises OSError.
    """
    count = 0
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            async for row in connection.cursor(queries("compliance.audit")["rows_in_order"], prefetch=5_000):
                line = {"number": row["number"], "content": row["content"], "hash": row["hash"].hex()}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        fresh.rename(path)
    finally:
        fresh.unlink(missing_ok=True)
    return count
