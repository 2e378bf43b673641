"""Redaction of secrets, named by ``${NAME}`` or plain in an address, from all written text."""

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
"""Schemes whose authority ends at the first slash. Database drivers read everything before the last
``@`` as user and password."""
REDACTED = "***"
"""Replaces a secret that has no name."""
_SHORTEST = 4
"""Least length of a redacted value, characters. Shorter ones occur inside ordinary words."""
_names: dict[str, str] = {}
"""``${NAME}`` by each form of each registered secret."""


class SecretError(ValueError):
    """A setting names a variable that is not in the environment."""


def names_in(text: str) -> tuple[str, ...]:
    """Return the variables that ``text`` names, in order."""
    return tuple(_NAMED.findall(text))


def expand(text: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return ``text`` with its variables replaced by their values, and register these as secrets.

    Raises:
        SecretError: a variable is not set.
    """
    missing = sorted({name for name in names_in(text) if not environment.get(name)})
    if missing:
        raise SecretError(
            f"the spec names {', '.join('${' + name + '}' for name in missing)}, which the "
            "environment does not set; set it and try again"
        )
    for name in names_in(text):
        _register(name, environment[name])
    return _NAMED.sub(lambda match: environment[match.group(1)], text)


def redact(text: str) -> str:
    """Return ``text`` with every registered secret replaced by its ``${NAME}``.

    A plain password in an address becomes ``REDACTED``.
    """
    for value, name in sorted(_names.items(), key=lambda item: -len(item[0])):
        text = text.replace(value, name)
    return _ADDRESS.sub(_without_passwords, text) if "://" in text else text


def redact_values(text: str, environment: Mapping[str, str]) -> str:
    """Return ``text`` with the values of ``environment`` as ``${NAME}``, registering none of them.

    Short values stay, as in ``redact``.
    """
    forms = {form: name for name, value in environment.items() for form in _forms(value)}
    for value in sorted(forms, key=len, reverse=True):
        text = text.replace(value, "${" + forms[value] + "}")
    return text


def has_plain_secret(text: str) -> bool:
    """Whether an address in ``text`` has a plain password, token or key, not ``${NAME}``."""
    return any(True for match in _ADDRESS.finditer(text) for _ in _plain_secrets(match.group()))


def _without_passwords(match: re.Match[str]) -> str:
    address = match.group()
    for start, end in sorted(_plain_secrets(address), reverse=True):
        address = f"{address[:start]}{REDACTED}{address[end:]}"
    return address


def _plain_secrets(address: str) -> Iterator[tuple[int, int]]:
    """Yield start and end of each plain secret in an address."""
    scheme, _, rest = address.partition("://")
    begin = len(scheme) + 3
    ends = "/?#" if scheme.lower() in _WEB else "?#"
    authority = re.split(f"[{ends}]", rest, maxsplit=1)[0]
    userinfo, at, _ = authority.rpartition("@")
    user, colon, password = userinfo.partition(":")
    plain = at and colon and password and "/" not in user
    spans = [(begin + len(user) + 1, begin + len(userinfo))] if plain else []
    spans += [match.span(2) for match in _SECRET_PARAMETER.finditer(address)]
    for start, end in spans:
        if address[start:end] != REDACTED and not names_in(address[start:end]):
            yield start, end


def forget_secrets() -> None:
    """Unregister all secrets."""
    _names.clear()


def _register(name: str, value: str) -> None:
    forms = _forms(value)
    if forms:
        redact_logs()
    _names.update(dict.fromkeys(forms, "${" + name + "}"))


def _forms(value: str) -> tuple[str, ...]:
    """Return the spellings of a value: plain, in an address, in JSON and in Python."""
    if len(value) < _SHORTEST:
        return ()
    return (value, quote(value, safe=""), json.dumps(value)[1:-1], repr(value)[1:-1])


def redact_logs() -> None:
    """Redact every log record of this process when it is created; repeated calls do nothing."""
    make = logging.getLogRecordFactory()
    if getattr(make, "redacts", False):
        return

    def redacted(*arguments: object, **named: object) -> logging.LogRecord:
        record = make(*arguments, **named)
        try:
            record.msg, record.args = redact(record.getMessage()), ()
        except (TypeError, ValueError):  # a faulty record, which logging itself reports
            return record
        return record

    redacted.redacts = True  # type: ignore[attr-defined]
    logging.setLogRecordFactory(redacted)


def redact_ray_token(environment: Mapping[str, str] = os.environ) -> None:
    """Register the token that authenticates the processes of a Ray cluster."""
    path = environment.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token"
    tokens = [environment.get("RAY_AUTH_TOKEN", "")]
    with suppress(OSError, UnicodeDecodeError):
        tokens.append(Path(path).expanduser().read_text(encoding="utf-8").strip())
    for token in filter(None, tokens):
        _register("RAY_AUTH_TOKEN", token)
