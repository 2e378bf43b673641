"""A probabilistic model of trainings: mIoU, duration and latency of a configuration."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.linear_model import LinearModel
from orchestrator.forecast.simulation.curves import decay
from orchestrator.search.searchers.encoding import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from orchestrator.ledger.history.trainings import EarlierTraining
    from search_spaces.space import Config, SearchSpace

CPU_MACS = 2e10
"""Multiply-accumulates a second of one CPU core in training, guessed."""
GPU_MACS = 3e12
"""Multiply-accumulates a second of one GPU in training, guessed."""
PASSES = 3
"""Forward passes that a training step takes as long as."""
HALF_LIFE = 0.2
"""Share of the epochs after which half of the mIoU is reached, guessed."""
START = 0.02
OTHER_SECONDS = 5.0
"""Time of a trial on its lane besides the epochs, guessed."""
HALF_LIVES = tuple(np.geomspace(0.02, 3.0, 25))


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSetting:
    """What the model depends on besides the configuration."""

    epochs: int
    """Epochs of a full training, >= 1."""
    train_images: int
    val_images: int
    devices: float
    """CPU cores, or GPUs where there are any, of one lane; > 0."""
    on_gpu: bool
    target_threads: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingModel:
    """Linear models of mIoU, epoch duration and latency, and the shape of learning curves."""

    space: SearchSpace
    static: Callable[[Config], Mapping[str, float]]
    """Costs of a configuration that need no measurement: ``macs``, ``flops``, ``params``."""
    setting: TrainingSetting
    miou: LinearModel
    """Final mIoU over ``feature_row``."""
    seconds: LinearModel
    """Natural logarithm of an epoch's seconds over a one, the logarithm of GMACs."""
    latency: LinearModel
    """Natural logarithm of ``latency_ms`` over the same."""
    half_life: float
    """Share of the epochs after which half of the mIoU is reached, > 0."""
    other_seconds: float
    """Time of a trial on its lane besides the epochs, seconds."""
    basis: str
    """Source of the estimates, for the reader of a plan."""


def fit_training_model(
    space: SearchSpace,
    static: Callable[[Config], Mapping[str, float]],
    setting: TrainingSetting,
    past: Sequence[EarlierTraining] = (),
) -> TrainingModel:
    """Return the prior, updated by the trainings of earlier sweeps."""
    encoder = Encoder(space)
    inside = [each for each in past if not space.faults(each.config)]
    complete = [each for each in inside if each.complete]
    work = PASSES * setting.train_images + setting.val_images
    speed = setting.devices * (GPU_MACS if setting.on_gpu else CPU_MACS)
    seconds = LinearModel([math.log(work * 1e9 / speed), 0.7], [0.9, 0.15], noise=0.4)
    rate = CPU_MACS * setting.target_threads
    latency = LinearModel([math.log(1e3 * 1e9 / rate), 0.7], [0.9, 0.15], noise=0.3)
    miou = LinearModel(
        [0.35, 0.08, *[0.0] * encoder.width],
        [0.12, 0.05, *[0.06] * encoder.width],
        noise=0.03,
    )
    timed = [each for each in past if each.costs.get("latency_ms", 0.0) > 0]
    return TrainingModel(
        space=space,
        static=static,
        setting=setting,
        miou=miou.fitted(
            [feature_row(encoder, each.config, each.costs["macs"]) for each in complete],
            [max(each.curve) for each in complete],
        ),
        seconds=seconds.fitted(
            [cost_row(each.costs["macs"]) for each in past],
            [math.log(each.epoch_seconds) for each in past],
        ),
        latency=latency.fitted(
            [cost_row(each.costs["macs"]) for each in timed],
            [math.log(each.costs["latency_ms"]) for each in timed],
        ),
        half_life=_half_life([each.curve for each in complete if len(each.curve) > 2]),
        other_seconds=_median([each.other_seconds for each in past if each.complete]),
        basis=_basis(setting, past, complete),
    )


def cost_row(macs: float) -> list[float]:
    """Return a one with the natural logarithm of the GMACs."""
    return [1.0, math.log(max(macs, 1.0) / 1e9)]


def feature_row(encoder: Encoder, config: Config, macs: float) -> NDArray[np.float64]:
    """Return a one, the logarithm of the GMACs to base 10, the settings as numbers."""
    return np.array([1.0, math.log10(max(macs, 1.0) / 1e9), *encoder.encode(config)])


def _half_life(curves: Sequence[Sequence[float]]) -> float:
    """Return the share of the epochs whose curve is nearest to ``curves``."""
    if not curves:
        return HALF_LIFE

    def error(share: float) -> float:
        total = 0.0
        for curve in curves:
            own = decay(
                start=START, final=curve[-1], epochs=len(curve), half_life=share * len(curve)
            )
            total += float(np.square(own - np.asarray(curve)).mean())
        return total

    return float(min(HALF_LIVES, key=error))


def _median(seconds: Sequence[float]) -> float:
    return statistics.median(seconds) if seconds else OTHER_SECONDS


def _basis(
    setting: TrainingSetting, past: Sequence[EarlierTraining], complete: Sequence[EarlierTraining]
) -> str:
    device = "GPU" if setting.on_gpu else "CPU core"
    rate = GPU_MACS if setting.on_gpu else CPU_MACS
    guess = (
        f"{rate / 1e9:g} GMAC/s in training for each {device}, a final mIoU of 0.35 +- 0.12 at "
        f"1 GMAC with 0.08 more for ten times as much, half of it after {HALF_LIFE:.0%} of the "
        f"epochs"
    )
    if not past:
        return f"no earlier sweep on this data; estimated without one: {guess}"
    sweeps = len({each.sweep_id for each in past})
    text = f"{len(past)} trainings of {sweeps} earlier sweep(s) on this data"
    if len(complete) < 10:
        text += f", {len(complete)} of them complete in this space, laid over guesses: {guess}"
    return text
