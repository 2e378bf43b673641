"""Where a spec may name secrets of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.faults import Fault
from trainables.masking import names_in

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("tracking.uri", "resources.address", "target.command")
"""Settings that may hold ``${NAME}``: what they name is put in where they are used."""


def secret_faults(settings: object, path: str = "") -> Iterator[Fault]:
    """Yield every setting that names a variable of the environment though it may not."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            yield from secret_faults(value, f"{path}.{key}" if path else str(key))
    elif isinstance(settings, list | tuple):
        for number, value in enumerate(settings):
            yield from secret_faults(value, f"{path}.{number}")
    elif isinstance(settings, str) and path not in PLACES and (names := names_in(settings)):
        yield Fault(
            path,
            f"names the variable {names[0]} of the environment; only {', '.join(PLACES)} may, "
            "as secrets; write the value itself",
        )
