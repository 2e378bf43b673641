"""Schedulers by the names that a spec gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.schedulers.asha import StoppingAsha
from orchestrator.schedulers.none import NoStopping
from orchestrator.schedulers.promoting_asha import PromotingAsha
from orchestrator.schedulers.ranking import Ranking
from orchestrator.schedulers.rungs import rung_epochs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.events import Objective
    from orchestrator.schedulers.base import Scheduler

DEFAULT_SCHEDULER = "mo-asha"
FINAL_SHARE = 1 / 2
"""Share of the trials that passes a rung of ``mo-asha`` in the end."""
_NAMES = ("mo-asha", "mo-asha-promote", "asha", "none")


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
    reference_point: Mapping[str, float] | None = None,
) -> Scheduler:
    """Return a new scheduler of the kind called ``name``.

    Args:
        name: ``mo-asha`` stops trials at rungs by all objectives, ``mo-asha-promote`` pauses them
            there, ``asha`` stops them by the first objective alone, ``none`` stops nothing.
        objectives: what is wanted, in the order of the spec; at least one.
        max_epochs: epochs of a full training, >= 1.
        grace_period: epochs of the first rung, >= 1.
        reduction_factor: one of so many trials passes a rung, > 1.
        reference_point: costs beyond which nothing counts; the rung's largest where there is none.

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
    ranking = Ranking(compared, max_epochs=max_epochs, reference_point=reference_point)
    if name == "mo-asha-promote":
        return PromotingAsha(compared, rungs, ranking=ranking, reduction_factor=reduction_factor)
    return StoppingAsha(
        compared,
        rungs,
        ranking=ranking,
        reduction_factor=reduction_factor,
        final_share=FINAL_SHARE if name == "mo-asha" else 0.0,
    )
