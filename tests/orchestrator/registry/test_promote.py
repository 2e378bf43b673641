"""A real trial on its way into a real registry."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli.main import main
from orchestrator.ledger.ledger import Ledger
from orchestrator.registry.loading import global_store, load_registered
from orchestrator.registry.promote import make_plan, run_promotion
from orchestrator.registry.request import Limits, PromotionRequest, Tolerances
from orchestrator.registry.store import ModelRegistry
from orchestrator.registry.versions import ModelRef
from orchestrator.report.files import make_report
from orchestrator.tracking.info import SweepInfo
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter
from orchestrator.tracking.tracker import artifact_root
from trainables.training.checkpoint import BEST_WEIGHTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.registry.promote import Promotion
    from orchestrator.spec.sweep_spec import SweepSpec

pytestmark = [pytest.mark.slow, pytest.mark.e2e]

CONFIG: dict[str, str | int | float] = {
    "backbone": "mobilenet_v3_small",
    "resolution": "64x96",
    "batch_size": 4,
}
PATIENT = Tolerances(latency=50.0, latency_noise=1.0)
"""A busy machine is no reason for a test to fail."""
NO_LIMITS = Limits()
WITHOUT_US = """
import importlib.util, json, runpy, sys
packages, script, *arguments = sys.argv[1:]
sys.path.append(packages)  # without what its .pth files add, which is where this package is
ours = ("orchestrator", "trainables", "search_spaces", "cluster")
assert not any(map(importlib.util.find_spec, ours))
unpickled = []
def hook(event, args):
    if event == "pickle.find_class":
        unpickled.append([str(each) for each in args])
