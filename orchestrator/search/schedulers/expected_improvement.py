"""Early stopping by what a model of all learning curves expects of a trial."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.ledger.events import TrialAsked
from orchestrator.search.searchers.candidates import TRIALS_IN_POOL
from orchestrator.search.searchers.surrogate_state import SurrogateState
from orchestrator.search.searchers.tried_configs import TriedConfigs

if TYPE_CHECKING:
    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.schedulers.asha import StoppingAsha
    from orchestrator.search.schedulers.base import Action, Decision
    from orchestrator.search.searchers.problem import SearchProblem

MODEL_FROM = 20
"""Trials with an epoch from which on the model decides."""
CANDIDATES_FROM = MODEL_FROM - TRIALS_IN_POOL
"""Trials asked for after which candidates are gathered: those that fill the pool until then."""
MODEL_UNTIL = 400
"""Trials from which on rungs decide again: a decision must stay cheap in large sweeps."""
MOST_RUNNING = 64
"""Running trials beyond which rungs decide, for the same reason."""
LEAST_PROMISE = 0.5
"""What a trial must promise to go on, in units of what the best candidate does."""


class ExpectedImprovementScheduler:
    """Stops a trial at a rung when something new promises more than it still does.

    A trial promises the hypervolume it is expected to add at its end, over what every trial reached
    so far, for the time that is left of it; a Gaussian process over all learning curves says how
    uncertain that is. So a trial that begins slowly goes on where nobody knows yet how such trials
    end, and one that leads at a rung is stopped where others have shown that it comes to nothing
    more. The first of a rung goes on all the same where no reference point says how dear a trial
    may be: it learned most, and hypervolume says little of what the dearest trial is worth.

    While few trials are known, of earlier sweeps or this one, and in large sweeps, multi-objective
    successive halving decides, whose rungs are judged at.

    Source: Swersky, Snoek, Adams 2014, Freeze-Thaw Bayesian Optimization (trials against
    candidates); Li et al. 2020, A System for Massively Parallel Hyperparameter Tuning (rungs).
    """

    def __init__(self, rungs: StoppingAsha, problem: SearchProblem) -> None:
        self._rungs = rungs
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
        """Take note of one event; events come in ledger order, each once."""
        self._rungs.observe(event)
        if self._small or self._asked > MODEL_UNTIL:
            return
        point = self._surrogate.observe(event)
        if isinstance(event, TrialAsked):
            self._asked += 1
            if point and self._surrogate.trials > CANDIDATES_FROM:
                self._surrogate.refresh_candidates(
                    np.random.default_rng((self._seed, event.number, 2))
                )

    def decide(self, trial_id: str) -> Decision:
        """Return what happens to the trial whose epoch was observed last; changes nothing."""
        standing = self._rungs.decide(trial_id)
        if standing.rung is None or self._rungs.is_broken(trial_id):
            return standing
        if standing.rank == 1 and self._rungs.spares_best:
            return standing
        promise = self._promise(trial_id)
        if promise is None:
            return standing
        action: Action = "continue" if promise >= LEAST_PROMISE else "stop"
        word = "went on" if action == "continue" else "stopped"
        return replace(
            standing,
            action=action,
            reason=(
                f"{word} at rung {standing.rung}: rank {standing.rank} of {standing.of}, promises "
                f"{promise:.2g} of what the best new candidate does, {LEAST_PROMISE} is needed"
            ),
        )

    def promote(self) -> str | None:
        """Return None, as nothing is ever paused."""
        return None

    def _promise(self, trial_id: str) -> float | None:
        """Return what a trial promises relative to the best untried candidate; None if unknown."""
        memory, pool = self._surrogate.memory, self._surrogate.pool
        trial = memory.trials.get(trial_id)
        if (
            trial is None
            or trial.failed
            or not trial.epoch
            or not pool.configs
            or self._asked > MODEL_UNTIL
            or self._surrogate.observations < MODEL_FROM
            or len(memory.running) > MOST_RUNNING
        ):
            return None
        promise = self._surrogate.promise(without=trial)
        ranked = self._surrogate.ranked(promise)
        best = next((score for score, config in ranked if self._tried.is_new(config)), 0.0)
        if not best > 0:
            return None
        left = max(1, self._max_epochs - trial.epoch) / self._max_epochs
        return promise.of_trial(trial, left) / best
