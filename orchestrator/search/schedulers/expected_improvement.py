"""Early stopping by the expected hypervolume improvement of a trial and of new candidates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked
from orchestrator.search.schedulers.rungs import rung_reason
from orchestrator.search.searchers.base import TriedConfigs
from orchestrator.search.searchers.surrogate_state import TRIALS_IN_POOL, SurrogateState

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.asha import StoppingAsha
    from orchestrator.search.schedulers.base import Action, Decision
    from orchestrator.search.searchers.base import SearchProblem

MODEL_FROM = 20
"""Trials with an epoch from which on the surrogate model decides (measured in docs/adr/0004)."""
CANDIDATES_FROM = MODEL_FROM - TRIALS_IN_POOL
"""Trials after which candidates are drawn: those needed to fill the pool by ``MODEL_FROM``."""
MODEL_UNTIL = 400
"""Trials after which ASHA decides again, as decisions must stay cheap in large sweeps."""
MAX_RUNNING = 64
"""Running trials above which ASHA decides, for the same reason."""
MIN_RATIO = 0.5
"""Improvement per cost that a trial needs to continue, relative to the best candidate's (measured
in docs/adr/0003)."""


class ExpectedImprovementScheduler:
    """Stops a trial at a rung if a new candidate is expected to improve more per unit of cost.

    Both are measured by the expected hypervolume improvement at full training over all trials'
    results, per remaining cost, under a Gaussian process over all learning curves. So a trial with
    a slow start continues while similar trials might end well, and the leader of a rung is stopped
    if similar trials did not improve further. Where no full reference point is given, the trial
    with the best curve objective continues: hypervolume hardly values the most expensive trial.

    Falls back to multi-objective ASHA at the same rungs with few trials (earlier sweeps' included),
    in large sweeps and with many running trials.

    Source: Swersky, Snoek, Adams 2014, Freeze-Thaw Bayesian Optimization (trials against
    candidates); Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (rungs).
    """

    def __init__(self, asha: StoppingAsha, problem: SearchProblem) -> None:
        self._asha = asha
        self._seed = problem.seed
        self._max_epochs = problem.max_epochs
        self._tried = TriedConfigs.of(problem)
        self._surrogate = SurrogateState(problem, self._tried)
        self._small = problem.trials_to_learn_from < MODEL_FROM
        self._asked = 0
        if not self._small:
            for event in problem.earlier:
                self._surrogate.observe(event)

    def observe(self, event: SweepEvent) -> None:
        """Update the state by one event; events come in ledger order, each once."""
        self._asha.observe(event)
        if self._small or self._asked > MODEL_UNTIL:
            return
        in_space = self._surrogate.observe(event)
        if isinstance(event, TrialAsked):
            self._asked += 1
            if in_space and len(self._surrogate.observations.trials) > CANDIDATES_FROM:
                rng = np.random.default_rng((self._seed, event.number, 2))
                self._surrogate.refresh_candidates(rng)

    def decide(self, trial_id: str) -> Decision:
        """Return the decision on the trial whose epoch was observed last; changes no state."""
        decision = self._asha.decide(trial_id)
        if decision.rung is None or decision.rank is None or decision.of is None:
            return decision
        if self._asha.has_nan(trial_id) or (decision.rank == 1 and self._asha.keeps_best):
            return decision
        ratio = self._improvement_ratio(trial_id)
        if ratio is None:
            return decision
        action: Action = "continue" if ratio >= MIN_RATIO else "stop"
        why = (
            f"expected improvement per cost {ratio:.2g} of the best new candidate's, "
            f"{MIN_RATIO} is needed"
        )
        reason = rung_reason(action, decision.rung, decision.rank, decision.of, why)
        return replace(decision, action=action, reason=reason)

    def promote(self) -> str | None:
        """Return None, as no trial is ever paused."""
        return None

    def _improvement_ratio(self, trial_id: str) -> float | None:
        """Return a trial's improvement per cost over the best new candidate's.

        None where ASHA decides, or no new candidate is expected to improve.
        """
        observations = self._surrogate.observations
        trial = observations.trials.get(trial_id)
        if (
            trial is None
            or trial.failed
            or not trial.epoch
            or not self._surrogate.pool.configs
            or self._asked > MODEL_UNTIL
            or len(observations.observed) < MODEL_FROM
            or len(observations.running) > MAX_RUNNING
        ):
            return None
        acquisition = self._surrogate.acquisition(exclude=trial)
        ranked = self._surrogate.ranked_candidates(acquisition)
        best = next((score for score, config in ranked if self._tried.is_new(config)), 0.0)
        if not best > 0:
            return None
        remaining = max(1, self._max_epochs - trial.epoch) / self._max_epochs
        return acquisition.of_trial(trial, remaining) / best
