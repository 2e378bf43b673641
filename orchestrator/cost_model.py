"""What a configuration is known to cost before anything is measured."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.cost.macs import static_costs
from trainables.cost.shape import SHAPING_FIELDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from search_spaces.domains import Value
    from search_spaces.space import Config

KEPT_SHAPES = 10_000
"""Networks whose costs are kept, the latest asked for."""


def static_cost_model(num_classes: int) -> Callable[[Config], Mapping[str, float]]:
    """Return a function from a configuration to its ``params``, ``macs``, ``flops`` and ``bops``.

    A searcher asks for hundreds of configurations a proposal, most of which differ in what shapes
    no network, so that only what does is looked at, and the answer kept by it. ValueError is raised
    where it is not sound.
    """

    @lru_cache(maxsize=KEPT_SHAPES)
    def of_shape(*shape: Value | None) -> dict[str, float]:
        config = TrialConfig.from_mapping(dict(zip(SHAPING_FIELDS, shape, strict=True)))
        return {name: float(value) for name, value in static_costs(config, num_classes).items()}

    def costs(config: Config) -> Mapping[str, float]:
        return dict(of_shape(*map(config.get, SHAPING_FIELDS)))

    return costs
