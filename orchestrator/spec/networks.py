"""The different networks of a sweep."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from search_spaces.config import COMMON, TrialConfig, config_faults, pair_message
from search_spaces.domains import Categorical
from search_spaces.fields import without_inactive
from trainables.distillation.teacher import teacher_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.domains import Value
    from search_spaces.space import SearchSpace

PARTS = ("arch", "backbone", "width")
"""Settings in which the encoders of networks differ."""


def networks_of(spec: SweepSpec) -> tuple[TrialConfig, ...]:
    """Return a configuration of each network that the sweep may build, its teacher's among them.

    Networks that differ in other settings than ``PARTS`` are told apart by none of them; of a range
    of widths the narrowest stands for all. Resolutions are not those of the sweep.
    """
    choices = [_values(spec.space, name) for name in PARTS]
    found = [
        without_inactive({**dict(zip(PARTS, each, strict=True)), "resolution": str(COMMON)})
        for each in product(*choices)
        if pair_message(str(each[0]), str(each[1])) is None
    ]
    networks = [TrialConfig.from_mapping(each) for each in found if not config_faults(each)]
    networks += [TrialConfig.from_mapping(each.config) for each in spec.baselines]
    if spec.teacher is not None and spec.teacher.checkpoint is None:
        networks.append(teacher_config(spec.teacher, COMMON))
    return tuple(dict.fromkeys(networks))


def _values(space: SearchSpace, name: str) -> Sequence[Value | None]:
    if name not in space.names:
        return (None,)
    domain = space[name].domain
    return domain.choices if isinstance(domain, Categorical) else (domain.low,)
