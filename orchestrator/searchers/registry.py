"""Searchers by the names that a spec gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.searchers.novelty import Novelty
from orchestrator.searchers.problem import SearchProblem
from orchestrator.searchers.random_search import RandomSearcher

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from orchestrator.events import Objective
    from orchestrator.gate import Constraint
    from orchestrator.searchers.base import Searcher
    from search_spaces.space import Config, SearchSpace

DEFAULT_SEARCHER = "cost-aware"


def make_searcher(
    name: str,
    space: SearchSpace,
    objectives: Sequence[Objective],
    *,
    seed: int = 0,
    max_epochs: int = 1,
    trials: int | None = None,
    constraints: Sequence[Constraint] = (),
    known_cost: Callable[[Config], Mapping[str, float]] | None = None,
    reference_point: Mapping[str, float] | None = None,
) -> Searcher:
    """Return a new searcher of the kind called ``name``.

    Args:
        name: one of ``searcher_names()``.
        space: what may be tried.
        objectives: what is wanted, in the order of the spec; at least one.
        seed: seed of all proposals, >= 0.
        max_epochs: epochs of a full training, >= 1.
        trials: trials that the budget allows, >= 1; None without a limit.
        constraints: bounds on metrics; those on known metrics are kept when proposing.
        known_cost: metrics of a configuration that need no training.
        reference_point: objective values beyond which nothing counts.

    Raises:
        ValueError: there is no such searcher, no objective, or a negative seed.
    """
    if name not in _MAKERS:
        raise ValueError(f"no searcher is called {name!r}; there are {', '.join(_MAKERS)}")
    if not objectives:
        raise ValueError("a search needs at least one objective, none was given")
    if not seed >= 0:
        raise ValueError(f"the seed of a search must be 0 or more, got {seed}")
    problem = SearchProblem(
        space=space,
        objectives=tuple(objectives),
        seed=seed,
        max_epochs=max_epochs,
        trials=trials,
        constraints=tuple(constraints),
        known_cost=known_cost,
        reference_point=dict(reference_point or {}),
    )
    return _MAKERS[name](problem)


def searcher_names() -> tuple[str, ...]:
    """Return the names that ``make_searcher`` knows."""
    return tuple(_MAKERS)


def _novelty(problem: SearchProblem) -> Novelty:
    return Novelty(problem.space, constraints=problem.constraints, known_cost=problem.known_cost)


def _random(problem: SearchProblem) -> Searcher:
    return RandomSearcher(_novelty(problem), seed=problem.seed)


def _nsga2(problem: SearchProblem) -> Searcher:
    return _optuna(problem, "nsga2")


def _motpe(problem: SearchProblem) -> Searcher:
    return _optuna(problem, "motpe")


def _optuna(problem: SearchProblem, name: str) -> Searcher:
    # Optuna takes half a second to import, which the command line's help need not wait for.
    from orchestrator.searchers.optuna_search import SAMPLERS, OptunaSearcher  # noqa: PLC0415

    return OptunaSearcher(
        _novelty(problem),
        sampler=SAMPLERS[name],
        objectives=problem.objectives,
        constraints=problem.constraints,
        seed=problem.seed,
    )


def _cost_aware(problem: SearchProblem) -> Searcher:
    # SciPy's special functions and solvers are not needed by the command line's help either.
    from orchestrator.searchers.cost_aware import CostAwareSearcher  # noqa: PLC0415

    return CostAwareSearcher(problem, _novelty(problem))


_MAKERS: dict[str, Callable[[SearchProblem], Searcher]] = {
    "random": _random,
    "cost-aware": _cost_aware,
    "nsga2": _nsga2,
    "motpe": _motpe,
}
