"""What a configuration is known to cost before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.cost.macs import static_costs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from search_spaces.space import Config


def static_cost_model(num_classes: int) -> Callable[[Config], Mapping[str, float]]:
    """Return a function from a configuration to its ``params``, ``macs`` and ``flops``."""

    def costs(config: Config) -> Mapping[str, float]:
        found = static_costs(TrialConfig.from_mapping(config), num_classes)
        return {name: float(value) for name, value in found.items()}

    return costs
