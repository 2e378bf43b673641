"""Resolutions of a sweep's training and scoring."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.resolution import Resolution

if TYPE_CHECKING:
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import SearchSpace
    from trainables.config import TrainingConfig


def resolutions(space: SearchSpace) -> tuple[Resolution, ...]:
    """Return the resolutions of the space, in its order."""
    choices = getattr(space["resolution"].domain, "choices", ())
    return tuple(Resolution.parse(choice) for choice in choices)


def decoded_resolutions(spec: SweepSpec) -> tuple[Resolution, ...]:
    """Return the resolutions of all trials: those of the space, then those of baselines."""
    baselines = (Resolution.parse(each.config["resolution"]) for each in spec.baselines)
    return tuple(dict.fromkeys([*resolutions(spec.space), *baselines]))


def largest_resolution(space: SearchSpace) -> Resolution:
    """Return the resolution of the space with the most pixels."""
    return max(resolutions(space), key=lambda each: each.height * each.width)


def scored_alike(spec: SweepSpec) -> TrainingConfig:
    """Return the training settings with one ``eval_resolution`` for all trials.

    Without one in the spec, it is the largest resolution of the space.
    """
    if spec.training.eval_resolution is not None:
        return spec.training
    return replace(spec.training, eval_resolution=str(largest_resolution(spec.space)))
