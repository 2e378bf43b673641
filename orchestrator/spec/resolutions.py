"""The resolutions at which a sweep's trials train and are scored."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.resolution import Resolution

if TYPE_CHECKING:
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import SearchSpace
    from trainables.config import TrainingConfig


def resolutions(space: SearchSpace) -> tuple[Resolution, ...]:
    """Return the resolutions that trials of the space may have, in the space's order."""
    choices = getattr(space["resolution"].domain, "choices", ())
    return tuple(Resolution.parse(choice) for choice in choices)


def decoded_resolutions(spec: SweepSpec) -> tuple[Resolution, ...]:
    """Return the resolutions that trials may have, those of baselines outside the space last."""
    given = (Resolution.parse(each.config["resolution"]) for each in spec.baselines)
    return tuple(dict.fromkeys([*resolutions(spec.space), *given]))


def largest_resolution(space: SearchSpace) -> Resolution:
    """Return the resolution of the space with the most pixels."""
    return max(resolutions(space), key=lambda each: each.height * each.width)


def scored_alike(spec: SweepSpec) -> TrainingConfig:
    """Return the training settings under which trials of every resolution compare.

    Unless the spec says at which resolution, all are scored at the largest one of the space.
    """
    if spec.training.eval_resolution is not None:
        return spec.training
    return replace(spec.training, eval_resolution=str(largest_resolution(spec.space)))
