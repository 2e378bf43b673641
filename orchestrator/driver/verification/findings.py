"""One contradiction between the records of a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Place: TypeAlias = Literal["ledger", "scheduler", "searcher", "files", "ray", "mlflow"]
"""Where a contradiction was found; the ledger is what the others are compared with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """Something that cannot be true together with the rest."""

    place: Place
    subject: str
    """Trial, file or run it is about; ``sweep`` for the whole."""
    message: str
    """What is wrong, in words."""

    def __str__(self) -> str:
        return f"{self.place}: {self.subject}: {self.message}"
