"""A configuration that has a name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from search_spaces.domains import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """A configuration that is tried before anything is searched."""

    name: str
    """What the report calls it, one line, unique in the sweep."""
    config: Mapping[str, Value]
    """The whole configuration; a sound one, in the sweep's space or not."""

    @property
    def digest(self) -> str:
        """What its trial is known by."""
        return config_digest(self.config)


def names_by_digest(baselines: Iterable[Baseline]) -> dict[str, str]:
    """Return the name of each baseline by the digest of its configuration, in their order."""
    return {baseline.digest: baseline.name for baseline in baselines}
