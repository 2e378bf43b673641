"""The search problem: what searchers and schedulers are given before the first trial."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked, TrialEnded
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.constraints import Constraint
    from orchestrator.spec.objectives import Objective
    from search_spaces.space import Config, SearchSpace


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchProblem:
    """Space, objectives and limits of a search.

    Raises:
        ValueError: there is no objective, or the seed is negative.
    """

    space: SearchSpace
    """The search space."""
    objectives: Sequence[Objective]
    """The objectives, >= 1; the first one that ``known_cost`` lacks is the curve objective."""
    seed: int = 0
    """Seed of all proposals, >= 0."""
    max_epochs: int = 1
    """Epochs of a full training, >= 1."""
    trials: int | None = None
    """Trials of the budget, >= 1; None for no limit."""
    constraints: Sequence[Constraint] = ()
    """Bounds on metrics."""
    known_cost: Callable[[Config], Mapping[str, float]] | None = None
    """Metrics of a configuration that need no training, computed in milliseconds."""
    reference_point: Mapping[str, float] = field(default_factory=dict)
    """Reference values of objectives; missing ones are estimated from the trials."""
    earlier: Sequence[SweepEvent] = field(default=(), repr=False)
    """Events of earlier sweeps' trials, observed before the first trial."""

    def __post_init__(self) -> None:
        if not self.objectives:
            raise ValueError("a search needs at least one objective, none was given")
        if not self.seed >= 0:
            raise ValueError(f"the seed of a search must be 0 or more, got {self.seed}")

    @property
    def trials_to_learn_from(self) -> float:
        """Trials of the budget and of earlier sweeps; inf for no limit."""
        return math.inf if self.trials is None else self.trials + self.earlier_trials

    @property
    def earlier_trials(self) -> int:
        """Number of trials of earlier sweeps."""
        return sum(isinstance(event, TrialAsked) for event in self.earlier)

    @property
    def unfinished(self) -> Sequence[str]:
        """Digests of earlier configurations without a complete training for this problem."""
        complete = {
            event.trial_id
            for event in self.earlier
            if isinstance(event, TrialEnded) and event.state == "complete"
        }
        return [
            config_digest(event.config)
            for event in self.earlier
            if isinstance(event, TrialAsked) and event.trial_id not in complete
        ]

    @property
    def curve_objective(self) -> Objective:
        """The objective whose learning curve is modelled.

        It is the first one that ``known_cost`` does not give, or the first if it gives all.
        """
        if self.known_cost is None:
            return self.objectives[0]
        known = self.known_cost(self.space.sample(np.random.default_rng(0)))
        return next((o for o in self.objectives if o.name not in known), self.objectives[0])
