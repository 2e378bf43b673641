"""What a configuration is known to cost before anything is measured."""

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

KEPT_SHAPES = 10_000
"""Networks whose costs are kept, the latest asked for."""


class StaticCostModel:
    """Tells of a configuration its ``params``, ``macs``, ``flops`` and ``bops``.

    A searcher asks for hundreds of configurations a proposal, most of which differ in what shapes
    no network, so that only what does is looked at, and the answer kept by it. A copy in another
    process begins with none.
    """

    def __init__(self, num_classes: int) -> None:
        self._num_classes = num_classes
        self._of_shape = lru_cache(maxsize=KEPT_SHAPES)(self._count)

    def __call__(self, config: Config) -> Mapping[str, float]:
        """Return the costs, each as a float.

        Raises:
            ValueError: the configuration is not sound.
        """
        return dict(self._of_shape(*map(config.get, SHAPING_FIELDS)))

    def __reduce__(self) -> tuple[type[StaticCostModel], tuple[int]]:
        return type(self), (self._num_classes,)

    def _count(self, *shape: Value | None) -> dict[str, float]:
        config = TrialConfig.from_mapping(dict(zip(SHAPING_FIELDS, shape, strict=True)))
        costs = static_costs(config, self._num_classes)
        return {name: float(value) for name, value in costs.items()}
