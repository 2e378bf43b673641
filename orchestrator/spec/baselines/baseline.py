"""A named config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from search_spaces.domains import Value


@dataclass(frozen=True, kw_only=True, slots=True)
class Baseline:
    """A config that is trained before the searcher proposes one."""

    name: str
    """Its name in the report: one line, unique in the sweep."""
    config: Mapping[str, Value]
    """The whole config; valid, in the sweep's search space or not."""

    @property
    def digest(self) -> str:
        """Digest of its config, which identifies its trial."""
        return config_digest(self.config)


def names_by_digest(baselines: Iterable[Baseline]) -> dict[str, str]:
    """Return the names of the baselines by config digest, in the given order."""
    return {baseline.digest: baseline.name for baseline in baselines}
