"""Secrets, named by ``${NAME}`` or plain in an address, kept out of everything that is written."""

from __future__ import annotations

import json
import logging
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NAMED = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x20\"'<>`]+")
_SECRET_PARAMETER = re.compile(
    r"[?&;]([A-Za-z0-9_.-]*(?:password|passwd|pwd|secret|token|api_?key|access_?key|signature)"
    r"[A-Za-z0-9_.-]*)=([^&;#]+)",
    re.IGNORECASE,
)
_WEB = frozenset({"http", "https", "ws", "wss", "ray", "grpc"})
"""Schemes whose addresses have an authority that ends at the first slash; database drivers take
all before the last ``@``."""
HIDDEN = "***"
"""What stands in the place of a secret that has no name."""
_SHORTEST = 4
"""Shorter values are not masked: they would be found in the middle of words."""
_known: dict[str, str] = {}


class SecretError(ValueError):
    """A setting names a variable that is not in the environment."""


def names_in(text: str) -> tuple[str, ...]:
    """Return the variables that ``text`` names, in order."""
    return tuple(_NAMED.findall(text))


def expand(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return ``text`` with the variables it names put in; from now on their values are masked.

    Raises:
        SecretError: a variable is not set.
    """
    missing = sorted({name for name in names_in(text) if not environment.get(name)})
    if missing:
        raise SecretError(
            f"the spec names {', '.join('${' + name + '}' for name in missing)}, but the "
            "environment has no such variable; set it and try again"
        )
    for name in names_in(text):
        _keep(name, environment[name])
    return _NAMED.sub(lambda found: environment[found.group(1)], text)


def mask(text: str) -> str:
    """Return ``text`` with every secret that was put into a setting as the name it has there.

    A password that stands in an address as it is becomes ``HIDDEN``.
    """
    for value, name in sorted(_known.items(), key=lambda each: -len(each[0])):
        text = text.replace(value, name)
    return _ADDRESS.sub(_without_passwords, text) if "://" in text else text


def hide(text: str, environment: Mapping[str, str]) -> str:
    """Return ``text`` with the values of variables as ``${NAME}``; short ones stay, as in ``mask``.

    Unlike ``expand`` it does not change what ``mask`` replaces.
    """
    forms = {form: name for name, value in environment.items() for form in _forms(value)}
    for value in sorted(forms, key=len, reverse=True):
        text = text.replace(value, "${" + forms[value] + "}")
    return text


def holds_password(text: str) -> bool:
    """Whether an address in ``text`` holds a password, a token or a key as it is.

    One that is named by ``${NAME}`` counts for nothing.
    """
    return any(True for found in _ADDRESS.finditer(text) for _ in _secrets_of(found.group()))


def _without_passwords(found: re.Match[str]) -> str:
    address = found.group()
    for start, end in sorted(_secrets_of(address), reverse=True):
        address = f"{address[:start]}{HIDDEN}{address[end:]}"
    return address


def _secrets_of(address: str) -> Iterator[tuple[int, int]]:
    """Yield where in an address secrets stand that have no name, begin and end."""
    scheme, _, rest = address.partition("://")
    begin = len(scheme) + 3
    ends = "/?#" if scheme.lower() in _WEB else "?#"
    authority = re.split(f"[{ends}]", rest, maxsplit=1)[0]
    who, at, _ = authority.rpartition("@")
    user, colon, password = who.partition(":")
    plain = at and colon and password and "/" not in user
    spans = [(begin + len(user) + 1, begin + len(who))] if plain else []
    spans += [found.span(2) for found in _SECRET_PARAMETER.finditer(address)]
    for start, end in spans:
        if address[start:end] != HIDDEN and not names_in(address[start:end]):
            yield start, end


def forget() -> None:
    """Mask nothing any more."""
    _known.clear()


def _keep(name: str, value: str) -> None:
    forms = _forms(value)
    if forms:
        mask_logs()
    _known.update(dict.fromkeys(forms, "${" + name + "}"))


def _forms(value: str) -> tuple[str, ...]:
    """Return how a value may be written: as it is, in an address, in JSON and in Python."""
    if len(value) < _SHORTEST:
        return ()
    return (value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1])


def mask_logs() -> None:
    """Have every log record of this process masked as it is made; once is enough."""
    make = logging.getLogRecordFactory()
    if getattr(make, "masks", False):
        return

    def masked(*arguments: object, **named: object) -> logging.LogRecord:
        record = make(*arguments, **named)
        try:
            record.msg, record.args = mask(record.getMessage()), ()
        except (TypeError, ValueError):  # a faulty record; logging itself complains about it
            return record
        return record

    masked.masks = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(masked)


def mask_ray_token(environment: Mapping[str, str] = os.environ) -> None:
    """Mask the token by which the processes of a Ray cluster know each other."""
    place = environment.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    tokens = [environment.get("RAY_AUTH_TOKEN", "")]
    with suppress(OSError, UnicodeDecodeError):
        tokens.append(Path(place).expanduser().read_text(encoding="utf-8").strip())
    for token in filter(None, tokens):
        _keep("RAY_AUTH_TOKEN", token)
