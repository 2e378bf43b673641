"""SQLite addresses of a tracking store and their files."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

_PREFIX = "sqlite:///"
_OTHER_PREFIX = "sqlite+pysqlite:///"
"""The same with the driver, for encoded paths: with ``sqlite:///``, MLflow creates an empty folder
named like the encoded path."""
_ENDS = {"%": "%25", "?": "%3F", "#": "%23"}
"""Characters of a path with another meaning in an address."""


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
