from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from mlflow import MlflowClient
from PIL import Image

from orchestrator.ledger.folders import find_sweep

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.orchestrator.cli.conftest import Outcome

ROOT = Path(__file__).parents[3]
TINY = tuple(
    word
    for setting in (
        "data.synthetic_train_images=8",
        "data.synthetic_val_images=4",
        "space.resolution=64x96",
        "space.output_stride=32",
        "space.batch_size=4",
        "budget.epochs=1",
        "budget.trials=2",
        "teacher=null",
        "target.repeats=2",
        "artifacts.formats=[pt2]",
    )
    for word in ("--set", setting)
)


@pytest.mark.ray  # it starts none, but imports it
@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.weights=absent.pth", "there are no weights of mobilenet_v3_small"),
        ("space={arch: smp/Unet, backbone: timm/no_such_net}", "smp/Unet on timm/no_such_net"),
    ],
)
def test_networks_that_cannot_be_built_come_before_anything_is_started(
    segsweep: Callable[..., Outcome], tmp_path: Path, setting: str, message: str
) -> None:
    if "smp" in setting:
        pytest.importorskip("segmentation_models_pytorch")
    outcome = segsweep("run", "--set", "teacher=null", "--set", setting)
    assert outcome.code == 2
    assert message in outcome.err
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "runs").exists()


