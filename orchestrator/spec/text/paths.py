"""Makes the paths of a spec absolute."""

from __future__ import annotations

from pathlib import Path

from orchestrator.spec.text.sqlite_uri import sqlite_file, sqlite_uri
from trainables.io.object_store import is_address

_NO_PATHS = frozenset({"none", "torchvision"})
"""Values of ``training.weights`` that are not paths."""
_PLACES = (
    ("data", "root"),
    ("teacher", "checkpoint"),
    ("storage", "root"),
    ("storage", "cache"),
)


def absolute_paths(settings: object, base: Path) -> object:
    """Return ``settings`` with relative paths below ``base``.

    It changes folders, files and SQLite addresses of the tracking store; ``~`` is the home folder.
    Addresses of object stores and values that are not text stay, for later checks.
    """
    for place in _PLACES:
        settings = _change(settings, place, lambda text: _absolute(text, base))
    settings = _change(
        settings,
        ("training", "weights"),
        lambda text: text if text in _NO_PATHS else _absolute(text, base),
    )
    return _change(settings, ("tracking", "uri"), lambda text: _absolute_uri(text, base))


def _change(settings: object, place: tuple[str, ...], change: object) -> object:
    if not place:
        return change(settings) if isinstance(settings, str) and callable(change) else settings
    if not isinstance(settings, dict) or place[0] not in settings:
        return settings
    return {**settings, place[0]: _change(settings[place[0]], place[1:], change)}


def _absolute(text: str, base: Path) -> str:
    if not text or "\0" in text or is_address(text):
        return text
    try:
        path = Path(text).expanduser()
    except RuntimeError:  # no such user; a later check reports the missing folder
        path = Path(text)
    return str(path if path.is_absolute() else (base / path).resolve())


def _absolute_uri(text: str, base: Path) -> str:
    file = sqlite_file(text)
    if file is None or file.is_absolute() or file.name == "":
        return text
    _, asks, query = text.partition("?")
    return sqlite_uri(Path(_absolute(str(file), base))) + asks + query
