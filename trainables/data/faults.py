"""Faults of a data set, each with its path and a remedy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FaultKind: TypeAlias = Literal[
    "setting",
    "missing folder",
    "missing file",
    "no images",
    "unreadable image",
    "unreadable mask",
    "size mismatch",
    "too large",
    "unknown label",
    "unknown color",
    "unclear orientation",
    "link out of the root",
    "passed over",
    "folder loop",
    "several images",
    "several masks",
    "shared mask",
    "mask without an image",
    "no labelled pixel",
    "too few classes",
    "class lost to the ignored label",
    "empty class",
    "same image in both splits",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """One fault of a data set."""

    kind: FaultKind
    """Kind of the fault, by which reports are grouped."""
    path: str
    """File, folder or setting at fault, unescaped."""
    what: str
    """The fault, with the values in question."""
    remedy: str
    """How to correct it."""

    def __str__(self) -> str:
        """Return one printable line: ``path: what; remedy``."""
        return f"{printable(self.path)}: {printable(self.what)}; {printable(self.remedy)}"


class DataError(ValueError):
    """A data set that cannot be used, with all its faults; survives pickling."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Store ``faults``, at least one."""
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        """Return one line per fault."""
        return "\n".join(str(fault) for fault in self.faults)


def printable(text: str) -> str:
    r"""Return ``text`` with unprintable characters escaped: a newline becomes ``\n``.

    File names may hold control characters or invalid UTF-8, which could forge lines of a report or
    control a terminal.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def setting_fault(name: str, what: str, remedy: str) -> Fault:
    """Return the fault of setting ``data.<name>``."""
    return Fault(kind="setting", path=f"data.{name}", what=what, remedy=remedy)


def missing_folder(path: Path, remedy: str) -> Fault:
    """Return the fault of a folder that does not exist, or is a file."""
    what = "is a file, not a folder" if path.exists() else "there is no such folder"
    return Fault(kind="missing folder", path=str(path), what=what, remedy=remedy)
