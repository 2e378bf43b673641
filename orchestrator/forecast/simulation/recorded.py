"""Benchmarks recorded from real sweeps."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.forecast.simulation.synthetic import noise
from orchestrator.search.searchers.encoding import Encoder
from orchestrator.spec.objectives import Objective
from search_spaces.config import TrialConfig
from search_spaces.parse import parse_space
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from search_spaces.space import Config, SearchSpace

    Array = NDArray[np.float64]

TREES = 60
LEAST_IN_LEAF = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """What a sweep that stopped nothing left behind."""

    about: str
    """Data, machine and settings in a sentence or two."""
    space: Mapping[str, Any]
    """The searched space as a spec writes it."""
    num_classes: int
    """Classes of the data set, >= 2."""
    configs: tuple[Config, ...]
    """One a trial."""
    miou: Array
    """trials x epochs."""
    epoch_seconds: Array
    """Mean duration of an epoch, one a trial, seconds."""

    @classmethod
    def read(cls, text: str) -> Recording:
        """Return the recording that ``to_json`` wrote."""
        raw = json.loads(text)
        return cls(
            about=raw["about"],
            space=raw["space"],
            num_classes=raw["num_classes"],
            configs=tuple(trial["config"] for trial in raw["trials"]),
            miou=np.array([trial["miou"] for trial in raw["trials"]]),
            epoch_seconds=np.array([trial["epoch_seconds"] for trial in raw["trials"]]),
        )

    def to_json(self) -> str:
        """Return the recording as text, a line a trial."""
        head = {"about": self.about, "space": self.space, "num_classes": self.num_classes}
        trials = ",\n".join(
            json.dumps(
                {
                    "config": config,
                    "miou": [round(float(value), 4) for value in curve],
                    "epoch_seconds": round(float(seconds), 3),
                }
            )
            for config, curve, seconds in zip(
                self.configs, self.miou, self.epoch_seconds, strict=True
            )
        )
        return f'{json.dumps(head)[:-1]}, "trials": [\n{trials}\n]}}\n'


@dataclass(frozen=True)
class Recorded:
    """A recorded sweep, asked between its trials with the help of a forest.

    FLOPs are counted, as in a real sweep. The learning curve of a configuration is the mean of what
    the trees of a forest grown on the recorded curves say, the duration of its epochs likewise;
    luck as large as the recorded curves are rough is added to every epoch.

    Source: Eggensperger et al. 2015, Efficient Benchmarking of Hyperparameter Optimizers via
    Surrogates; Geurts et al. 2006, Extremely Randomized Trees.
    """

    recording: Recording
    objectives: tuple[Objective, ...] = (
        Objective("miou", "maximize"),
        Objective("flops", "minimize"),
    )
    _cache: dict[str, tuple[Array, float]] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def space(self) -> SearchSpace:
        """What was searched."""
        space, faults = parse_space(dict(self.recording.space))
        if space is None:
            raise ValueError(f"the recorded space is faulty: {'; '.join(map(str, faults))}")
        return space

    @property
    def max_epochs(self) -> int:
        """Epochs that every recorded trial was trained for."""
        return int(self.recording.miou.shape[1])

    @cached_property
    def full_training_seconds(self) -> float:
        """Mean duration of a recorded trial, seconds."""
        return float(self.recording.epoch_seconds.mean()) * self.max_epochs

    @cached_property
    def reference_point(self) -> dict[str, float]:
        """The worse end of what was recorded."""
        costs = [self.known(config)["flops"] for config in self.recording.configs]
        return {"miou": 0.0, "flops": max(costs)}

    @cached_property
    def roughness(self) -> float:
        """Standard deviation of luck in an epoch, mIoU: second differences know no trend."""
        bends = np.diff(self.recording.miou[:, self.max_epochs // 3 :], n=2, axis=1)
        return float(np.median(np.abs(bends)) / 0.6745 / np.sqrt(6))

    def known(self, config: Config) -> dict[str, float]:
        """Return the FLOPs of one image."""
        # torch takes seconds to import, and a list of benchmarks does not need it.
        from trainables.cost.macs import static_costs  # noqa: PLC0415

        costs = static_costs(TrialConfig.from_mapping(config), self.recording.num_classes)
        return {"flops": float(costs["flops"])}

    def curve(self, config: Config, seed: int) -> tuple[Array, Array]:
        """Return the mIoU after each epoch and the seconds to there."""
        miou, seconds = self._expected(config)
        luck = noise(seed, epochs=self.max_epochs, per_trial=0.0, per_epoch=self.roughness)
        return np.clip(miou + luck, 0.0, 1.0), seconds * np.arange(1.0, self.max_epochs + 1)

    def final(self, config: Config) -> float:
        """Return the mIoU after full training without luck, in [0, 1]."""
        return float(self._expected(config)[0][-1])

    def ask(self, configs: Sequence[Config]) -> None:
        """Ask the forests of many configurations at once: one at a time takes 10 ms each."""
        digests = {config_digest(config): config for config in configs}
        new = {each: config for each, config in digests.items() if each not in self._cache}
        if not new:
            return
        rows = np.array([self._encoder.encode(config) for config in new.values()])
        curves = np.asarray(self._curves.predict(rows))
        paces = np.exp(np.asarray(self._pace.predict(rows)))
        for digest, miou, seconds in zip(new, curves, paces, strict=True):
            self._cache[digest] = (miou, float(seconds))

    def _expected(self, config: Config) -> tuple[Array, float]:
        digest = config_digest(config)
        if digest not in self._cache:
            self.ask([config])
        return self._cache[digest]

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self.space, self.known, ("flops",))

    @cached_property
    def _rows(self) -> Array:
        return np.array([self._encoder.encode(config) for config in self.recording.configs])

    @cached_property
    def _curves(self) -> Any:  # noqa: ANN401 - scikit-learn has no types
        return _forest().fit(self._rows, self.recording.miou)

    @cached_property
    def _pace(self) -> Any:  # noqa: ANN401 - as above
        return _forest().fit(self._rows, np.log(self.recording.epoch_seconds))


def _forest() -> Any:  # noqa: ANN401 - as above
    from sklearn.ensemble import ExtraTreesRegressor  # type: ignore[import-untyped] # noqa: PLC0415

    return ExtraTreesRegressor(TREES, min_samples_leaf=LEAST_IN_LEAF, random_state=0)


def camvid() -> Recorded:
    """Light segmentation models on CamVid, 3 architectures on 3 backbones at 3 resolutions."""
    folder = resources.files("orchestrator.forecast.simulation") / "recordings"
    return Recorded(Recording.read((folder / "camvid.json").read_text(encoding="utf-8")))
