"""Schedulers by the names that a spec gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.search.schedulers.asha import PromotingAsha, StoppingAsha
from orchestrator.search.schedulers.base import NoStopping
from orchestrator.search.schedulers.rungs import Ranking, rung_epochs
from orchestrator.spec.sweep_spec import current_scheduler, scheduler_names

if TYPE_CHECKING:
    from orchestrator.search.schedulers.base import Scheduler
    from orchestrator.search.searchers.base import SearchProblem

FINAL_SHARE = 1 / 2
"""Largest share of the trials that passes a rung of ``mo-asha``, and of ``expected-improvement``
where it falls back to it."""


def make_scheduler(
    name: str,
    problem: SearchProblem,
    *,
    grace_period: int = 1,
    reduction_factor: float = 3,
) -> Scheduler:
    """Return a new scheduler for ``problem``.

    Args:
        name: one of ``scheduler_names()`` or a former name. At a rung, ``expected-improvement``
            stops trials by their expected hypervolume improvement, ``mo-asha`` by their rank in all
            objectives, ``asha`` by the first objective; ``mo-asha-promote`` pauses them; ``none``
            stops nothing.
        problem: its objectives are compared, up to its reference point; ``expected-improvement``
            fits its surrogate model to it.
        grace_period: epochs of the first rung, >= 1.
        reduction_factor: about one of this many trials passes a rung, > 1.

    Raises:
        ValueError: there is no such scheduler, or a number is out of its range.
    """
    name = current_scheduler(name)
    if name not in scheduler_names():
        raise ValueError(
            f"no scheduler is called {name!r}; there are {', '.join(scheduler_names())}"
        )
    rungs = rung_epochs(
        grace_period=grace_period,
        reduction_factor=reduction_factor,
        max_epochs=problem.max_epochs,
    )
    if name == "none":
        return NoStopping()
    compared = problem.objectives[:1] if name == "asha" else problem.objectives
    ranking = Ranking(
        compared, max_epochs=problem.max_epochs, reference_point=problem.reference_point
    )
    if name == "mo-asha-promote":
        return PromotingAsha(compared, rungs, ranking=ranking, reduction_factor=reduction_factor)
    asha = StoppingAsha(
        compared,
        rungs,
        ranking=ranking,
        reduction_factor=reduction_factor,
        final_share=0.0 if name == "asha" else FINAL_SHARE,
    )
    if name == "expected-improvement" and rungs:
        # Importing SciPy's solvers is slow, and the command line's help does not need them.
        from orchestrator.search.schedulers.expected_improvement import (  # noqa: PLC0415
            ExpectedImprovementScheduler,
        )

        return ExpectedImprovementScheduler(asha, problem)
    return asha
