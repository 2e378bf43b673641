"""The different networks that a sweep may build."""

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
        networks.append(teacher_config(spec.teacher, COMMON))
    return tuple(dict.fromkeys(networks))


def _values(space: SearchSpace, name: str) -> Sequence[Value | None]:
    if name not in space.names:
        return (None,)
    domain = space[name].domain
    return domain.choices if isinstance(domain, Categorical) else (domain.low,)
