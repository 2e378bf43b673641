"""Where a spec may name secrets of the environment, and that it holds none itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.faults import Fault
from trainables.io.redaction import has_plain_secret, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("tracking.uri", "resources.address", "target.command")
"""Settings that may hold ``${NAME}``: what they name is put in where they are used."""


def secret_faults(settings: object, path: str = "") -> Iterator[Fault]:
    """Yield every setting that names a variable of the environment though it may not.

    So is every one with a password in an address: a sweep keeps its spec, to go on by it.
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
    if has_plain_secret(text):
        yield Fault(
            path,
            "holds a password or a token, which would be kept with the sweep; put it into a "
            "variable of the environment and name that in its place, as in "
            "postgresql://user:${DB_PASSWORD}@host/name"
            + ("" if path in PLACES else f"; only {', '.join(PLACES)} may"),
        )
    elif path not in PLACES and (names := names_in(text)):
        yield Fault(
            path,
            f"names the variable {names[0]} of the environment; only {', '.join(PLACES)} may, "
            "as secrets; write the value itself",
        )
