"""Settings of the command line that replace those of a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.spec.errors import SpecError
from orchestrator.spec.text.yaml_text import read_yaml
from search_spaces.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable

_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_SOURCE = "--set"


def read_overrides(texts: Iterable[str]) -> list[tuple[tuple[str, ...], object]]:
    """Return ``(path, value)`` of every ``dotted.path=VALUE``; values are YAML.

    Raises:
        SpecError: A text has no ``=``, an invalid path or an invalid value; it lists all.
    """
    faults: list[Fault] = []
    settings = []
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals or not _PATH.fullmatch(path.strip()):
            faults.append(
                Fault(f"{_SOURCE} {text}", "write dotted.path=VALUE, such as budget.trials=12")
            )
            continue
        try:
            settings.append((tuple(path.strip().split(".")), read_yaml(value, _SOURCE)))
        except SpecError as error:
            faults += [Fault(f"{_SOURCE} {text}", fault.message) for fault in error.faults]
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
