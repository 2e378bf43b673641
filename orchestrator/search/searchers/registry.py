"""Searchers by the names that a spec gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.searchers.base import TriedConfigs
from orchestrator.search.searchers.random_search import RandomSearcher
from orchestrator.spec.sweep_spec import DEFAULT_SEARCHER, searcher_names

if TYPE_CHECKING:
    from orchestrator.search.searchers.base import Searcher, SearchProblem


def make_searcher(name: str, problem: SearchProblem) -> Searcher:
    """Return a new searcher for ``problem``, which has observed the problem's earlier trials.

    Raises:
        ValueError: there is no such searcher.
    """
    if name not in searcher_names():
        raise ValueError(f"no searcher is called {name!r}; there are {', '.join(searcher_names())}")
    searcher = _make(name, problem, TriedConfigs.of(problem))
    for event in problem.earlier:
        searcher.observe(event)
    return searcher


def _make(name: str, problem: SearchProblem, tried: TriedConfigs) -> Searcher:
    # Importing Optuna takes half a second and SciPy's solvers are slow to import, too. The command
    # line's help needs neither.
    if name == DEFAULT_SEARCHER:
        from orchestrator.search.searchers.cost_aware import CostAwareSearcher  # noqa: PLC0415

        return CostAwareSearcher(problem, tried)
    if name == "random":
        return RandomSearcher(tried, seed=problem.seed)
    from orchestrator.search.searchers.optuna_search import (  # noqa: PLC0415
        SAMPLERS,
        OptunaSearcher,
    )

    return OptunaSearcher(
        tried,
        sampler=SAMPLERS[name],
        objectives=problem.objectives,
        constraints=problem.constraints,
        seed=problem.seed,
    )
