"""What is searched: all that searchers and schedulers are told before the first trial."""

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
    """All that may be known before the first trial."""

    space: SearchSpace
    """What may be tried."""
    objectives: Sequence[Objective]
    """What is wanted; the first one that is not known before training is learned over epochs."""
    seed: int = 0
    """Seed of all proposals, >= 0."""
    max_epochs: int = 1
    """Epochs of a full training, >= 1."""
    trials: int | None = None
    """Trials that the budget allows, >= 1; None without a limit."""
    constraints: Sequence[Constraint] = ()
    """Bounds on metrics."""
    known_cost: Callable[[Config], Mapping[str, float]] | None = None
    """Metrics of a configuration that need no training, computed in milliseconds."""
    reference_point: Mapping[str, float] = field(default_factory=dict)
    """Objective values beyond which nothing counts; missing ones are taken from the trials."""
    earlier: Sequence[SweepEvent] = field(default=(), repr=False)
    """Events of earlier sweeps' trials, learned from before the first trial of this one."""

    def __post_init__(self) -> None:
        """Refuse what no search can do.

        Raises:
            ValueError: there is no objective, or the seed is negative.
        """
        if not self.objectives:
            raise ValueError("a search needs at least one objective, none was given")
        if not self.seed >= 0:
            raise ValueError(f"the seed of a search must be 0 or more, got {self.seed}")

    @property
    def trials_to_learn_from(self) -> float:
        """Trials that there may be in the end, those of earlier sweeps among them; or infinity."""
        if self.trials is None:
            return math.inf
        return self.trials + self.earlier_trials

    @property
    def earlier_trials(self) -> int:
        """Number of trials of earlier sweeps."""
        return sum(isinstance(event, TrialAsked) for event in self.earlier)

    @property
    def unfinished(self) -> Sequence[str]:
        """Digests of earlier configurations that were not trained to an end of this problem."""
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
        """The first objective that ``known_cost`` does not give; the first one if it gives all."""
        if self.known_cost is None:
            return self.objectives[0]
        known = self.known_cost(self.space.sample(np.random.default_rng(0)))
        return next((o for o in self.objectives if o.name not in known), self.objectives[0])
