"""Earlier sweeps as a tracking store keeps them: which compare, and with what configurations."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from search_spaces.domains import Categorical, Int, LogInt
from trainables.config import TargetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from search_spaces.domains import Domain, Value
    from search_spaces.space import Config, SearchSpace


@dataclass(frozen=True, kw_only=True, slots=True)
class PastTrial:
    """A trial of an earlier sweep that was trained to its end, or stopped early."""

    sweep_id: str
    trial_id: str
    params: Mapping[str, str]
    """Its configuration, values as text."""
    metrics: Mapping[str, float]
    """Its final figures; of a stopped one, as far as there are any."""
    complete: bool
    """Whether it was trained to its end."""
    curve: tuple[tuple[int, float], ...] = ()
    """``(epoch, mIoU)`` in order of epochs, from 1."""
    epoch_seconds: float = math.nan
    """Time of its last epoch; NaN where it was not kept."""
    seconds: float = math.nan
    """Time from its proposal to its end; NaN where it was not kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PastSweep:
    """An earlier sweep."""

    sweep_id: str
    dataset_digest: str | None
    """Digest of its data set; None where it was not kept."""
    spec_text: str | None
    """Its spec as YAML; None where it was not kept."""
    experiment_id: str = field(repr=False)
    run_id: str = field(repr=False)


class Past(Protocol):
    """Where earlier sweeps are read from; ``orchestrator.tracking.history.History`` is one."""

    def sweeps(self) -> tuple[PastSweep, ...]:
        """Return all sweeps, the oldest first."""

    def trials(self, sweep: PastSweep) -> tuple[PastTrial, ...]:
        """Return the complete and the stopped trials of a sweep, in order of proposal."""


def kept_settings(sweep: PastSweep) -> dict[str, Any] | None:
    """Return the settings that ``sweep`` was run with; None where they were not kept."""
    try:
        settings = yaml.safe_load(sweep.spec_text or "")
    except yaml.YAMLError:
        return None
    if not isinstance(settings, dict):
        return None
    if isinstance(settings.get("target"), dict):  # one of before a setting was added
        settings["target"] = {**asdict(TargetConfig()), **settings["target"]}
    return settings


def read_config(params: Mapping[str, str], space: SearchSpace) -> Config | None:
    """Return the point of ``space`` that texts describe; None where they describe none."""
    config: Config = {}
    for name in space.names:
        if name in params:
            value = _value(space[name].domain, params[name])
            if value is None:
                return None
            config[name] = value
    foreign = params.keys() - config.keys()
    return None if foreign or space.faults(config) else config


def _value(domain: Domain, text: str) -> Value | None:
    if isinstance(domain, Categorical):
        return next((choice for choice in domain.choices if str(choice) == text), None)
    try:
        return int(text) if isinstance(domain, Int | LogInt) else float(text)
    except ValueError:
        return None
