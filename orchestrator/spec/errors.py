"""The error of an invalid spec, with all of its faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from search_spaces.faults import Fault


class SpecError(ValueError):
    """A spec is invalid; ``faults`` has every fault."""

    def __init__(self, faults: Iterable[Fault], source: str = "the spec") -> None:
        self.faults = tuple(faults)
        self.source = source
        count = f"{len(self.faults)} fault{'s' if len(self.faults) != 1 else ''}"
        lines = (f"  {fault.path}: {fault.message}" for fault in self.faults)
        super().__init__(redact("\n".join([f"{count} in {source}:", *lines])))

    def __reduce__(self) -> tuple[type[SpecError], tuple[tuple[Fault, ...], str]]:
        return type(self), (self.faults, self.source)
