"""Earlier sweeps as recorded in a tracking store."""

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
class EarlierTrial:
    """A trial of an earlier sweep that is complete or was stopped."""

    sweep_id: str
    trial_id: str
    params: Mapping[str, str]
    """Its config, values as text."""
    metrics: Mapping[str, float]
    """Its final metrics; a stopped trial may lack some."""
    complete: bool
    curve: tuple[tuple[int, float], ...] = ()
    """``(epoch, mIoU)`` in order of epochs, from 1."""
    epoch_seconds: float = math.nan
    """Duration of its last epoch; NaN if not recorded."""
    seconds: float = math.nan
    """Time from its proposal to its end; NaN if not recorded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EarlierSweep:
    """An earlier sweep."""

    sweep_id: str
    dataset_digest: str | None
    """Digest of its data set; None if not recorded."""
    spec_text: str | None
    """Its spec as YAML; None if not recorded."""
    experiment_id: str = field(repr=False)
    run_id: str = field(repr=False)


class SweepHistory(Protocol):
    """Reader of earlier sweeps; ``orchestrator.tracking.history.History`` implements it."""

    def sweeps(self) -> tuple[EarlierSweep, ...]:
        """Return all sweeps, the oldest first."""

    def trials(self, sweep: EarlierSweep) -> tuple[EarlierTrial, ...]:
        """Return the complete and the stopped trials of a sweep, in order of proposal."""


def recorded_settings(sweep: EarlierSweep) -> dict[str, Any] | None:
    """Return the spec of ``sweep`` as plain values; None if not recorded."""
    try:
        settings = yaml.safe_load(sweep.spec_text or "")
    except yaml.YAMLError:
        return None
    if not isinstance(settings, dict):
        return None
    if isinstance(settings.get("target"), dict):  # a former version may lack settings
        settings["target"] = {**asdict(TargetConfig()), **settings["target"]}
    return settings


def read_config(params: Mapping[str, str], space: SearchSpace) -> Config | None:
    """Return the point of ``space`` with these values as text; None if there is no such point."""
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
