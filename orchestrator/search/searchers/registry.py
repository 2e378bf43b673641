"""Searchers by the names that a spec gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.searchers.random_search import RandomSearcher
from orchestrator.search.searchers.tried_configs import TriedConfigs

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.search.searchers.base import Searcher
    from orchestrator.search.searchers.problem import SearchProblem


def make_searcher(name: str, problem: SearchProblem) -> Searcher:
    """Return a new searcher for ``problem`` of the kind called ``name``.

    It has seen the trials of earlier sweeps that the problem comes with.

    Raises:
        ValueError: there is no such searcher.
    """
    if name not in _MAKERS:
        raise ValueError(f"no searcher is called {name!r}; there are {', '.join(_MAKERS)}")
    searcher = _MAKERS[name](problem)
    for event in problem.earlier:
        searcher.observe(event)
    return searcher


def _random(problem: SearchProblem) -> Searcher:
    return RandomSearcher(TriedConfigs.of(problem), seed=problem.seed)


def _nsga2(problem: SearchProblem) -> Searcher:
    return _optuna(problem, "nsga2")


def _motpe(problem: SearchProblem) -> Searcher:
    return _optuna(problem, "motpe")


def _optuna(problem: SearchProblem, name: str) -> Searcher:
    # Optuna takes half a second to import, which the command line's help need not wait for.
    from orchestrator.search.searchers.optuna_search import (  # noqa: PLC0415
        SAMPLERS,
        OptunaSearcher,
    )

    return OptunaSearcher(
        TriedConfigs.of(problem),
        sampler=SAMPLERS[name],
        objectives=problem.objectives,
        constraints=problem.constraints,
        seed=problem.seed,
    )


def _cost_aware(problem: SearchProblem) -> Searcher:
    # SciPy's special functions and solvers are not needed by the command line's help either.
    from orchestrator.search.searchers.cost_aware import CostAwareSearcher  # noqa: PLC0415

    return CostAwareSearcher(problem, TriedConfigs.of(problem))


_MAKERS: dict[str, Callable[[SearchProblem], Searcher]] = {
    "random": _random,
    "cost-aware": _cost_aware,
    "nsga2": _nsga2,
    "motpe": _motpe,
}
