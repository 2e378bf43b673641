"""Secrets of a spec: named as environment variables, never written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.faults import Fault
from trainables.io.redaction import has_plain_secret, names_in

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("tracking.uri", "resources.address", "target.command")
"""Settings that may contain ``${NAME}``, which is replaced at use."""


def secret_faults(settings: object, path: str = "") -> Iterator[Fault]:
    """Yield every setting with a password, and variables outside ``PLACES``.

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
    if has_plain_secret(text):
        yield Fault(
            path,
            "contains a password or a token, which would be stored with the sweep; put it into an "
            "environment variable and write the variable's name, as in "
            "postgresql://user:${DB_PASSWORD}@host/name"
            + ("" if path in PLACES else f"; only {', '.join(PLACES)} may name one"),
        )
    elif path not in PLACES and (names := names_in(text)):
        yield Fault(
            path,
            f"names the environment variable {names[0]}; only {', '.join(PLACES)} may name one; "
            "write the value itself",
        )
