"""Ablation: effect of pruning and of quantization on the trials of a front."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from search_spaces.config import TrialConfig
from trainables.models.shape import shape_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.ledger.records import TrialRecord
    from search_spaces.domains import Value

REFERENCES = "reference_costs"
"""Fact of a ledger: costs of uncompressed configs by shape."""
FIGURES = ("miou", "macs", "bops", "latency_ms", "size_mb")
"""Compared metrics, in this order."""
_EQUAL_SETTINGS = ("arch", "backbone", "batch_size", "learning_rate")
"""Settings that are equal in trials that differ only in pruning; a cheap first filter."""
_TRAINING_OF_PRUNING = ("pruning", "pruning_ratio", "pruning_importance", "pruning_when")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A model between the uncompressed and the exported one."""

    name: str
    """Last compression: ``uncompressed``, ``structured 50 %``, ``ptq_int8``."""
    figures: Mapping[str, float | None]
    """Value of each of ``FIGURES`` after it; None if unknown."""
    source: str = ""
    """Source of the mIoU if it is not this trial's final one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """Compression steps of one trial of a front."""

    trial_id: str
    steps: tuple[Step, ...]
    """Two or three steps, from the uncompressed to the exported model."""

    def change(self, place: int, name: str) -> float | None:
        """Return the effect of step ``place`` >= 1: a difference of mIoU, else a ratio."""
        before, after = (self.steps[at].figures[name] for at in (place - 1, place))
        if before is None or after is None:
            return None
        if name == "miou":
            return after - before
        return after / before if before > 0 else None


def stages_of(config: TrialConfig) -> tuple[TrialConfig, ...]:
    """Return the config uncompressed, pruned, and as it is, without duplicates."""
    plain = replace(
        config,
        quantization="none",
        pruning="none",
        pruning_ratio=None,
        pruning_importance=None,
        pruning_when=None,
    )
    pruned = replace(config, quantization="none")
    return tuple(dict.fromkeys((plain, pruned, config)))


def needed_references(configs: Iterable[Mapping[str, Value]]) -> dict[str, TrialConfig]:
    """Return the configs, by shape, whose costs an ablation of ``configs`` needs."""
    return {
        shape_key(stage): stage
        for config in configs
        for stage in stages_of(TrialConfig.from_mapping(config))[:-1]
    }


def read_reference_costs(fact: object) -> dict[str, dict[str, float]]:
    """Return the costs by shape in a ledger's fact; empty if it is invalid."""
    if not isinstance(fact, dict):
        return {}
    return {str(key): _numbers(value) for key, value in fact.items() if isinstance(value, dict)}


def ablate(
    trials: Sequence[TrialRecord],
    front: Sequence[str],
    references: Mapping[str, Mapping[str, float]],
) -> tuple[Ablation, ...]:
    """Return the ablation of each compressed trial of ``front``, in its order.

    The mIoU before quantization is the float model's. The mIoU before pruning is that of a complete
    trial that differs only in pruning. Without one, it is the best of the epochs before pruning,
    which had less training.

    Args:
        trials: All trials.
        front: Ids of the trials on the front.
        references: Costs by shape.
    """
    complete = {trial.trial_id: trial for trial in trials if trial.state == "complete"}
    ablations = []
    for trial_id in front:
        trial = complete[trial_id]
        if not _compressed(trial.config):
            continue
        config = TrialConfig.from_mapping(trial.config)
        stages = stages_of(config)
        if len(stages) > 1:
            steps = tuple(_step(complete, config, trial, s, references) for s in stages)
            ablations.append(Ablation(trial_id=trial_id, steps=steps))
    return tuple(ablations)


def _step(
    complete: Mapping[str, TrialRecord],
    config: TrialConfig,
    trial: TrialRecord,
    stage: TrialConfig,
    references: Mapping[str, Mapping[str, float]],
) -> Step:
    costs = trial.metrics if stage == config else references.get(shape_key(stage), {})
    if stage == config:
        miou, source = trial.metrics.get("miou"), ""
    elif stage.pruning == config.pruning:
        miou, source = trial.metrics.get("float_miou"), "float model"
    else:
        miou, source = _before_pruning(complete, config, trial)
    figures = {name: _finite(costs.get(name)) for name in FIGURES} | {"miou": _finite(miou)}
    return Step(name=_name(stage, config), figures=figures, source=source)


def _before_pruning(
    complete: Mapping[str, TrialRecord], pruned: TrialConfig, trial: TrialRecord
) -> tuple[float | None, str]:
    unpruned = dict.fromkeys(_TRAINING_OF_PRUNING[1:], None)
    wanted = replace(pruned, pruning="none", **unpruned)  # type: ignore[arg-type]
    for trial_id, other in complete.items():
        if any(other.config.get(name) != trial.config.get(name) for name in _EQUAL_SETTINGS):
            continue  # parsing thousands of configs takes seconds
        config = TrialConfig.from_mapping(other.config)
        if replace(config, quantization=pruned.quantization) == wanted:
            metrics = other.metrics
            name = "miou" if config.quantization == "none" else "float_miou"
            if name in metrics:
                return metrics[name], f"trial {trial_id}"
    if pruned.pruning_when != "halfway" or not trial.history:
        return None, ""
    half = trial.history[-1][0] // 2
    before = [figures["miou"] for epoch, figures in trial.history if epoch <= half]
    return (max(before), f"before its pruning, epoch {half}") if before else (None, "")


def _compressed(config: Mapping[str, Value]) -> bool:
    return any(config.get(name, "none") != "none" for name in ("quantization", "pruning"))


def _name(stage: TrialConfig, final: TrialConfig) -> str:
    if stage.quantization != "none":
        return stage.quantization
    if stage.pruning != "none" and stage.pruning_ratio is not None:
        return f"{stage.pruning} {stage.pruning_ratio:.0%}".replace("%", " %")
    return "uncompressed" if stage != final else "as it ships"


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _numbers(values: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
