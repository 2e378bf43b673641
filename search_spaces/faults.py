"""What is wrong with an input, said with its place."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an input."""

    path: str
    """Dotted place in the input, such as ``space.learning_rate.low``; empty for the whole."""
    message: str
    """What was given, what is allowed, what to do."""

    def __str__(self) -> str:
        """Return ``path: message``."""
        return f"{self.path}: {self.message}" if self.path else self.message

    def below(self, prefix: str) -> Fault:
        """Return the same fault with its place below ``prefix``."""
        return Fault(join_path(prefix, self.path), self.message)


def join_path(prefix: str, path: str) -> str:
    """Return ``prefix.path``, or the one that is not empty."""
    return f"{prefix}.{path}" if prefix and path else prefix or path


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` with the nearest known name; empty where none is near."""
    near = difflib.get_close_matches(str(name).lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown_name(name: object, known: Iterable[str], *, kind: str = "name") -> str:
    """Return the message for ``name`` that is none of ``known``, with the nearest of them.

    A short list of names is given in full, a long one only where none is near.
    """
    names = tuple(known)
    hint = did_you_mean(name, names)
    listed = "" if hint and len(names) > 8 else "; allowed are " + ", ".join(names)
    return f"unknown {kind} {name!r}{hint}{listed}"
