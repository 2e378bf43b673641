"""Faults of an input with their paths."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of an input."""

    path: str
    """Dotted path, such as ``space.learning_rate.low``; empty for the whole input."""
    message: str
    """What was given, what is allowed, what to do."""

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message

    def below(self, prefix: str) -> Fault:
        """Return the same fault with ``prefix`` before its path."""
        return Fault(join_path(prefix, self.path), self.message)


def join_path(prefix: str, path: str) -> str:
    """Return ``prefix.path``, or the part that is not empty."""
    return f"{prefix}.{path}" if prefix and path else prefix or path


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` with the closest known name; empty without a close one."""
    near = difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown_name(name: object, known: Iterable[str], *, kind: str = "name") -> str:
    """Return the message for a ``name`` that is not in ``known``, with the closest known name.

    More than eight known names are listed only if none is close.
    """
    names = tuple(known)
    hint = did_you_mean(name, names)
    listed = "" if hint and len(names) > 8 else "; allowed are " + ", ".join(names)
    return f"unknown {kind} {name!r}{hint}{listed}"
