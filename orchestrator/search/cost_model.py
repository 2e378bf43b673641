"""Costs of a configuration that are computed without measuring."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.cost.macs import static_costs
from trainables.models.shape import SHAPING_FIELDS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.domains import Value
    from search_spaces.space import Config

CACHED_SHAPES = 10_000
"""Network shapes whose costs are cached, the most recently used."""


class StaticCostModel:
    """Computes ``params``, ``macs``, ``flops`` and ``bops`` of a configuration.

    A searcher scores hundreds of candidates per proposal, most of which share their network's shape
    with others. So costs are cached by the fields that shape the network. A pickled copy starts
    with an empty cache.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._of_shape = lru_cache(maxsize=CACHED_SHAPES)(self._count)

    def __call__(self, config: Config) -> Mapping[str, float]:
        """Return the costs for one image at the configuration's resolution.

        Raises:
            ValueError: the configuration is not valid.
        """
        return dict(self._of_shape(*map(config.get, SHAPING_FIELDS)))

    def __reduce__(self) -> tuple[type[StaticCostModel], tuple[int]]:
        return type(self), (self._num_classes,)

    def _count(self, *shape: Value | None) -> dict[str, float]:
        config = TrialConfig.from_mapping(dict(zip(SHAPING_FIELDS, shape, strict=True)))
        costs = static_costs(config, self._num_classes)
        return {name: float(value) for name, value in costs.items()}
