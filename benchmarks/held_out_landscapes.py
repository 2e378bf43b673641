"""Landscapes that nothing was tuned on: does the default searcher hold elsewhere, too?

Searcher and scheduler were tuned on the benchmarks of ``search_efficiency.py``. These were written
after that and left as they were: networks on tables with power-law learning curves, cells of
operations as tabular NAS benchmarks have them, Hartmann's function in six dimensions with a bias
that fades over the epochs, the same with one epoch. Simulated sweeps of 8 lanes with a budget of 30
full trainings, or as told; hypervolume relative to a dense search.

Run: OMP_NUM_THREADS=1 python -m benchmarks.held_out_landscapes --seeds 10 --jobs 2
"""

from __future__ import annotations

import argparse
import json
import math
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from benchmarks.search_efficiency import (
    OURS,
    RIVALS,
    dense_reference,
    summary,
    sweep,
    sweep_options,
)
from orchestrator.forecast.simulation.run import results_in_order
from orchestrator.forecast.simulation.synthetic import noise
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from search_spaces.space import Config

    Array = NDArray[np.float64]


class PowerLaws:
    """A classifier on a table: error against parameters, waves upon what one would expect."""

    space = SearchSpace.of(
        batch_size=LogInt(16, 512),
        learning_rate=LogFloat(1e-4, 1e-1),
        momentum=Float(0.1, 0.99),
        weight_decay=LogFloat(1e-5, 1e-1),
        layers=Int(1, 5),
        units=LogInt(64, 1024),
        dropout=Float(0.0, 1.0),
    )
    objectives = (Objective("error", "minimize"), Objective("params", "minimize"))
    max_epochs = 52
    full_training_seconds = 100.0
    reference_point: ClassVar = {"error": 60.0, "params": 4e6}

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self._frequencies = 1.2 * rng.normal(size=(24, 7))
        self._phases = rng.uniform(0, 2 * math.pi, 24)
        self._weights = rng.normal(size=(2, 24)) / math.sqrt(12)

    def known(self, config: Config) -> dict[str, float]:
        """Return the parameters of a network that narrows towards its end."""
        width = np.linspace(float(config["units"]), 16, int(config["layers"]) + 1).round()
        return {"params": float(50 * width[0] + (width[:-1] * width[1:]).sum() + 160)}

    def final(self, config: Config) -> float:
        """Return the error after full training without luck, per cent."""
        place, waves, rate = self._place(config)
        size = math.log10(self.known(config)["params"])
        regular = 60 * max(0.0, place[3] - 0.75) ** 2 + 16 * max(0.0, place[6] - 0.55) ** 2
        expected = 18 + 30 * math.exp(-(size - 3.3) / 0.9) + 22 * rate**2 + regular
        return float(expected + 3 * waves[0])

    def curve(self, config: Config, seed: int) -> tuple[Array, Array]:
        """Return the error after each epoch and the seconds to there."""
        place, waves, rate = self._place(config)
        epochs, final = np.arange(1.0, self.max_epochs + 1), self.final(config)
        half = 2.2 * math.exp(0.8 * waves[1] - 1.6 * rate) * (1 + 1.2 * place[6])
        law = half / (half + epochs)
        values = final + (85 - final) * (law - law[-1])
        if place[1] + 0.5 * place[2] > 1.38:
            values = np.full(self.max_epochs, 85.0)
        luck = noise(seed, epochs=self.max_epochs, per_trial=0.6, per_epoch=1.0)
        size = math.log10(self.known(config)["params"])
        seconds = 0.6 + 0.5 * max(0.0, size - 4) + 10 / float(config["batch_size"])
        return np.clip(values + luck, 0, 100), seconds * epochs

    def _place(self, config: Config) -> tuple[Array, Array, float]:
        """Return the place in the unit cube, the waves there, how far the rate is too high."""
        logs = {"batch_size": (16, 512), "learning_rate": (1e-4, 1e-1), "units": (64, 1024)}
        logs["weight_decay"] = (1e-5, 1e-1)
        unit = {
            name: math.log(float(config[name]) / low) / math.log(high / low)
            for name, (low, high) in logs.items()
        }
        unit |= {"momentum": (float(config["momentum"]) - 0.1) / 0.89}
        unit |= {"layers": (int(config["layers"]) - 1) / 4, "dropout": float(config["dropout"])}
        place = np.array([unit[name] for name in self.space.names])
        waves = self._weights @ np.cos(self._frequencies @ place + self._phases)
        return place, waves, float(place[1] + 0.35 * place[2] - 0.3 * place[0] - 0.55)


