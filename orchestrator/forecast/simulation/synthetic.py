"""Synthetic benchmarks: formulas that behave like trainings, not records of any."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from orchestrator.spec.objectives import Objective
from search_spaces.conditions import Equals, OneOf
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from search_spaces.space import Config


def decay(
    *, start: float, final: float, epochs: int, half_life: float, power: float = 1.0
) -> NDArray[np.float64]:
    """Return a power law over epochs 1 to ``epochs`` that falls from ``start`` towards ``final``.

    At the last epoch it is exactly ``final``. ``half_life`` is the epoch by which the fall would be
    half done without an end; less is faster.
    """
    reached = 1.0 - (1.0 + np.arange(epochs + 1) / half_life) ** -power
    curve: NDArray[np.float64] = start + (final - start) * reached[1:] / reached[-1]
    return curve


def noise(seed: int, *, epochs: int, per_trial: float, per_epoch: float) -> NDArray[np.float64]:
    """Return what luck adds to a curve: one normal number a trial, one more for each epoch."""
    rng = np.random.default_rng(seed)
    shared: float = per_trial * rng.standard_normal()
    return shared + per_epoch * rng.standard_normal(epochs)


@dataclass(frozen=True, slots=True)
class Crossing:
    """A classifier's error against its parameters, with learning curves that cross.

    High learning rates lead early and end worse; large networks lead late and need regularisation,
    which in turn slows the start; too high a rate diverges.
    """

    space: SearchSpace = field(
        default=SearchSpace.of(
            learning_rate=LogFloat(1e-4, 1e-1),
            momentum=Float(0.1, 0.99),
            batch_size=LogInt(16, 512),
            weight_decay=LogFloat(1e-6, 1e-2),
            dropout=Float(0.0, 0.8),
            layers=Int(1, 5),
            width=LogInt(16, 1024),
        )
    )
    objectives: tuple[Objective, ...] = (
        Objective("error", "minimize"),
        Objective("params", "minimize"),
    )
    max_epochs: int = 50
    full_training_seconds: float = 100.0
    reference_point: Mapping[str, float] = field(
        default_factory=lambda: {"error": 0.22, "params": 4e5}
    )
    per_trial_noise: float = 0.004
    per_epoch_noise: float = 0.006

    def known(self, config: Config) -> dict[str, float]:
        """Return the number of parameters."""
        layers, width = int(config["layers"]), int(config["width"])
        return {"params": float(54 * width + (layers - 1) * width * width + 10 * width)}

    def final(self, config: Config) -> float:
        """Return the error after full training without noise, in [0, 1]."""
        size = math.log10(self.known(config)["params"])
        rate = self._rate(config) - (-1.6 - 0.15 * (size - 4))
        wanted = max(0.0, 0.35 * (size - 3.6))
        held = 0.9 * float(config["dropout"]) + 0.12 * (
            math.log10(float(config["weight_decay"])) + 6
        )
        error = 0.06 + 0.5 * math.exp(-(size - 2.7) / 0.75)
        error += 0.25 * max(0.0, rate) ** 2 + 0.10 * min(0.0, rate) ** 2
        error += 0.20 * max(0.0, wanted - held) ** 2 + 0.45 * max(0.0, held - wanted) ** 2
        error += 0.015 * (int(config["layers"]) - 2.5) ** 2
        return min(error, 0.9)

    def curve(self, config: Config, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the error after each epoch and the seconds to there."""
        size = math.log10(self.known(config)["params"])
        rate = self._rate(config)
        if rate > 0.1:
            clean = np.full(self.max_epochs, 0.9)
        else:
            slow = 10 ** (-0.55 * (rate + 1.6)) * (1 + 2.5 * float(config["dropout"]))
            half_life = 1.5 * slow * (1 + 0.35 * max(0.0, size - 4.5))
            clean = decay(
                start=0.9, final=self.final(config), epochs=self.max_epochs, half_life=half_life
            )
        luck = noise(
            seed,
            epochs=self.max_epochs,
            per_trial=self.per_trial_noise,
            per_epoch=self.per_epoch_noise,
        )
        per_epoch = 0.8 + 0.35 * max(0.0, size - 3.5) + 12.0 / float(config["batch_size"])
        return np.clip(clean + luck, 0.0, 1.0), per_epoch * np.arange(1.0, self.max_epochs + 1)

    @staticmethod
    def _rate(config: Config) -> float:
        batches = 0.5 * math.log10(64 / float(config["batch_size"]))
        return (
            math.log10(float(config["learning_rate"]))
            - math.log10(1 - float(config["momentum"]))
            + batches
        )


