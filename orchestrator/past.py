"""Earlier sweeps as a tracking store keeps them: which compare, and with what configurations."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Protocol

import yaml

from search_spaces.domains import Categorical, Int, LogInt
from trainables.config import TargetConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.tracking.history import PastSweep, PastTrial
    from search_spaces.domains import Domain, Value
    from search_spaces.space import Config, SearchSpace


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
