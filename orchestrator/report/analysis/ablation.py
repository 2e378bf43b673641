"""What pruning and quantization each brought to the trials on a front."""

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
"""Fact of a ledger that holds costs of configurations by their shape."""
FIGURES = ("miou", "macs", "bops", "latency_ms", "size_mb")
"""What is compared, in this order."""
_TELLING = ("arch", "backbone", "batch_size", "learning_rate")
"""Settings in which trials that differ in their pruning alone are the same."""
_TRAINING_OF_PRUNING = ("pruning", "pruning_ratio", "pruning_importance", "pruning_when")


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A model on its way from the uncompressed one to the one that ships."""

    name: str
    """What was done last: ``uncompressed``, ``structured 50 %``, ``ptq_int8``."""
    figures: Mapping[str, float | None]
    """Value of each of ``FIGURES`` after it; None where it is not known."""
    source: str = ""
    """Where the mIoU comes from, where it is not this trial's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """One compressed trial of a front, step by step."""

    trial_id: str
    steps: tuple[Step, ...]
    """The uncompressed model first, what ships last; two or three."""

    def change(self, place: int, name: str) -> float | None:
        """Return what step ``place`` >= 1 did to a figure: a difference of mIoU, else a ratio."""
        before, after = (self.steps[at].figures[name] for at in (place - 1, place))
        if before is None or after is None:
            return None
        if name == "miou":
            return after - before
        return after / before if before > 0 else None


def stages_of(config: TrialConfig) -> tuple[TrialConfig, ...]:
    """Return the configuration without compression, with its pruning, with all; each once."""
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
    """Return the configurations by shape whose cost an ablation of ``configs`` asks for."""
    return {
        shape_key(stage): stage
        for config in configs
        for stage in stages_of(TrialConfig.from_mapping(config))[:-1]
    }


def read_reference_costs(fact: object) -> dict[str, dict[str, float]]:
    """Return the costs by shape that a ledger's fact holds; none where it is torn."""
    if not isinstance(fact, dict):
        return {}
    return {str(key): _numbers(value) for key, value in fact.items() if isinstance(value, dict)}


def ablate(
    trials: Sequence[TrialRecord],
    front: Sequence[str],
    references: Mapping[str, Mapping[str, float]],
) -> tuple[Ablation, ...]:
    """Return what compression brought to each compressed trial of ``front``, in its order.

    The mIoU before quantization is that of the float model. The mIoU before pruning is that of the
    complete trial that differs in its pruning alone, where there is one; else the best one of the
    epochs before the pruning, which had less training.

    Args:
        trials: All trials.
        front: Identities of those on the front.
        references: Costs by shape.
    """
    known = {trial.trial_id: trial for trial in trials if trial.state == "complete"}
    found = []
    for trial_id in front:
        if not _compressed(known[trial_id].config):
            continue
        config = TrialConfig.from_mapping(known[trial_id].config)
        stages = stages_of(config)
        if len(stages) > 1:
            steps = tuple(_step(known, config, known[trial_id], s, references) for s in stages)
            found.append(Ablation(trial_id=trial_id, steps=steps))
    return tuple(found)


def _step(
    known: Mapping[str, TrialRecord],
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
        miou, source = _before_pruning(known, config, trial)
    figures = {name: _finite(costs.get(name)) for name in FIGURES} | {"miou": _finite(miou)}
    return Step(name=_name(stage, config), figures=figures, source=source)


def _before_pruning(
    known: Mapping[str, TrialRecord], own: TrialConfig, trial: TrialRecord
) -> tuple[float | None, str]:
    unpruned = dict.fromkeys(_TRAINING_OF_PRUNING[1:], None)
    wanted = replace(own, pruning="none", **unpruned)  # type: ignore[arg-type]
    for trial_id, other in known.items():
        if any(other.config.get(name) != trial.config.get(name) for name in _TELLING):
            continue  # parsing thousands would take seconds
        config = TrialConfig.from_mapping(other.config)
        if replace(config, quantization=own.quantization) == wanted:
            metrics = other.metrics
            name = "miou" if config.quantization == "none" else "float_miou"
            if name in metrics:
                return metrics[name], f"trial {trial_id}"
    if own.pruning_when != "halfway" or not trial.history:
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