class Cells:
    """Cells of six operations: accuracy against size and latency over two hundred epochs."""

    GAINS: ClassVar = {"none": -2.5, "skip": -0.3, "conv1": 0.8, "conv3": 2.2, "pool": -0.4}
    WEIGHTS: ClassVar = {"conv1": 0.11, "conv3": 1.0}
    EDGES = tuple(f"edge{i}" for i in range(6))
    space = SearchSpace.of(
        **dict.fromkeys(EDGES, Categorical("none", "skip", "conv1", "conv3", "pool")),
        cells=Categorical(1, 3, 5),
        width=Categorical(4, 8, 16),
        resolution=Categorical(0.25, 0.5, 1.0),
        learning_rate=LogFloat(1e-3, 1.0),
        weight_decay=LogFloat(1e-5, 1e-2),
        augmented=Categorical(True, False),
    )
    objectives = (
        Objective("accuracy", "maximize"),
        Objective("size_mb", "minimize"),
        Objective("latency", "minimize"),
    )
    max_epochs = 200
    full_training_seconds = 4000.0
    reference_point: ClassVar = {"accuracy": 50.0, "size_mb": 2.2, "latency": 0.03}

    def known(self, config: Config) -> dict[str, float]:
        """Return size and latency."""
        work = 0.4 + sum(self.WEIGHTS.get(str(config[edge]), 0.0) for edge in self.EDGES)
        depth, width = float(config["cells"]) / 5, float(config["width"]) / 16
        area = float(config["resolution"]) ** 1.7
        calls = 6e-4 * depth * sum(config[edge] != "none" for edge in self.EDGES)
        return {
            "size_mb": 0.02 + 0.3 * work * width**2 * depth,
            "latency": 0.002 + 0.004 * work * width**1.3 * depth * area + calls,
        }

    def final(self, config: Config) -> float:
        """Return the accuracy after full training without luck, per cent."""
        if all(config[self.EDGES[i]] == "none" for i in (0, 3, 5)):
            return 10.0
        strong = dict(zip(self.EDGES, (1.4, 0.7, 0.7, 1.4, 0.7, 1.4), strict=True))
        points = 72 + sum(strong[edge] * self.GAINS[str(config[edge])] for edge in self.EDGES)
        if config["edge5"] == "skip" and config["edge0"] in {"conv1", "conv3"}:
            points += 2.5
        points += 2.2 * math.log2(float(config["width"]))
        points += 1.8 * math.log2(float(config["cells"]) + 1)
        points += {0.25: -9.0, 0.5: -2.5, 1.0: 0.0}[float(config["resolution"])]
        points -= 4 * self._rate(config) ** 2
        points -= 1.5 * (math.log10(float(config["weight_decay"])) + 3.3) ** 2
        points += 1.5 if config["augmented"] else 0.0
        return 100 - 100 * math.exp(-points / 38) if points > 0 else 5.0

    def curve(self, config: Config, seed: int) -> tuple[Array, Array]:
        """Return the accuracy after each epoch and the seconds to there."""
        epochs, rate = np.arange(1.0, self.max_epochs + 1), self._rate(config)
        slow = 14 * 10 ** (-0.35 * rate) * (1.5 if config["augmented"] else 1.0)
        restless = 6 * max(0.0, rate + 0.4) * np.cos(epochs / self.max_epochs * math.pi / 2)
        values = self.final(config) * (1 - np.exp(-epochs / slow))
        values -= restless * (1 - np.exp(-epochs / 8))
        luck = noise(seed, epochs=self.max_epochs, per_trial=0.35, per_epoch=0.8)
        known = self.known(config)
        seconds = 6 + 300 * known["latency"] + 4 * known["size_mb"]
        return np.clip(values + luck, 0, 100), seconds * epochs

    @staticmethod
    def _rate(config: Config) -> float:
        return math.log10(float(config["learning_rate"])) + 1