@dataclass(frozen=True, slots=True)
class Backbones:
    """A segmentation network's mIoU against FLOPs and latency, over a conditional space."""

    COST: ClassVar[Mapping[str, tuple[float, float, float]]] = {
        "resnet50": (25.0, 38.0, 0.74),
        "resnet18": (11.0, 15.0, 0.69),
        "mobilenet_v2": (3.2, 10.0, 0.67),
        "mobilenet_v3_large": (2.2, 9.0, 0.68),
        "mobilenet_v3_small": (0.7, 4.5, 0.60),
    }
    """GFLOPs and milliseconds at 224 pixels and stride 16, mIoU when all else is right."""

    space: SearchSpace = field(
        default=SearchSpace.of(
            arch=Categorical("deeplabv3", "deeplabv3plus"),
            backbone=Categorical(*COST),
            last_expansion=Categorical(True, False),
            output_stride=Categorical(8, 16, 32),
            resolution=Categorical(96, 128, 160, 192, 224, 256),
            optimizer=Categorical("adamw", "sgd"),
            learning_rate=LogFloat(1e-5, 1e-1),
            momentum=Float(0.5, 0.99),
            weight_decay=LogFloat(1e-6, 1e-2),
            schedule=Categorical("constant", "step", "cosine", "poly"),
            schedule_step_epochs=Int(2, 20),
            augmentation=Float(0.0, 1.0),
            dropout=Float(0.0, 0.5),
            batch_size=Categorical(4, 8, 16, 32),
            distill=Categorical(True, False),
            distill_alpha=Float(0.1, 0.9),
            temperature=LogFloat(1.0, 10.0),
        )
        .where("last_expansion", OneOf("backbone", "mobilenet_v3_large", "mobilenet_v3_small"))
        .where("momentum", Equals("optimizer", "sgd"))
        .where("schedule_step_epochs", Equals("schedule", "step"))
        .where("distill_alpha", Equals("distill", True))
        .where("temperature", Equals("distill", True))
    )
    objectives: tuple[Objective, ...] = (
        Objective("miou", "maximize"),
        Objective("gflops", "minimize"),
        Objective("latency_ms", "minimize"),
    )
    max_epochs: int = 30
    full_training_seconds: float = 300.0
    reference_point: Mapping[str, float] = field(
        default_factory=lambda: {"miou": 0.35, "gflops": 30.0, "latency_ms": 40.0}
    )
    per_trial_noise: float = 0.006
    per_epoch_noise: float = 0.008

    def known(self, config: Config) -> dict[str, float]:
        """Return GFLOPs and latency."""
        gflops, latency, _ = self.COST[str(config["backbone"])]
        area = (float(config["resolution"]) / 224) ** 2
        stride = {8: 2.6, 16: 1.0, 32: 0.65}[int(config["output_stride"])]
        head = {"deeplabv3": 1.3, "deeplabv3plus": 2.1}[str(config["arch"])]
        if config.get("last_expansion") is False:
            gflops, latency, head = gflops * 0.85, latency * 0.82, head * 0.6
        return {
            "gflops": area * (gflops * stride + head),
            "latency_ms": 1.2 + area**0.85 * (latency * stride**0.8 + 1.5 * head),
        }

    def final(self, config: Config) -> float:
        """Return the mIoU after full training without noise, in [0, 1]."""
        miou: float = self.COST[str(config["backbone"])][2]
        resolution, stride = float(config["resolution"]), int(config["output_stride"])
        miou -= 0.11 * (math.log2(256 / resolution)) ** 1.3
        miou -= {8: 0.0, 16: 0.012, 32: 0.05}[stride]
        miou += 0.02 if config["arch"] == "deeplabv3plus" else 0.0
        miou -= 0.015 if config.get("last_expansion") is False else 0.0
        miou -= 0.09 * min(2.0, abs(self._rate_error(config))) ** 1.7
        miou -= {"constant": 0.035, "step": 0.02, "cosine": 0.003, "poly": 0.0}[
            str(config["schedule"])
        ]
        if "schedule_step_epochs" in config:
            miou -= 0.0004 * (float(config["schedule_step_epochs"]) - 12) ** 2
        large = {"resnet50": 0.75, "resnet18": 0.6}.get(str(config["backbone"]), 0.45)
        miou -= 0.09 * (float(config["augmentation"]) - large) ** 2
        miou -= 0.12 * (float(config["dropout"]) - 0.3 * large) ** 2
        miou -= 0.006 * (math.log10(float(config["weight_decay"])) + 3.7) ** 2
        if config["distill"]:
            warm = math.log10(float(config["temperature"])) - 0.55
            miou += 0.035 - 0.16 * (float(config["distill_alpha"]) - 0.55) ** 2 - 0.05 * warm**2
        return max(0.02, miou)

    def curve(self, config: Config, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the mIoU after each epoch and the seconds to there."""
        slow = 10 ** (-0.5 * self._rate_error(config)) * (1 + 1.5 * float(config["augmentation"]))
        slow *= {"constant": 0.6, "step": 0.8, "cosine": 1.4, "poly": 1.1}[str(config["schedule"])]
        slow *= 0.75 if config["distill"] else 1.0
        clean = decay(
            start=0.02, final=self.final(config), epochs=self.max_epochs, half_life=2.2 * slow
        )
        luck = noise(
            seed,
            epochs=self.max_epochs,
            per_trial=self.per_trial_noise,
            per_epoch=self.per_epoch_noise,
        )
        seconds = 4.0 + 0.35 * self.known(config)["gflops"] + (1.5 if config["distill"] else 0.0)
        return np.clip(clean + luck, 0.0, 1.0), seconds * np.arange(1.0, self.max_epochs + 1)

    @staticmethod
    def _rate_error(config: Config) -> float:
        """Decades by which the learning rate is above what the optimizer and the batch want."""
        rate = math.log10(float(config["learning_rate"]))
        if config["optimizer"] == "sgd":
            rate += -math.log10(1 - float(config["momentum"])) - 1.9
        return rate + 3.0 - 0.4 * math.log2(float(config["batch_size"]) / 8) / math.log2(10)


@dataclass(frozen=True, slots=True)
class Rugged:
    """A random smooth landscape with much noise, in which nothing is as one would guess."""

    space: SearchSpace = field(
        default=SearchSpace.of(
            kind=Categorical("a", "b", "c", "d"),
            switch=Categorical(True, False),
            x0=Float(0.0, 1.0),
            x1=Float(0.0, 1.0),
            x2=Float(0.0, 1.0),
            x3=Float(0.0, 1.0),
            x4=LogFloat(1e-4, 1.0),
            depth=Int(1, 8),
            width=LogInt(8, 512),
            extra=Float(0.0, 1.0),
        ).where("extra", Equals("switch", True))
    )
    objectives: tuple[Objective, ...] = (
        Objective("loss", "minimize"),
        Objective("log_cost", "minimize"),
    )
    max_epochs: int = 27
    full_training_seconds: float = 27.0
    reference_point: Mapping[str, float] = field(
        default_factory=lambda: {"loss": 0.6, "log_cost": 0.0}
    )
    per_trial_noise: float = 0.012
    per_epoch_noise: float = 0.02
    waves: NDArray[np.float64] = field(
        default_factory=lambda: np.random.default_rng(2024).normal(size=(3, 40, 13)), repr=False
    )
    """Random frequencies: for the level, the speed and the drift of the curve."""

    def known(self, config: Config) -> dict[str, float]:
        """Return the decadic logarithm of the cost, in [-3, 0]."""
        size = math.log2(float(config["width"])) + 0.6 * float(config["depth"])
        size += {"a": 0.0, "b": 0.7, "c": 1.4, "d": 2.0}[str(config["kind"])]
        return {"log_cost": -3.0 + 3.0 * min(1.0, (size - 3.6) / 12.2)}

    def final(self, config: Config) -> float:
        """Return the loss after full training without noise, in [0, 1]."""
        size = self.known(config)["log_cost"] / 3 + 1
        level = self._wave(0, config)
        return float(np.clip(0.58 - 0.22 * size + 0.09 * level, 0.02, 1.0))

    def curve(self, config: Config, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the loss after each epoch and the seconds to there."""
        half_life = 2.5 * math.exp(0.9 * self._wave(1, config))
        clean = decay(
            start=0.95, final=self.final(config), epochs=self.max_epochs, half_life=half_life
        )
        progress = np.arange(1, self.max_epochs + 1) / self.max_epochs
        drift = 0.12 * self._wave(2, config) * progress * (1 - progress) * 4
        luck = noise(
            seed,
            epochs=self.max_epochs,
            per_trial=self.per_trial_noise,
            per_epoch=self.per_epoch_noise,
        )
        seconds: float = 0.6 + 0.9 * 10 ** (self.known(config)["log_cost"] / 3)
        values = np.clip(clean + drift + luck, 0.0, 1.0)
        return values, seconds * np.arange(1.0, self.max_epochs + 1)

    def _wave(self, which: int, config: Config) -> float:
        kind, switch = str(config["kind"]), bool(config["switch"])
        place = np.array(
            [
                *(1.2 * (kind == k) for k in "abcd"),
                1.0 * switch,
                *(2.2 * float(config[f"x{i}"]) for i in range(4)),
                0.55 * (math.log10(float(config["x4"])) + 4),
                0.15 * float(config["depth"]),
                0.2 * math.log2(float(config["width"])),
                1.5 * float(config.get("extra", 0.0)),
            ]
        )
        frequencies = self.waves[which]
        phases = 7.0 * np.sin(97.0 * frequencies[:, 0])
        return float(np.cos(0.45 * frequencies @ place + phases).sum() / math.sqrt(20))


crossing = Crossing()
backbones = Backbones()
rugged = Rugged()
