from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.forecast.plan import adopt_plan
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded, TrialStarted
from orchestrator.ledger.ledger import Ledger
from orchestrator.search.cost_model import StaticCostModel
from orchestrator.spec.parse import dump_spec, load_spec, settle_spec
from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter
from orchestrator.tracking.server import free_port
from trainables.data.digest import dataset_digest
from trainables.data.layouts.registry import open_layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec
    from tests.orchestrator.cli.conftest import Outcome

SMALL = (
    "--set",
    "teacher=null",
    "--set",
    "budget={trials: 4, epochs: 2}",
    "--set",
    "space={backbone: mobilenet_v3_small, resolution: 64x96, batch_size: [4, 8]}",
)


@pytest.mark.slow
def test_a_plan_is_printed_with_its_basis_and_kept(segsweep: Callable[..., Outcome]) -> None:
    shown = segsweep("plan", *SMALL, "--cpus", "3")
    assert shown.code == 0
    assert "no earlier sweep on this data; estimated without one" in shown.out
    assert "3 of 1 train worker(s)" in shown.out
    assert "2 configurations of 1 dimensions" in shown.out
    assert "simulated 32 of 32 sweeps" in shown.err
    *_, last, step = shown.err.strip().splitlines()
    kept = Path(last.removeprefix("saved to "))
    assert kept.is_file()
    settings = [f"--set {shlex.quote(value)}" for value in SMALL if value != "--set"]
    assert step == f"run it: segsweep run {' '.join(settings)}"

    again = json.loads(segsweep("plan", *SMALL, "--cpus", "3", "--json").out)
    assert again == json.loads(kept.read_text(encoding="utf-8"))


def test_lanes_that_do_not_fit_are_an_error_with_a_remedy(
    segsweep: Callable[..., Outcome],
) -> None:
    refused = segsweep("plan", *SMALL, "--set", "resources.lanes=9", "--cpus", "2", "--gpus", "0")
    assert refused.code == 2
    assert "lower resources.lanes" in refused.err


@pytest.mark.slow
def test_the_report_scores_the_plan(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    assert "planned" not in segsweep("report").out
    settings = ("--set", "budget.trials=3", "--set", "budget.epochs=1", "--set", "teacher=null")
    assert segsweep("plan", *settings).code == 0
    assert adopt_plan(load_spec(finished.spec), finished.root, finished.path)
    found = json.loads(segsweep("report", "--json").out)["plan"]
    assert {each["name"] for each in found} >= {"device_hours", "hypervolume"}
    assert next(each["actual"] for each in found if each["name"] == "complete") == 2
    text = " ".join(segsweep("report").out.split())
    assert "figures within their intervals; device-hours" in text


def trained(
    spec: SweepSpec, costs: StaticCostModel, number: int, batch_size: int
) -> Iterator[SweepEvent]:
    name, at = f"t{number:05d}", 100.0 * number
    config = {**spec.space.sample(np.random.default_rng(0)), "batch_size": batch_size}
    yield TrialAsked(
        trial_id=name, number=number, config=config, known=dict(costs(config)), seconds=at
    )
    yield TrialStarted(trial_id=name, seconds=at)
    for epoch in (1, 2):
        metrics = {"miou": 0.2 * epoch, "epoch_seconds": 5.0}
        yield EpochReported(trial_id=name, epoch=epoch, metrics=metrics, seconds=at + 6 * epoch)
    final = {"miou": 0.4, "latency_ms": 7.0}
    yield TrialEnded(trial_id=name, state="complete", metrics=final, seconds=at + 15)


@pytest.mark.slow
def test_sweeps_of_other_machines_are_read_from_mlflow(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    spec = load_spec(overrides=[value for value in SMALL if value != "--set"])
    costs = StaticCostModel(5)
    store = f"sqlite:///{tmp_path / 'shared.db'}"
    layout = open_layout(spec.data, spec.storage.cache_dir)
    info = SweepInfo(
        sweep_id="theirs",
        objectives=spec.objectives,
        started_ms=1_700_000_000_000,
        trials_dir=tmp_path / "theirs",
        dataset_digest=dataset_digest(layout),
        spec_text=dump_spec(settle_spec(spec)),
    )
    with Ledger(tmp_path / "theirs.db") as ledger:
        for number, size in enumerate((4, 8)):
            for event in trained(spec, costs, number, size):
                ledger.append(event)
        writer = MlflowWriter(
            info=info,
            events=ledger,
            store=MlflowStore(store, info, artifact_root=tmp_path / "artifacts"),
            cursor_path=tmp_path / "cursor",
        )
        writer.start()
        assert writer.close(status="FINISHED")

    own = (*SMALL, "--set", f"tracking.uri={store}", "--cpus", "1", "--jobs", "1")
    told = segsweep("plan", *own)
    assert told.code == 0
    assert "2 trainings of 1 earlier sweep(s) on this data" in " ".join(told.out.split())
    assert "warm start" not in told.out
    assert "earlier sweeps can warm-start the searcher: --set search.warm_start=true" in told.err
    warm = segsweep("plan", *own, "--set", "search.warm_start=true", "--json")
    assert json.loads(warm.out)["warm_trials"] == 2
    assert "may teach" not in warm.err
    named = segsweep("plan", *own, "--set", "search.warm_start=[nobodys]")
    assert named.code == 2
    assert "nobodys is not in the tracking store, which has theirs" in named.err


@pytest.mark.slow
def test_an_unavailable_tracking_store_is_reported(segsweep: Callable[..., Outcome]) -> None:
    store = f"tracking.uri=http://127.0.0.1:{free_port()}"
    away = (*SMALL, "--set", store, "--cpus", "1", "--jobs", "1")
    told = segsweep("plan", *away)
    assert told.code == 0
    assert "read only the sweeps of the storage folder: cannot read the sweeps" in told.err
    refused = segsweep("plan", *away, "--set", "search.warm_start=true")
    assert refused.code == 2
    assert "cannot read the sweeps of the tracking store" in refused.err
