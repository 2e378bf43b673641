"""What a configuration is known to cost before anything is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.cost.macs import static_costs
from trainables.cost.shape import SHAPING_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from search_spaces.space import Config

KEPT_SHAPES = 10_000
"""Networks whose costs are kept."""


def static_cost_model(num_classes: int) -> Callable[[Config], Mapping[str, float]]:
    """Return a function from a configuration to its ``params``, ``macs``, ``flops`` and ``bops``.

    A searcher asks for hundreds of configurations a proposal, most of which differ in what shapes
    no network, so that the answer is kept by what does. Only a configuration that is the first of
    its shape is checked whole; it raises ValueError where it is not sound.
    """
    kept: dict[tuple[object, ...], dict[str, float]] = {}

    def costs(config: Config) -> Mapping[str, float]:
        shape = tuple(map(config.get, SHAPING_FIELDS))
        if shape not in kept:
            found = static_costs(TrialConfig.from_mapping(config), num_classes)
            if len(kept) > KEPT_SHAPES:
                kept.clear()
            kept[shape] = {name: float(value) for name, value in found.items()}
        return dict(kept[shape])

    return costs
