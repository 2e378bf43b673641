"""Thousands of child runs in MLflow: writing them, finding the front, reporting, publishing.

    python benchmarks/mlflow_scale.py [--trials 10000] [--epochs 1] [--keep DIR] [--out FILE.json]

A generated ledger goes through the writer that every sweep uses into a SQLite store. What is timed
then is what a user waits for: the report, the front by its tags, the first page of the view, the
sweep's page with pictures and views. A result is one epoch or one end of a trial.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
    encode,
)
from orchestrator.ledger.folders import SweepFolder
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.files import make_report
from orchestrator.spec.parse import dump_spec, load_spec
from orchestrator.tracking import names
from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.pages.publish import publish
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter
from orchestrator.tracking.tracker import PLACE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.spec.sweep_spec import SweepSpec

BACKBONES = ("mobilenet_v3_small", "mobilenet_v3_large", "mobilenet_v2", "resnet18", "resnet50")


def trial_events(number: int, rng: random.Random, epochs: int) -> Iterator[SweepEvent]:
    """Yield one trial's events: 10 settings, 15 final figures, 6 figures an epoch."""
    trial_id, at = f"t{number:05d}", number * 2.0
    size = rng.random()
    config: dict[str, Any] = {
        "arch": rng.choice(["deeplabv3", "deeplabv3plus", "lraspp"]),
        "backbone": rng.choice(BACKBONES),
        "output_stride": rng.choice([8, 16, 32]),
        "resolution": rng.choice(["96x128", "192x256"]),
        "batch_size": rng.choice([4, 8, 16]),
        "learning_rate": 10 ** rng.uniform(-4, -2),
        "weight_decay": 10 ** rng.uniform(-6, -3),
        "optimizer": rng.choice(["adamw", "sgd"]),
        "dropout": rng.uniform(0, 0.5),
        "quantization": rng.choice(["none", "fp16"]),
    }
    cost = {"flops": 4e9 * size, "macs": 2e9 * size, "params": 4e6 * size}
    yield TrialAsked(trial_id=trial_id, number=number, config=config, known=cost, seconds=at)
    yield TrialStarted(trial_id=trial_id, seconds=at)
    latency = {"latency_ms": 40 * size * rng.uniform(0.8, 1.2), "latency_iqr_ms": 0.1}
    yield TrialProfiled(trial_id=trial_id, metrics=latency, details={"device": "cpu"}, seconds=at)
    top = 0.7 * size**0.3 + rng.gauss(0, 0.03)
    for epoch in range(1, epochs + 1):
        metrics = {
            "miou": top * epoch / epochs,
            "val_loss": 1 - top * epoch / epochs,
            "train_loss": 1 - top,
            "pixel_accuracy": 0.9,
            "learning_rate": 0.01,
            "epoch_seconds": 1.0,
        }
        yield EpochReported(trial_id=trial_id, epoch=epoch, metrics=metrics, seconds=at + epoch)
    figures = {f"figure_{index}": rng.random() for index in range(9)}
    yield TrialEnded(
        trial_id=trial_id,
        state="complete",
        reason="",
        metrics={"miou": top, **figures},
        seconds=at + epochs,
    )


def fill(folder: SweepFolder, trials: int, epochs: int) -> int:
    """Write the ledger of a sweep in one go; return the number of results in it."""
    folder.path.mkdir(parents=True)
    spec = load_spec(
        overrides=[f"storage.root={folder.root}", f"budget.epochs={epochs}", "teacher=null"]
    )
    folder.spec.write_text(dump_spec(spec), encoding="utf-8")
    Ledger(folder.ledger).close()
    rng = random.Random(7)
    with sqlite3.connect(folder.ledger) as ledger:
        ledger.executemany(
            "INSERT INTO events (kind, payload) VALUES (?, ?)",
            (
                encode(each)
                for number in range(trials)
                for each in trial_events(number, rng, epochs)
            ),
        )
    return trials * (epochs + 1)


def measure(root: Path, trials: int, epochs: int) -> dict[str, float]:
    """Return seconds of everything that is timed, with the results written in each."""
    folder = SweepFolder(root, "scale")
    results = fill(folder, trials, epochs)
    spec = load_spec(folder.spec)
    info = SweepInfo(
        sweep_id=folder.sweep_id,
        objectives=spec.objectives,
        started_ms=round(time.time() * 1000),
        trials_dir=folder.trials,
        epochs=epochs,
    )
    store = MlflowStore(spec.tracking_uri, info, artifact_root=root / "artifacts")
    found: dict[str, float] = {"trials": trials, "epochs": epochs, "results": results}
    with Ledger(folder.ledger) as ledger:
        writer = MlflowWriter(
            info=info, events=ledger, store=store, cursor_path=folder.path / "cursor.json"
        )

        def write() -> None:
            writer.start()
            if not writer.close(timeout=36_000):
                raise SystemExit(f"not everything was written: {writer.problems}")

        timed(found, "write_s", write)
    found["results_per_s"] = results / found["write_s"]
    found["trials_per_s"] = trials / found["write_s"]
    timed(found, "reopen_s", store.open)
    with Ledger(folder.ledger) as ledger:
        timed(found, "publish_s", lambda: page(spec, folder, info, store, ledger))
    timed(found, "report_command_s", lambda: report(root))
    ask(store, folder.sweep_id, found)
    found["database_mb"] = (root / "mlflow.db").stat().st_size / 1e6
    found["memory_mb"] = psutil.Process().memory_info().rss / 1e6
    return found


def page(
    spec: SweepSpec, folder: SweepFolder, info: SweepInfo, store: MlflowStore, ledger: Ledger
) -> None:
    """Publish the report, note where it is, so that ``segsweep ui --storage DIR`` shows it."""
    ledger.set_fact(PLACE, asdict(publish(make_report(spec, folder), info, store)))


def ask(store: MlflowStore, sweep_id: str, found: dict[str, float]) -> None:
    """Time what users and the UI ask of the store."""
    from mlflow import MlflowClient  # noqa: PLC0415 - takes two seconds

    client = MlflowClient(tracking_uri=store.uri)
    children = names.children_filter(sweep_id, store.parent_run_id)

    def front() -> None:
        wanted = "tags.pareto = 'true' and metrics.latency_ms < 20"
        found["front_within_20_ms"] = len(client.search_runs([store.experiment_id], wanted))

    def first_page() -> None:
        order = [f"metrics.`{names.PARETO_RANK}` ASC"]
        client.search_runs([store.experiment_id], children, max_results=100, order_by=order)

    timed(found, "front_query_s", front)
    timed(found, "first_page_s", first_page)


def report(root: Path) -> None:
    """Run the command a user runs."""
    command = [sys.executable, "-m", "orchestrator.cli.main", "report", "--storage", str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def timed(found: dict[str, float], name: str, work: Callable[[], object]) -> None:
    """Add the seconds that ``work`` takes."""
    begin = time.perf_counter()
    work()
    found[name] = time.perf_counter() - begin
    print(f"{name:<18} {found[name]:.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder to fill, which must be new")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        found = measure(options.keep or Path(name), options.trials, options.epochs)
    load = os.getloadavg()[0]
    whole = {**found, "cores": os.cpu_count(), "machine": platform.machine(), "load": load}
    print(json.dumps(whole, indent=1))
    if options.out:
        options.out.write_text(json.dumps(whole, indent=1) + "\n")


if __name__ == "__main__":
    main()
