"""Optuna's samplers as searchers, by its ask-and-tell interface."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import optuna
from optuna.trial import TrialState as OptunaState

from orchestrator.ledger.events import TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.searchers.base import total_violation
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.search.searchers.base import TriedConfigs
    from orchestrator.spec.objectives import Constraint, Objective
    from search_spaces.domains import Domain, Value
    from search_spaces.space import Config, SearchSpace

RETRIES = 5
"""Further draws of the sampler after a tried or infeasible one, before a random one is taken."""


class SamplerFactory(Protocol):
    """Builds a fresh Optuna sampler."""

    def __call__(self, *, seed: int) -> optuna.samplers.BaseSampler:
        """Return a sampler whose randomness depends on ``seed`` alone."""


def nsga2_sampler(*, seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's NSGA-II with its defaults."""
    return optuna.samplers.NSGAIISampler(seed=seed)


def motpe_sampler(*, seed: int) -> optuna.samplers.BaseSampler:
    """Return Optuna's TPE, which is MOTPE for several objectives."""
    return optuna.samplers.TPESampler(seed=seed)


SAMPLERS: dict[str, SamplerFactory] = {"nsga2": nsga2_sampler, "motpe": motpe_sampler}


class OptunaSearcher:
    """Proposes samples of an Optuna sampler, given the trials observed so far.

    Each draw uses a new sampler, seeded by the sweep's seed and the trial's number, and a probe
    trial that ends as failed, which samplers ignore. So a proposal changes no state, and a replayed
    searcher proposes the same.

    A complete trial with finite objectives is reported as complete; a stopped one as pruned,
    without values; an infeasible one as pruned with a violated constraint; any other as failed.
    """

    def __init__(
        self,
        tried: TriedConfigs,
        *,
        sampler: SamplerFactory,
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        seed: int,
    ) -> None:
        self._tried = tried
        self._sampler = sampler
        self._objectives = tuple(objectives)
        self._constraints = tuple(constraints)
        self._seed = seed
        self._storage = _ProbingStorage()
        self._study = _create_study(self._storage, self._objectives)
        self._running: dict[str, optuna.Trial] = {}
        self._known: dict[str, dict[str, float]] = {}

    def propose(self, number: int) -> Config | None:
        """Return a new sample; None when every configuration has been tried."""
        for attempt in range(1 + RETRIES):
            config = self._probe(number, attempt)
            if self._tried.feasible_metrics(config, new=True) is not None:
                return config
        return self._tried.sample_new(np.random.default_rng((self._seed, number)))

    def observe(self, event: SweepEvent) -> None:
        """Call the study's ``ask`` for a trial that starts, its ``tell`` for one that ends."""
        if isinstance(event, TrialAsked):
            self._tried.add(event.config)
            self._known[event.trial_id] = dict(event.known)
            if not self._tried.space.faults(event.config):
                self._begin(event)
        elif isinstance(event, TrialProfiled):
            self._known.setdefault(event.trial_id, {}).update(event.metrics)
        elif isinstance(event, TrialEnded):
            self._end(event)

    def _probe(self, number: int, attempt: int) -> Config:
        with self._storage.probing():
            self._study.sampler = self._sampler(seed=_seed(self._seed, number, attempt))
            trial = self._study.ask()
            try:
                return suggest(trial, self._tried.space)
            finally:
                self._study.tell(trial, state=OptunaState.FAIL)

    def _begin(self, event: TrialAsked) -> None:
        """Add a running trial; asking lets the sampler mark it (NSGA-II: its generation)."""
        self._study.sampler = self._sampler(seed=_seed(self._seed, event.number, 0))
        self._study.enqueue_trial(_internal(event.config, self._tried.space))
        trial = self._study.ask()
        suggest(trial, self._tried.space)
        self._running[event.trial_id] = trial

    def _end(self, event: TrialEnded) -> None:
        metrics = {**self._known.pop(event.trial_id, {}), **event.metrics}
        trial = self._running.pop(event.trial_id, None)
        if trial is None:
            return
        values = [metrics.get(o.name, math.nan) for o in self._objectives]
        if event.state == "complete" and all(map(math.isfinite, values)):
            for constraint in self._constraints:
                trial.set_constraint(str(constraint), total_violation((constraint,), metrics))
            self._study.tell(trial, values)
        elif event.state == "infeasible":
            trial.set_constraint("infeasible", 1.0)
            self._study.tell(trial, state=OptunaState.PRUNED)
        elif event.state == "stopped":
            self._study.tell(trial, state=OptunaState.PRUNED)
        else:
            self._study.tell(trial, state=OptunaState.FAIL)


def suggest(trial: optuna.Trial, space: SearchSpace) -> Config:
    """Return the configuration that a trial suggests for the active dimensions."""
    config: Config = {}
    for dimension in space:
        if dimension.when.holds(config):
            config[dimension.name] = _suggest_value(trial, dimension.name, dimension.domain)
    return config


def _suggest_value(trial: optuna.Trial, name: str, domain: Domain) -> Value:
    match domain:
        case Float(low, high):
            return trial.suggest_float(name, low, high)
        case LogFloat(low, high):
            return trial.suggest_float(name, low, high, log=True)
        case Int(low, high):
            return trial.suggest_int(name, low, high)
        case LogInt(low, high):
            return trial.suggest_int(name, low, high, log=True)
        case Categorical():
            # Optuna compares choices by equality, and True equals 1, so it is given the indices.
            return domain.choices[trial.suggest_categorical(name, range(len(domain.choices)))]


def _internal(config: Config, space: SearchSpace) -> dict[str, Value]:
    """Return ``config`` as Optuna has it: categories by the indices of their choices."""
    internal: dict[str, Value] = {}
    for name, value in config.items():
        domain = space[name].domain
        internal[name] = (
            [(type(c), c) for c in domain.choices].index((type(value), value))
            if isinstance(domain, Categorical)
            else value
        )
    return internal


class _ProbingStorage(optuna.storages.InMemoryStorage):
    """In-memory storage that does not write the study's attributes while probing.

    NSGA-II writes each generation's parents there when it first needs them, so a probe would fix
    them for every later proposal.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_probing = False

    @contextmanager
    def probing(self) -> Iterator[None]:
        """Discard writes to the study's attributes until the context ends."""
        self._is_probing = True
        try:
            yield
        finally:
            self._is_probing = False

    def set_study_system_attr(self, study_id: int, key: str, value: object) -> None:
        """Write the attribute unless probing."""
        if not self._is_probing:
            super().set_study_system_attr(study_id, key, value)  # type: ignore[arg-type]


def _create_study(
    storage: optuna.storages.BaseStorage, objectives: Sequence[Objective]
) -> optuna.Study:
    """Create a study without Optuna's log line about it."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(
            storage=storage, directions=[objective.direction for objective in objectives]
        )
    finally:
        optuna.logging.set_verbosity(level)


def _seed(*parts: int) -> int:
    return int(np.random.SeedSequence(parts).generate_state(1)[0])