class Hartmann:
    """Hartmann's function in six dimensions, against the sum of its arguments.

    Source: the function as in Picheny, Wagner, Ginsbourger 2013; early epochs see another one.
    """

    SHARPNESS = np.array(
        [
            [10, 3, 17, 3.5, 1.7, 8],
            [0.05, 10, 17, 0.1, 8, 14],
            [3, 3.5, 1.7, 10, 17, 8],
            [17, 8, 0.05, 10, 0.1, 14],
        ]
    )
    PLACES = 1e-4 * np.array(
        [
            [1312, 1696, 5569, 124, 8283, 5886],
            [2329, 4135, 8307, 3736, 1004, 9991],
            [2348, 1451, 3522, 2883, 3047, 6650],
            [4047, 8828, 8732, 5743, 1091, 381],
        ]
    )
    HEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
    space = SearchSpace.of(**dict.fromkeys((f"x{i}" for i in range(6)), Float(0.0, 1.0)))
    objectives = (Objective("value", "minimize"), Objective("cost", "minimize"))
    reference_point: ClassVar = {"value": 0.0, "cost": 6.0}

    def __init__(self, max_epochs: int) -> None:
        self.max_epochs = max_epochs
        self.full_training_seconds = float(max_epochs)

    def known(self, config: Config) -> dict[str, float]:
        """Return the sum of the arguments."""
        return {"cost": float(sum(float(config[name]) for name in self.space.names))}

    def final(self, config: Config) -> float:
        """Return the value at the end without luck."""
        return self._at(config, bias=0.0)

    def curve(self, config: Config, seed: int) -> tuple[Array, Array]:
        """Return the value after each epoch and the seconds to there."""
        epochs = np.arange(1.0, self.max_epochs + 1)
        early, late = self._at(config, bias=0.6), self.final(config)
        progress = (epochs - 1) / max(1, self.max_epochs - 1)
        values = early + (late - early) * progress
        if self.max_epochs > 1:
            values *= 1 - 0.6 * np.exp(-epochs / 6)
        else:
            values = np.array([late])
        luck = noise(seed, epochs=self.max_epochs, per_trial=0.02, per_epoch=0.05)
        return values + luck, (0.5 + 0.17 * self.known(config)["cost"]) * epochs

    def _at(self, config: Config, *, bias: float) -> float:
        place = np.array([float(config[name]) for name in self.space.names])
        distances = (self.SHARPNESS * (place - self.PLACES) ** 2).sum(axis=1)
        return -float((self.HEIGHTS - bias) @ np.exp(-distances))


LANDSCAPES: dict[str, PowerLaws | Cells | Hartmann] = {
    "power laws A": PowerLaws(1),
    "power laws B": PowerLaws(2),
    "cells": Cells(),
    "Hartmann, 27 epochs": Hartmann(27),
    "Hartmann, one epoch": Hartmann(1),
}


def main() -> None:
    """Print a line of JSON for every landscape."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    sweep_options(parser)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    for name, landscape in LANDSCAPES.items():
        reference = dense_reference(landscape, samples=8000, rounds=20)  # type: ignore[arg-type]
        found: dict[str, dict[str, float]] = {}
        best: float | None = None
        for method in (*RIVALS, OURS):
            asked = partial(sweep, benchmark=landscape, method=method, given=given)
            results = list(results_in_order(asked, range(given.seeds), jobs=given.jobs))
            others = [found[other]["hypervolume"] for other in found]
            best = max(others) if method == OURS else None
            found[method] = summary(results, reference, best)
        volumes = {method: round(f["hypervolume"], 3) for method, f in found.items()}
        ours, regret = found[OURS], 1 - max(v for m, v in volumes.items() if m != OURS)
        line = {
            "landscape": name,
            "hypervolume": volumes,
            "ours_error": ours["deviation"] / math.sqrt(given.seeds),
            "regret_ratio": (1 - volumes[OURS]) / regret if regret > 0 else None,
            "budget_share": ours["budget_share_to_the_best_others_final"],
            "started": ours["started"],
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
