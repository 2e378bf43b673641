"""Schedulers by the names that a spec gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.schedulers.asha import StoppingAsha
from orchestrator.schedulers.none import NoStopping
from orchestrator.schedulers.promoting_asha import PromotingAsha
from orchestrator.schedulers.ranking import Ranking
from orchestrator.schedulers.rungs import rung_epochs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.events import Objective
    from orchestrator.schedulers.base import Scheduler
    from orchestrator.searchers.problem import SearchProblem

DEFAULT_SCHEDULER = "prospect"
FINAL_SHARE = 1 / 2
"""Share of the trials that passes a rung of ``mo-asha`` in the end; of ``prospect`` likewise, where
its model does not decide."""
_NAMES = ("prospect", "mo-asha", "mo-asha-promote", "asha", "none")


def scheduler_names() -> tuple[str, ...]:
    """Return the names that ``make_scheduler`` knows, the default first."""
    return _NAMES


def make_scheduler(
    name: str,
    objectives: Sequence[Objective],
    *,
    max_epochs: int,
    grace_period: int = 1,
    reduction_factor: float = 3,
    problem: SearchProblem | None = None,
) -> Scheduler:
    """Return a new scheduler of the kind called ``name``.

    Args:
        name: ``prospect`` stops trials at rungs that promise little by a model of all learning
            curves, ``mo-asha`` by their standing in all objectives, ``mo-asha-promote`` pauses them
            there, ``asha`` stops them by the first objective alone, ``none`` stops nothing.
        objectives: what is wanted, in the order of the spec; at least one.
        max_epochs: epochs of a full training, >= 1.
        grace_period: epochs of the first rung, >= 1.
        reduction_factor: one of so many trials passes a rung, > 1.
        problem: what is searched: its reference point bounds what counts at a rung, and
            ``prospect``, which is ``mo-asha`` where it is None, makes its model of it.

    Raises:
        ValueError: there is no such scheduler, no objective, or a number out of its range.
    """
    if name not in _NAMES:
        raise ValueError(f"no scheduler is called {name!r}; there are {', '.join(_NAMES)}")
    if not objectives:
        raise ValueError("early stopping needs at least one objective, none was given")
    rungs = rung_epochs(
        grace_period=grace_period, reduction_factor=reduction_factor, max_epochs=max_epochs
    )
    if name == "none":
        return NoStopping()
    compared = objectives[:1] if name == "asha" else objectives
    bounds = None if problem is None else problem.reference_point
    ranking = Ranking(compared, max_epochs=max_epochs, reference_point=bounds)
    if name == "mo-asha-promote":
        return PromotingAsha(compared, rungs, ranking=ranking, reduction_factor=reduction_factor)
    stopping = StoppingAsha(
        compared,
        rungs,
        ranking=ranking,
        reduction_factor=reduction_factor,
        final_share=0.0 if name == "asha" else FINAL_SHARE,
    )
    if name == "prospect" and problem is not None and rungs:
        return _prospect(stopping, problem)
    return stopping


def _prospect(stopping: StoppingAsha, problem: SearchProblem) -> Scheduler:
    # SciPy's special functions and solvers are not needed by the command line's help.
    from orchestrator.schedulers.prospect import ProspectScheduler  # noqa: PLC0415

    return ProspectScheduler(stopping, problem)