sys.addaudithook(hook)
sys.argv = [script, *arguments]
runpy.run_path(script, run_name="__main__")
print(json.dumps([each for each in unpickled if each[0] not in {"builtins", "collections"}]))
"""
"""Runs a script in a process that has every package but this one."""
SCRIPT = Path(__file__).parents[3] / "examples" / "mlflow_only.py"


@dataclass(frozen=True)
class SmallSweep:
    spec: SweepSpec
    folder: SweepFolder
    registry: ModelRegistry

    def promote(self, name: str, limits: Limits = NO_LIMITS, **recorded: float) -> Promotion:
        """Promote the trial as if the sweep had ``recorded`` other figures of it."""
        request = PromotionRequest(name=name, tolerances=PATIENT, limits=limits, by="tester")
        report = make_report(self.spec, self.folder)
        rows = [replace(row, metrics={**row.metrics, **recorded}) for row in report.rows]
        plan = make_plan(self.spec, replace(report, rows=tuple(rows)), self.registry, request)
        return run_promotion(plan, self.spec, self.folder, self.registry, request)


@pytest.fixture(scope="module")
def sweep(
    tmp_path_factory: pytest.TempPathFactory,
    train_one: Callable[..., tuple[SweepSpec, SweepFolder]],
) -> SmallSweep:
    """A sweep of one trial, trained here, with its ledger."""
    spec, folder = train_one(tmp_path_factory.mktemp("promotion"), CONFIG)
    _track(spec, folder)
    return SmallSweep(spec, folder, ModelRegistry(spec.tracking_uri))


def _track(spec: SweepSpec, folder: SweepFolder) -> None:
    """Write the sweep to MLflow, as a run of it does."""
    info = SweepInfo(
        sweep_id=folder.sweep_id,
        objectives=spec.objectives,
        started_ms=1_760_000_000_000,
        trials_dir=folder.trials,
        experiment=spec.tracking.experiment,
    )
    store = MlflowStore(spec.tracking_uri, info, artifact_root=artifact_root(spec))
    with Ledger(folder.ledger) as ledger:
        writer = MlflowWriter(
            info=info, events=ledger, store=store, cursor_path=folder.path / "cursor.json"
        )
        writer.start()
        assert writer.close(timeout=120), writer.problems


@pytest.fixture(scope="module")
def champion(sweep: SmallSweep) -> Promotion:
    return sweep.promote("street")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    pixels = np.random.default_rng(5).integers(0, 256, (70, 111, 3), dtype=np.uint8)
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path)
    return path


def test_a_sound_trial_becomes_champion_with_its_evidence(
    sweep: SmallSweep, champion: Promotion
) -> None:
    assert champion.promoted, [str(verdict) for verdict in champion.verdicts]
    assert [verdict.gate for verdict in champion.verdicts] == list(champion.plan.gates)
    found = sweep.registry.find(ModelRef("street"))
    assert found.tags["promotion.state"] == "promoted"
    assert found.tags["promotion.by"] == "tester"
    assert found.tags["trial.id"] == "t00000"
    recorded = make_report(sweep.spec, sweep.folder).rows[0].metrics["miou"]
    assert found.figures["miou"] == pytest.approx(recorded, abs=1e-4)
    assert found.tags["gate.miou"].startswith("passed: mIoU")
    client: Any = sweep.registry._client
    files = {each.path for each in client.list_logged_model_artifacts(found.model_id)}
    assert {"promotion.json", "requirements.txt", "input_example.json", "MLmodel"} <= files


def test_a_script_with_mlflow_alone_predicts_the_same_mask(
    sweep: SmallSweep, champion: Promotion, picture: Path, tmp_path: Path
) -> None:
    assert champion.promoted
    packages, theirs = sysconfig.get_path("purelib"), tmp_path / "theirs.png"
    script = [WITHOUT_US, packages, str(SCRIPT), sweep.registry.uri, "street"]
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", *script, str(picture), str(theirs)],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
    )
    assert done.returncode == 0, done.stderr
    front, shares, unpickled = done.stdout.strip().splitlines()[-3:]
    assert front.startswith("t00000  mIoU 0.")
    assert json.loads(unpickled) == []
    out = tmp_path / "out"
    arguments = ["predict", "street@champion", str(picture), "--out", str(out)]
    with pytest.raises(SystemExit) as caught:
        main([*arguments, "--tracking", sweep.registry.uri])
    assert caught.value.code == 0
    mask = np.asarray(Image.open(out / "masks/photo.png"))
    assert mask.shape == (70, 111)
    assert (mask == np.asarray(Image.open(theirs))).all()
    model = load_registered(sweep.registry.uri, sweep.registry.find(ModelRef("street")))
    assert shares.startswith(f"{model.class_names[0]} ")
    assert (out / "shares.csv").read_text().startswith(f"image,{model.class_names[0]}")


def test_the_model_has_signature_example_and_metadata(
    sweep: SmallSweep, champion: Promotion
) -> None:
    assert champion.version is not None
    with global_store(sweep.registry.uri):
        from mlflow.models import Model

        found = Model.load("models:/street@champion")
    assert (found.saved_input_example_info or {})["type"] == "ndarray"
    assert found.signature.inputs.to_dict()[0]["tensor-spec"]["shape"] == (-1, -1, -1, 3)
    assert (found.metadata or {})["trial_id"] == "t00000"


@pytest.mark.parametrize("gate", ["miou", "constraints", "digest"])
def test_a_failed_gate_reports_both_figures_and_keeps_the_champion(
    sweep: SmallSweep, champion: Promotion, gate: str
) -> None:
    assert champion.version is not None
    before = sweep.registry.versions("street")
    if gate == "miou":
        refused = sweep.promote("street", miou=0.9)
        assert "recorded 0.9000" in refused.failed[0].message
    elif gate == "constraints":
        # the plan takes the recorded size, the gate that of the files
        refused = sweep.promote("street", Limits(max_size_mb=0.5), size_mb=0.1)
        assert "breaks size_mb <= 0.5" in refused.failed[0].message
    else:
        weights = sweep.folder.trials / "t00000" / BEST_WEIGHTS
        whole = weights.read_bytes()
        weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        try:
            refused = sweep.promote("street")
        finally:
            weights.write_bytes(whole)
        assert refused.version is None
    assert not refused.promoted
    assert [verdict.gate for verdict in refused.failed] == [gate]
    now = sweep.registry.champion("street")
    assert now is not None
    assert now.version == champion.version.version
    after = sweep.registry.versions("street")
    if gate == "digest":
        assert len(after) == len(before)
    else:
        assert after[0].tags["promotion.state"] == "refused"
        assert after[0].tags["promotion.refused_by"] == gate
        assert after[0].aliases == ()


def test_the_same_trial_is_no_reason_to_promote_again(
    sweep: SmallSweep, champion: Promotion, capsys: pytest.CaptureFixture[str]
) -> None:
    assert champion.promoted
    storage = ["--storage", str(sweep.folder.root)]
    with pytest.raises(SystemExit) as caught:
        main(["promote", "--name", "street", *storage])
    assert caught.value.code == 0
    assert "it already is street@champion, as version 1" in capsys.readouterr().out
    with pytest.raises(SystemExit) as caught:
        main(["models", "street", "--json", *storage])
    assert caught.value.code == 0
    history = json.loads(capsys.readouterr().out)
    assert history[-1]["aliases"] == ["champion"]
    assert history[-1]["trial_id"] == "t00000"
    with pytest.raises(SystemExit) as caught:
        main(["rollback", "street", *storage])
    assert caught.value.code == 2
    assert "nothing to roll back to" in capsys.readouterr().err