def test_faults_of_the_spec_come_before_anything_is_started(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = segsweep("run", "--set", "budget.trials=0", "--set", "target.name=tpu")
    assert outcome.code == 2
    assert "2 faults" in outcome.err
    assert not (tmp_path / "runs").exists()


@pytest.mark.ray  # it starts none, but imports it
def test_faults_of_the_data_come_before_a_sweep_is_made(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = segsweep("run", "--set", "data.format=voc", "--set", "data.root=nowhere")
    assert outcome.code == 2
    assert "nowhere" in outcome.err
    assert not (tmp_path / "runs" / "sweeps").exists()


@pytest.mark.e2e
@pytest.mark.ray
def test_a_sweep_from_the_command_line(segsweep: Callable[..., Outcome], tmp_path: Path) -> None:
    outcome = segsweep("run", *TINY, "--name", "tiny one", "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert found["completed"] == 2
    assert found["sweep_id"].startswith("tiny-one-")
    assert found["front"]
    folder = find_sweep(tmp_path / "runs")
    assert folder.sweep_id == found["sweep_id"]
    assert (folder.report / "pareto.png").is_file()
    (artifact,) = found["artifacts"][found["knee"]]
    assert Path(artifact["path"]).stat().st_size == artifact["size_bytes"]
    assert artifact["verification"]["agreement"] > 0.99
    again = segsweep("resume", "tiny", "--json")
    assert json.loads(again.out) == found


@pytest.mark.e2e
@pytest.mark.ray
@pytest.mark.slow
def test_baselines_are_trained_first_and_named_everywhere(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    words = [*TINY, "--set", "baselines=renaud-small", "--set", "budget.trials=3"]
    words += ["--set", "baselines.lite={arch: lraspp, width: 0.5, output_stride: 16}"]
    outcome = segsweep("run", *words, "--json")
    assert outcome.code == 0, outcome.err
    found = json.loads(outcome.out)
    assert [(each["name"], each["trial"]) for each in found["baselines"]] == [
        ("renaud-small", "t00000"),
        ("lite", "t00001"),
    ]
    assert found["completed"] == 3
    for each in found["baselines"]:
        on_front = each["trial"] in found["front"]
        assert each["standing"] == ("front" if on_front else "dominated")
        assert on_front or each["by"] in {"t00000", "t00001", "t00002"}
    said = segsweep("report").out
    assert "Baselines" in said
    assert "renaud-small" in said
    assert segsweep("verify", "--proposals").code == 0
    assert _tags(tmp_path / "runs", "baseline") == {"renaud-small", "lite", None}
    folder = find_sweep(tmp_path / "runs")
    assert "lite" in (folder.report / "pareto.html").read_text(encoding="utf-8")


def _tags(root: Path, name: str) -> set[str | None]:
    """Return the values of a tag at the trials' runs."""
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    experiments = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.`sweep.role` = 'trial'")
    return {run.data.tags.get(name) for run in runs}


@pytest.mark.ray  # it starts none, but imports it
def test_a_cache_folder_without_space_ends_the_run_before_a_sweep_is_made(
    segsweep: Callable[..., Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage
    full = SimpleNamespace(free=1000)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda path: full if tmp_path in Path(path).parents else usage(path)
    )
    outcome = segsweep("run", *TINY)
    assert outcome.code == 2
    assert "not enough space" in outcome.err
    assert not (tmp_path / "runs" / "sweeps").exists()


def unfinished(segsweep: Callable[..., Outcome], tmp_path: Path) -> str:
    """Leave what a driver leaves that is killed right at its begin; return the sweep's id."""
    from orchestrator.ledger.folders import new_sweep
    from orchestrator.spec.parse import dump_spec, load_spec, settle_spec

    assert segsweep("list").code == 0  # in the folder where the sweep will be
    spec = settle_spec(load_spec(None, overrides=TINY[1::2]))
    folder = new_sweep(tmp_path / "runs", spec.name)
    folder.spec.write_text(dump_spec(spec), encoding="utf-8")
    return folder.sweep_id


def test_an_unfinished_sweep_of_the_same_spec_is_offered(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    sweep_id = unfinished(segsweep, tmp_path)
    outcome = segsweep("run", *TINY)
    assert outcome.code == 2
    assert f"segsweep resume {sweep_id}" in outcome.err
    assert "segsweep run --new" in outcome.err


@pytest.mark.ray  # it starts none, but imports it
def test_a_changed_spec_is_refused_with_the_difference(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.ledger.identity import settle_identity
    from orchestrator.ledger.ledger import Ledger
    from orchestrator.spec.parse import load_spec

    sweep_id = unfinished(segsweep, tmp_path)
    folder = find_sweep(tmp_path / "runs", sweep_id)
    with Ledger(folder.ledger) as ledger:
        settle_identity(ledger, load_spec(folder.spec), "other images")
    outcome = segsweep("resume", sweep_id, "--set", "budget.trials=7")
    assert outcome.code == 2
    assert "budget.trials: was 2, is 7" in outcome.err
    assert "the data set: its digest was other images" in outcome.err


@pytest.mark.e2e
@pytest.mark.ray
@pytest.mark.slow
def test_a_sweep_without_a_complete_trial_exits_with_1_and_the_reason(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    unmet = ("--set", "constraints=[params <= 1]", "--json")
    images = ("--set", "data.max_train_images=1", "--set", "data.max_val_images=1")
    outcome = segsweep("run", *TINY, *unmet, *images)
    assert outcome.code == 1
    assert json.loads(outcome.out)["completed"] == 0
    assert "error: no trial of the sweep completed" in outcome.err
    assert "trials infeasible): params = " in outcome.err
    assert segsweep("resume", "--json").code == 1
    warnings = json.loads(outcome.out)["data_warnings"]
    assert warnings
    assert all(f"warning: {line}" in outcome.err for line in warnings)
    (run,) = _sweep_runs(tmp_path / "runs")
    assert run.data.tags["dataset.warnings"].splitlines() == warnings


def _sweep_runs(root: Path) -> list[Any]:
    client = MlflowClient(f"sqlite:///{root / 'mlflow.db'}")
    found = client.search_experiments()
    runs = client.search_runs([each.experiment_id for each in found])
    return [run for run in runs if "dataset.warnings" in run.data.tags]


@pytest.mark.e2e
@pytest.mark.ray
@pytest.mark.slow
def test_a_run_in_ascii_escapes_class_names(tmp_path: Path) -> None:
    """A real process, whose encoding comes from the environment."""
    rng = np.random.default_rng(0)
    for split, labels in (("train", 3), ("val", 2)):  # the last class is missing in val
        for kind, shape, values in (("images", (64, 96, 3), 256), ("masks", (64, 96), labels)):
            folder = tmp_path / "set" / kind / split
            folder.mkdir(parents=True)
            for number in range(4):
                pixels = rng.integers(0, values, shape, dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    settings = {
        "data.format": "folder",
        "data.root": str(tmp_path / "set"),
        "data.class_names": "[road, sky, Straße]",
        "budget.trials": "1",
    }
    words = [
        *TINY,
        *(word for name, value in settings.items() for word in ("--set", f"{name}={value}")),
    ]
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.cli.main", "run", *words],
        capture_output=True,
        check=False,
        env={
            **os.environ,
            "PYTHONIOENCODING": "ascii",
            "PYTHONPATH": str(ROOT),
            "SEGSWEEP_STORAGE": str(tmp_path / "runs"),
        },
    )
    err = done.stderr.decode("ascii")
    assert done.returncode == 0, err
    assert "warning: " in err
    assert "Stra\\xdfe" in err
    assert "t00000" in done.stdout.decode("ascii")
