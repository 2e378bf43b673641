"""Trial-to-trial time of warm lanes against what people run today, all in one run.

    python benchmarks/trial_overhead.py [--trials 20] [--plain-trials 4] [--out FILE.json]

A trial-to-trial time is the time from the end of one trial to the end of the next on one lane.
Ways: ``lanes`` (segsweep's own), ``plain`` (Ray's guide: a Tune trial that calls
``TorchTrainer.fit()``), ``reuse`` (a Tune function trainable with ``reuse_actors``, which trains in
the Tune actor itself and so has one process and no DDP). Trials: ``no-op`` and ``one epoch`` (the
smallest model of the space on 16 generated images).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
import torch
from ray import train, tune
from ray.train.torch import TorchTrainer

from cluster.capacity.packing import LaneShape
from cluster.start.connection import connected
from orchestrator.lanes.pool import LanePlan, LanePool
from orchestrator.lanes.tune_adapters import config_of
from orchestrator.lanes.tune_session import TUNE_SETTINGS, lane_trainable
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.session.messages import TrialDone, TrialTask
from trainables.trial import run_trial

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from search_spaces.domains import Value
    from trainables.session.messages import LaneTask, TrialMessage
    from trainables.session.session import TrialSession

CONFIG: dict[str, Value] = {
    "arch": "deeplabv3plus",
    "backbone": "mobilenet_v3_small",
    "last_expansion": False,
    "output_stride": 32,
    "resolution": "32x64",
    "batch_size": 8,
}


@dataclass
class BareSession:
    """A session without a sweep around it."""

    rank: int
    world_size: int
    device: torch.device

    def report(self, message: TrialMessage) -> None:
        """Drop the message."""

    def synchronize(self) -> None:
        """Exchange nothing."""

    def should_stop(self) -> bool:
        """Never stop."""
        return False

    def measuring(self, *, pause: bool = True) -> AbstractContextManager[None]:  # noqa: ARG002
        """Measure beside whatever runs."""
        return nullcontext()


def no_op(task: TrialTask, _session: TrialSession) -> TrialDone:
    """Do nothing at all."""
    return TrialDone(trial_id=task.trial_id, state="complete", reason="", metrics={})


def run(task: LaneTask, session: TrialSession) -> TrialDone:
    """Do the trial's work: nothing, or one epoch."""
    if not isinstance(task, TrialTask):
        raise TypeError(f"this benchmark has trials alone, got {task}")
    return no_op(task, session) if task.epochs == 0 else run_trial(task, session)


def tasks(count: int, epochs: int, folder: Path) -> list[TrialTask]:
    """Return so many trials; those with 0 epochs are no-ops."""
    first = TrialTask(
        sweep_id="benchmark",
        trial_id="",
        config=dict(CONFIG),
        seed=0,
        epochs=epochs,
        data=DataConfig(synthetic_train_images=16, synthetic_val_images=4),
        training=TrainingConfig(sample_images=0, threads=1),
        target=TargetConfig(warmup=1, repeats=3),
        cache_dir=str(folder / "cache"),
        output_dir="",
    )
    return [
        replace(first, trial_id=f"b{i}", output_dir=str(folder / "trials" / f"b{epochs}-{i}"))
        for i in range(count)
    ]


_TICKET = "benchmark"


class Ends(tune.Callback):
    """Notes when each Tune trial was complete."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_trial_complete(self, *_: object, **__: object) -> None:
        """Note the time."""
        self.times.append(time.perf_counter())

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.times = []


def through_tune(
    trainable: Any,  # noqa: ANN401 - whatever Tune takes
    space: dict[str, Any],
    folder: Path,
    *,
    reuse: bool,
) -> list[float]:
    """Return the trial-to-trial times of all of ``space``, one after the other, seconds."""
    ends = Ends()
    tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(max_concurrent_trials=1, reuse_actors=reuse),
        run_config=tune.RunConfig(
            name=f"tune{time.time_ns()}", storage_path=str(folder), callbacks=[ends], verbose=0
        ),
    ).fit()
    return [after - before for before, after in zip(ends.times, ends.times[1:], strict=False)]


def lanes(todo: list[TrialTask], folder: Path, workers: int) -> list[float]:
    """Time trials that pass through one warm lane under Tune."""
    plan = LanePlan(lanes=1, shape=LaneShape(workers=workers))
    storage = str(folder / "lanes")
    with LanePool(plan, storage=storage, quiet_path=str(folder / "quiet"), runner=run) as pool:
        packed = [config_of(task, _TICKET)["task"] for task in todo]
        space = {"task": tune.grid_search(packed), "ticket": _TICKET}
        return through_tune(lane_trainable(pool.broker), space, folder, reuse=True)


def plain(todo: list[TrialTask], folder: Path, workers: int) -> list[float]:
    """Time trials of which each starts a ``TorchTrainer`` of its own."""

    def loop(config: dict[str, Any]) -> None:
        context = train.get_context()
        device = ray.train.torch.get_device()
        session = BareSession(context.get_world_rank(), context.get_world_size(), device)
        run(config["task"], session)
        train.report({"done": 1})

    def trial(config: dict[str, Any]) -> None:
        TorchTrainer(
            loop,
            train_loop_config=config,
            scaling_config=train.ScalingConfig(
                num_workers=workers, resources_per_worker={"CPU": 1}
            ),
            run_config=train.RunConfig(
                name=config["task"].trial_id + str(time.time_ns()), storage_path=str(folder)
            ),
        ).fit()
        tune.report({"done": 1})

    trainable = tune.with_resources(trial, {"CPU": 0, "memory": 2**27})
    return through_tune(trainable, {"task": tune.grid_search(todo)}, folder, reuse=False)


def reuse(todo: list[TrialTask], folder: Path, _workers: int) -> list[float]:
    """Time trials that train in the Tune actor itself, which is reused."""

    def trial(config: dict[str, Any]) -> None:
        run(config["task"], BareSession(0, 1, torch.device("cpu")))
        tune.report({"done": 1})

    trainable = tune.with_resources(trial, {"CPU": 1})
    return through_tune(trainable, {"task": tune.grid_search(todo)}, folder, reuse=True)


def summary(times: list[float]) -> dict[str, float]:
    """Return median and quartiles, seconds."""
    low, middle, high = statistics.quantiles(times, n=4)
    return {"median": middle, "q25": low, "q75": high, "count": len(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--plain-trials", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    os.environ.update(TUNE_SETTINGS)
    results: dict[str, Any] = {
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "load": os.getloadavg()[0],
        "workers": options.workers,
    }
    with tempfile.TemporaryDirectory() as name, connected():
        folder = Path(name)
        for label, epochs in (("no-op", 0), ("one epoch", 1)):
            for way, count in (
                (lanes, options.trials),
                (reuse, options.trials),
                (plain, options.plain_trials),
            ):
                times = way(tasks(count, epochs, folder), folder, options.workers)
                results[f"{way.__name__} {label}"] = summary(times)
                print(f"{way.__name__:6} {label:10} {summary(times)}", flush=True)
            ratio = results[f"plain {label}"]["median"] / results[f"lanes {label}"]["median"]
            results[f"plain / lanes, {label}"] = ratio
            print(f"plain / lanes, {label}: {ratio:.1f}", flush=True)
    if options.out:
        options.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
