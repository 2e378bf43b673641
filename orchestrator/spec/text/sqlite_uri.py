"""SQLite addresses of a tracking store, and the files that they name."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

_PREFIX = "sqlite:///"
_OTHER_PREFIX = "sqlite+pysqlite:///"
"""The same with the driver, for paths that are encoded: MLflow makes an empty folder for the other
one, named as the address has it."""
_ENDS = {"%": "%25", "?": "%3F", "#": "%23"}
"""Characters of a path that an address gives another meaning."""


def sqlite_uri(file: Path) -> str:
    """Return the address of a SQLite file at an absolute path."""
    path = "".join(_ENDS.get(char, char) for char in str(file))
    return (_PREFIX if path == str(file) else _OTHER_PREFIX) + path


def sqlite_file(uri: str) -> Path | None:
    """Return the file of a SQLite address, as SQLAlchemy reads it; None for any other address."""
    for prefix in (_PREFIX, _OTHER_PREFIX):
        if uri.startswith(prefix):
            return Path(unquote(uri.removeprefix(prefix).partition("?")[0]))
    return None
