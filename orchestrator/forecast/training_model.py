"""A probabilistic model of trainings, and benchmarks drawn from it."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestrator.forecast.simulation.synthetic import decay
from orchestrator.search.searchers.encoding import Encoder
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

    from orchestrator.ledger.history import EarlierTraining
    from orchestrator.spec.objectives import Objective
    from search_spaces.space import Config, SearchSpace


class LinearModel:
    """A linear model whose weights are normal, before any data and after.

    Source: Bishop 2006, Pattern Recognition and Machine Learning, section 3.3.
    """

    def __init__(self, mean: ArrayLike, deviation: ArrayLike, *, noise: float) -> None:
        """Take the prior.

        Args:
            mean: Expected values of the k weights.
            deviation: Their standard deviations, > 0.
            noise: Standard deviation of a value around the prediction, > 0.
        """
        self.mean: NDArray[np.floating] = np.asarray(mean, dtype=np.float64)
        self.covariance: NDArray[np.floating] = np.diag(np.square(np.asarray(deviation, float)))
        self.noise = noise

    def fitted(self, rows: ArrayLike, values: ArrayLike) -> LinearModel:
        """Return the posterior after ``values`` at ``rows``; itself where there are none.

        With more values than weights the noise is estimated from the residuals.

        Args:
            rows: n x k features.
            values: n values.
        """
        given: NDArray[np.float64] = np.asarray(rows, dtype=np.float64)
        seen: NDArray[np.float64] = np.asarray(values, dtype=np.float64)
        if not len(seen):
            return self
        before = np.linalg.inv(self.covariance)
        precision = before + given.T @ given / self.noise**2
        after = LinearModel(self.mean, np.ones(len(self.mean)), noise=self.noise)
        after.covariance = np.linalg.inv(precision)
        pull = before @ self.mean + given.T @ seen / self.noise**2
        after.mean = after.covariance @ pull
        if len(seen) > len(self.mean):
            after.noise = max(float(np.std(seen - given @ after.mean)), 0.1 * self.noise)
        return after

    def drawn(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Return weights drawn from the distribution."""
        drawn: NDArray[np.float64] = rng.multivariate_normal(self.mean, self.covariance)
        return drawn


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


EPOCH_NOISE = 0.01
"""Standard deviation of the mIoU from epoch to epoch."""


class SampledBenchmark:
    """One draw of all unknown quantities of the trainings.

    Implements ``orchestrator.forecast.simulation.Benchmark``. Objectives besides mIoU that are
    neither a static cost nor the latency have no cost here and are left out.
    """

    def __init__(
        self,
        model: TrainingModel,
        objectives: Sequence[Objective],
        reference_point: Mapping[str, float],
        *,
        seed: int,
    ) -> None:
        """Draw the weights of all linear models from ``seed``."""
        rng = np.random.default_rng((7, seed))
        self._model = model
        self._encoder = Encoder(model.space)
        self._miou = model.miou.drawn(rng)
        self._seconds = model.seconds.drawn(rng)
        self._latency = model.latency.drawn(rng)
        self._half_life = model.half_life * math.exp(0.3 * rng.standard_normal())
        self.objectives = tuple(objectives)
        self.reference_point = reference_point
        self.max_epochs = model.setting.epochs
        self.full_training_seconds = 1.0

    @property
    def space(self) -> SearchSpace:
        """What may be tried."""
        return self._model.space

    @property
    def measurement_seconds(self) -> float:
        """Time of a trial on its lane besides the epochs, seconds."""
        return self._model.other_seconds

    def known(self, config: Config) -> dict[str, float]:
        """Return the static costs."""
        return dict(self._model.static(config))

    def measured(self, config: Config) -> dict[str, float]:
        """Return the latency that the trial measures."""
        noise = self._luck(config_digest(config), 1).standard_normal() * self._model.latency.noise
        row = cost_row(self._model.static(config)["macs"])
        return {"latency_ms": math.exp(float(np.dot(self._latency, row)) + noise)}

    def curve(self, config: Config, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mIoU after each epoch and the seconds to there, the rest of a trial first."""
        luck = self._luck(config_digest(config), seed)
        macs = self.known(config)["macs"]
        final = float(feature_row(self._encoder, self._inside(config), macs) @ self._miou)
        final += luck.standard_normal() * self._model.miou.noise
        epochs = self.max_epochs
        clean = decay(
            start=START,
            final=min(max(final, START), 0.95),
            epochs=epochs,
            half_life=self._half_life * epochs * math.exp(0.3 * luck.standard_normal()),
        )
        each = math.exp(
            float(np.dot(self._seconds, cost_row(macs)))
            + luck.standard_normal() * self._model.seconds.noise
        )
        values = np.clip(clean + EPOCH_NOISE * luck.standard_normal(epochs), 0.0, 1.0)
        return values, self._model.other_seconds + each * np.arange(1.0, epochs + 1)

    def _inside(self, config: Config) -> Config:
        """Return the part of a configuration that the space contains; all but for baselines."""
        names = self.space.names
        return {
            name: value
            for name, value in config.items()
            if name in names and self.space[name].domain.contains(value)
        }

    @staticmethod
    def _luck(digest: str, seed: int) -> np.random.Generator:
        return np.random.default_rng((int(digest, 16), seed))
