"""The text of a spec: YAML, overrides, paths, secrets, SQLite addresses and its faults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import unquote

import yaml

from search_spaces.faults import Fault
from trainables.io.object_store import is_address
from trainables.io.redaction import has_plain_secret, names_in, redact

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator


class SpecError(ValueError):
    """A spec is invalid; ``faults`` has every fault."""

    def __init__(self, faults: Iterable[Fault], source: str = "the spec") -> None:
        self.faults = tuple(faults)
        self.source = source
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        lines = (f"  {fault.path}: {fault.message}" for fault in self.faults)
        super().__init__(redact("\n".join([f"{count} in {source}:", *lines])))

    def __reduce__(self) -> tuple[type[SpecError], tuple[tuple[Fault, ...], str]]:
        return type(self), (self.faults, self.source)


class _StrictLoader(yaml.SafeLoader):
    """The safe loader with duplicate keys as faults; PyYAML keeps the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 - PyYAML's signature
        seen: set[object] = set()
        for key_node, _ in node.value:
            key = key_node.value
            if isinstance(key, str) and key != "<<":
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} is given twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(text: str, source: str) -> object:
    """Return the value of ``text``; None for an empty text.

    Args:
        text: YAML, one document.
        source: Name of the text in messages.

    Raises:
        SpecError: The text is invalid YAML; the fault has line and column, from 1.
    """
    try:
        return cast("object", yaml.load(text, Loader=_StrictLoader))  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else source
        message = error.problem or error.context or "not readable"
        raise SpecError([Fault(place, f"invalid YAML: {message}")], source) from error
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        first = str(error).strip().splitlines() or ["nested too deeply"]
        raise SpecError([Fault(source, f"invalid YAML: {first[0]}")], source) from error


_DOTTED_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_SET = "--set"


def read_overrides(texts: Iterable[str]) -> list[tuple[tuple[str, ...], object]]:
    """Return ``(path, value)`` of every ``dotted.path=VALUE``; values are YAML.

    Raises:
        SpecError: A text has no ``=``, an invalid path or an invalid value; it lists all.
    """
    faults: list[Fault] = []
    settings = []
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not _DOTTED_PATH.fullmatch(path.strip()):
            faults.append(
                Fault(f"{_SET} {text}", "write dotted.path=VALUE, such as budget.trials=12")
            )
            continue
        try:
            settings.append((tuple(path.strip().split(".")), read_yaml(value, _SET)))
        except SpecError as error:
            faults += [Fault(f"{_SET} {text}", fault.message) for fault in error.faults]
    if faults:
        raise SpecError(faults, "the command line")
    return settings


def lay_over(settings: object, path: tuple[str, ...], value: object) -> object:
    """Return a copy of ``settings`` with ``value`` at ``path``.

    Missing mappings are created. A number is the index of a list's item, from 0. A text along the
    path, such as the name of a preset, becomes ``{"preset": text}``.
    """
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(settings, list) and head.isdigit() and int(head) < len(settings):
        place = int(head)
        return [*settings[:place], lay_over(settings[place], rest, value), *settings[place + 1 :]]
    if isinstance(settings, str):
        settings = {"preset": settings}
    base = settings if isinstance(settings, dict) else {}
    return {**base, head: lay_over(base.get(head), rest, value)}


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


_NO_PATHS = frozenset({"none", "torchvision"})
"""Values of ``training.weights`` that are not paths."""
_PATH_SETTINGS = (
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
    for place in _PATH_SETTINGS:
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


SECRET_SETTINGS = ("tracking.uri", "resources.address", "target.command")
"""Settings that may contain ``${NAME}``, which is replaced at use."""


def secret_faults(settings: object, path: str = "") -> Iterator[Fault]:
    """Yield every setting with a password, and variables outside ``SECRET_SETTINGS``.

    A password in the spec would be stored with the sweep.
    """
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from secret_faults(value, f"{path}.{key}" if path else str(key))
    elif isinstance(settings, list | tuple):
        for number, value in enumerate(settings):
            yield from secret_faults(value, f"{path}.{number}")
    elif isinstance(settings, str):
        yield from _text_faults(settings, path)


def _text_faults(text: str, path: str) -> Iterator[Fault]:
    allowed = f"only {', '.join(SECRET_SETTINGS)} may name one"
    if has_plain_secret(text):
        yield Fault(
            path,
            "contains a password or a token, which would be stored with the sweep; put it into an "
            "environment variable and write the variable's name, as in "
            "postgresql://user:${DB_PASSWORD}@host/name"
            + ("" if path in SECRET_SETTINGS else f"; {allowed}"),
        )
    elif path not in SECRET_SETTINGS and (names := names_in(text)):
        yield Fault(
            path,
            f"names the environment variable {names[0]}; {allowed}; write the value itself",
        )
