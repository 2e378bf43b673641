"""The networks that a sweep may build, and its resolutions."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from search_spaces.config import COMMON, TrialConfig, config_faults, pair_message
from search_spaces.domains import Categorical
from search_spaces.fields import without_inactive
from search_spaces.resolution import Resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.domains import Value
    from search_spaces.space import SearchSpace
    from trainables.config import TrainingConfig

PARTS = ("arch", "backbone", "width")
"""Settings by which the encoders of networks differ."""


def networks_of(spec: SweepSpec) -> tuple[TrialConfig, ...]:
    """Return a config of each network that the sweep may build, including its teacher.

    Networks count as different if a setting of ``PARTS`` differs. The smallest width represents a
    range of widths. Resolutions are not those of the sweep.
    """
    choices = [_values(spec.space, name) for name in PARTS]
    configs = [
        without_inactive({**dict(zip(PARTS, parts, strict=True)), "resolution": str(COMMON)})
        for parts in product(*choices)
        if pair_message(str(parts[0]), str(parts[1])) is None
    ]
    configs = [config for config in configs if not config_faults(config)]
    configs += [dict(baseline.config) for baseline in spec.baselines]
    networks = [TrialConfig.from_mapping(config) for config in configs]
    if spec.teacher is not None and spec.teacher.checkpoint is None:
        from trainables.distillation.teacher import teacher_config  # noqa: PLC0415 - imports torch

        networks.append(teacher_config(spec.teacher, COMMON))
    return tuple(dict.fromkeys(networks))


def _values(space: SearchSpace, name: str) -> Sequence[Value | None]:
    if name not in space.names:
        return (None,)
    domain = space[name].domain
    return domain.choices if isinstance(domain, Categorical) else (domain.low,)


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
