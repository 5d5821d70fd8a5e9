"""The project's event database: short-lived connections that any thread or process may open."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tomoset.errors import OutputError

__all__ = ["log_connection"]

_BUSY_SECONDS = 10.0


@contextmanager
def log_connection(path: Path) -> Iterator[sqlite3.Connection]:
    """One connection for one operation.

    Raises
    ------
    OutputError
        If the file cannot be used or is none of ours.
    """
    try:
        with closing(sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys = ON")
            yield connection
    except sqlite3.Error as error:
        raise OutputError(
            f"{path.name}: the curation log cannot be used ({error}); check free space, permissions and "
            "that the file is a tomoset log"
        ) from error
