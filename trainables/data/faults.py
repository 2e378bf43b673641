"""Faults of a data set: which file, what is wrong with it, what to do."""

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
    """One thing wrong with a data set."""

    kind: FaultKind
    """What sort of fault it is; faults of one sort are shown together."""
    path: str
    """File, folder or setting at fault, as it is on disk (``str`` shows control characters)."""
    what: str
    """What is wrong, with the values found."""
    remedy: str
    """What to do about it."""

    def __str__(self) -> str:
        """Return one printable line: ``path: what; remedy``."""
        return f"{printable(self.path)}: {printable(self.what)}; {printable(self.remedy)}"


class DataError(ValueError):
    """A data set that cannot be used, with every fault found in it; survives pickling."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        """Keep ``faults``, at least one."""
        self.faults: tuple[Fault, ...] = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        """Return one line per fault."""
        return "\n".join(str(fault) for fault in self.faults)


def printable(text: str) -> str:
    r"""Return ``text`` with everything unprintable escaped: a newline becomes ``\n``.

    File names may hold control characters or bytes that are no text; shown raw they could forge
    lines of a report or steer a terminal.
    """
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
        for char in text
    )


def setting_fault(name: str, what: str, remedy: str) -> Fault:
    """Return the fault of setting ``data.<name>``."""
    return Fault(kind="setting", path=f"data.{name}", what=what, remedy=remedy)


def missing_folder(path: Path, remedy: str) -> Fault:
    """Return the fault of a folder that is not there, or is no folder."""
    what = "is a file, not a folder" if path.exists() else "there is no such folder"
    return Fault(kind="missing folder", path=str(path), what=what, remedy=remedy)
