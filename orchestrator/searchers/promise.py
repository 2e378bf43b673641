"""What a candidate promises for what it costs."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.hypervolume_gain import CostCells

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.searchers.cost_table import CostPredictor, CostTable
    from orchestrator.searchers.curve_model import CurveModel
    from orchestrator.searchers.trial_memory import TrialMemory

    Array = NDArray[np.float64]

PENDING = 64
"""Running trials that are taken into account, the latest ones."""
THRIFT = 0.5
"""Power of the expected seconds by which a gain is divided."""


class Promise:
    """The expected gain of hypervolume for the time it takes, as things stand when it is made.

    Running trials count as if they reached what is expected of them. Time is set against gain by
    its square root: a trial's cost is rarely all of it, as most are stopped, and dear trials are
    those from which the end of the front is made.
    """

    def __init__(
        self, memory: TrialMemory, model: CurveModel, costs: CostTable, pace: CostPredictor
    ) -> None:
        self._costs = costs
        self._pace = pace
        running = memory.running[-PENDING:]
        self._outlook, believed = model.believing(running)
        reached, reached_costs = costs.front()
        y = np.concatenate([model.squash(reached), believed])
        k = np.vstack([reached_costs, costs.of_trials(running)])
        self._cells = CostCells(*costs.box())
        self._best = self._cells.best(y, k, model.ceiling(costs.worst_learned))

    def of(self, vectors: Array, known: Sequence[Mapping[str, float]]) -> Array:
        """Return each candidate's gain for its time, -inf where a predicted constraint breaks."""
        mean, deviation = self._outlook.predict_final(vectors)
        costs, feasible = self._costs.of_candidates(vectors, known)
        gain = self._cells.gain(mean, deviation, costs, self._best)
        seconds = self._pace.predict(vectors)
        if not np.isnan(seconds).any():
            gain = gain / np.maximum(seconds, 1e-9) ** THRIFT
        return np.where(feasible, gain, -math.inf)
