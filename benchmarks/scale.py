"""One-step trials through the whole engine: Ray Tune, lanes, ledger, MLflow on SQLite.

    python benchmarks/scale.py [--trials 10000] [--lanes 8] [--searcher random] [--out FILE.json]

A trial reports one epoch without training, so that what is timed is the engine alone. Printed each
thousandth of the way: results per second since the last line, the driver's resident memory, and
the longest decision (proposing a configuration, judging an epoch) so far in that stretch.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psutil

from cluster.capacity.packing import LaneShape
from cluster.start.connection import connected
from orchestrator.lanes.pool import LanePlan, LanePool
from orchestrator.lanes.tune_session import TuneSession
from orchestrator.ledger.events import TrialEnded
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from orchestrator.report.model import build_report
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget
from orchestrator.sweep.make import SweepSetup, make_sweep
from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter
from search_spaces.domains import Categorical, Float, LogFloat
from search_spaces.space import SearchSpace
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.session.messages import EpochDone, TrialDone, TrialTask

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.ledger.events import SweepEvent, TrialAsked
    from search_spaces.space import Config
    from trainables.session.session import TrialSession

OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
SPACE = SearchSpace.of(
    width=Float(0.25, 1.0), rate=LogFloat(1e-4, 1e-1), arch=Categorical("a", "b", "c")
)


def one_step(task: TrialTask, session: TrialSession) -> TrialDone:
    """Report one epoch whose mIoU follows from the configuration."""
    noise = np.random.default_rng(task.seed).normal(0, 0.02)
    miou = float(task.config["width"]) ** 0.3 * 0.7 + noise
    metrics = {"miou": miou, "train_loss": 1 - miou}
    session.report(EpochDone(trial_id=task.trial_id, epoch=1, metrics=metrics))
    return TrialDone(
        trial_id=task.trial_id,
        state="complete",
        reason="",
        metrics={**metrics, "flops": flops(task.config)["flops"]},
    )


def flops(config: Config) -> Mapping[str, float]:
    """Return what the configuration is said to cost."""
    return {"flops": 1e9 * float(config["width"]) ** 2}


class Timed:
    """A searcher or scheduler that notes its longest decision."""

    def __init__(self, inner: Any) -> None:  # noqa: ANN401 - either kind
        self.inner = inner
        self.times: list[float] = []

    def propose(self, number: int) -> Config | None:
        """Time the proposal."""
        proposed: Config | None = self._timed(self.inner.propose, number)
        return proposed

    def decide(self, trial_id: str) -> Any:  # noqa: ANN401 - a Decision
        """Time the judgement."""
        return self._timed(self.inner.decide, trial_id)

    def observe(self, event: SweepEvent) -> None:
        """Time the taking note."""
        self._timed(self.inner.observe, event)

    def promote(self) -> str | None:
        """Pass on."""
        return self.inner.promote()  # type: ignore[no-any-return]

    def _timed(self, call: Callable[[Any], Any], argument: Any) -> Any:  # noqa: ANN401
        begin = time.perf_counter()
        result = call(argument)
        self.times.append(time.perf_counter() - begin)
        return result


class Meter:
    """Prints how fast trials end."""

    def __init__(self, every: int, decisions: list[Timed]) -> None:
        self.every, self.decisions = every, decisions
        self.count, self.last = 0, time.perf_counter()
        self.rows: list[dict[str, float]] = []

    def on_event(self, event: SweepEvent, *_: object, replayed: bool = False) -> None:  # noqa: ARG002 - none is
        """Count ends."""
        if not isinstance(event, TrialEnded):
            return
        self.count += 1
        if self.count % self.every:
            return
        now = time.perf_counter()
        times = [seconds for each in self.decisions for seconds in each.times]
        for each in self.decisions:
            each.times.clear()
        row = {
            "trials": self.count,
            "results_per_s": self.every / (now - self.last),
            "rss_mb": psutil.Process().memory_info().rss / 2**20,
            "median_decision_ms": 1000 * float(np.median(times)),
            "p99_decision_ms": 1000 * float(np.quantile(times, 0.99)),
        }
        self.last = now
        self.rows.append(row)
        print({name: round(value, 2) for name, value in row.items()}, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--lanes", type=int, default=2)
    parser.add_argument("--searcher", default="random")
    parser.add_argument("--no-mlflow", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        result = measure(options, SweepFolder(Path(name), "scale"))
    result |= {"cores": os.cpu_count(), "machine": platform.machine(), "lanes": options.lanes}
    print(json.dumps({k: v for k, v in result.items() if k != "rows"}, indent=1))
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")


def measure(options: argparse.Namespace, folder: SweepFolder) -> dict[str, Any]:
    """Run the trials and return what was measured."""
    ledger = Ledger(folder.ledger)
    setup = SweepSetup(
        problem=SearchProblem(space=SPACE, objectives=OBJECTIVES, known_cost=flops),
        search=SearchConfig(
            searcher=options.searcher, scheduler="mo-asha", cost_gate="constraints"
        ),
        budget=SweepBudget(trials=options.trials, epochs=1),
    )
    searcher, scheduler = Timed(setup.searcher()), Timed(setup.scheduler())
    meter = Meter(max(1, options.trials // 10), [searcher, scheduler])
    info = SweepInfo(
        sweep_id="scale",
        objectives=OBJECTIVES,
        started_ms=round(time.time() * 1000),
        trials_dir=folder.trials,
    )
    uri = f"sqlite:///{folder.root / 'mlflow.db'}"
    writer = MlflowWriter(
        info=info,
        events=ledger,
        store=MlflowStore(uri, info, artifact_root=folder.root / "artifacts"),
        cursor_path=folder.path / "cursor.json",
    )
    begin = time.time()
    sweep = make_sweep(
        setup,
        journal=ledger,
        clock=lambda: time.time() - begin,
        listeners=[meter] if options.no_mlflow else [meter, writer],
        searcher=searcher,
        scheduler=scheduler,
    )
    if not options.no_mlflow:
        writer.start()
    with connected():
        plan = LanePlan(lanes=options.lanes, shape=LaneShape(cpus=0.1), max_trials=10**9)
        storage, quiet = folder.path / "ray", str(folder.path / "quiet")
        with LanePool(plan, storage=str(storage), quiet_path=quiet, runner=one_step) as pool:  # type: ignore[arg-type]
            TuneSession(
                sweep,
                pool.broker,
                lanes=lambda: options.lanes,
                make_task=lambda asked: task_of(asked, folder),
                stop_requested=lambda: False,
                storage=storage,
            ).run()
            trained = time.time() - begin
    written = options.no_mlflow or writer.close(timeout=3600)
    everything = time.time() - begin
    start = time.perf_counter()
    report = build_report(
        fold(event for _, event in ledger.events()), OBJECTIVES, sweep_id="scale", epochs=1
    )
    return {
        "rows": meter.rows,
        "sweep_s": trained,
        "with_mlflow_s": everything,
        "mlflow_complete": bool(written),
        "report_s": time.perf_counter() - start,
        "completed": report.completed,
    }


def task_of(asked: TrialAsked, folder: SweepFolder) -> TrialTask:
    """Return the lane's task."""
    return TrialTask(
        sweep_id="scale",
        trial_id=asked.trial_id,
        config=asked.config,
        seed=asked.number,
        epochs=1,
        data=DataConfig(),
        training=TrainingConfig(),
        target=TargetConfig(),
        cache_dir=str(folder.path),
        output_dir=str(folder.trials / asked.trial_id),
    )


if __name__ == "__main__":
    main()
