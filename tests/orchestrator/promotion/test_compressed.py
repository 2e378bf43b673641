"""A pruned, quantized trial on its way into a registry, with its artifacts beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli.main import main
from orchestrator.events import TrialAsked, TrialEnded, TrialProfiled, TrialStarted
from orchestrator.folders import new_sweep
from orchestrator.ledger import Ledger
from orchestrator.spec.dump import dump_spec
from orchestrator.spec.parse import load_spec
from trainables.artifacts.record import FOLDER, read_artifacts
from trainables.local_session import LocalSession
from trainables.messages import Profiled, TrialTask
from trainables.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.folders import SweepFolder

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.long]

CONFIG: dict[str, str | int | float] = {
    "arch": "lraspp",
    "backbone": "mobilenet_v3_small",
    "width": 0.5,
    "resolution": "64x96",
    "batch_size": 4,
    "quantization": "ptq_int8",
    "pruning": "structured",
    "pruning_ratio": 0.5,
    "pruning_importance": "magnitude",
    "pruning_when": "before",
}


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> SweepFolder:
    """A sweep of one compressed trial, trained here, with its ledger."""
    root = tmp_path_factory.mktemp("compressed")
    spec = load_spec(
        None,
        overrides=[
            f"storage.root={root}",
            "teacher=null",
            "space={arch: lraspp, quantization: ptq_int8, pruning: structured}",
            "target.name=onnxruntime-cpu",
            "data.synthetic_train_images=8",
            "data.synthetic_val_images=4",
            "budget.epochs=1",
            "training.threads=1",
            "training.sample_images=0",
        ],
    )
    folder = new_sweep(root, "small")
    folder.spec.write_text(dump_spec(spec))
    session = LocalSession()
    task = TrialTask(
        sweep_id=folder.sweep_id,
        trial_id="t00000",
        config=dict(CONFIG),
        seed=1,
        epochs=1,
        data=spec.data,
        training=spec.training,
        target=spec.target,
        cache_dir=str(spec.storage.cache_dir),
        output_dir=str(folder.trials / "t00000"),
    )
    done = run_trial(task, session)
    assert done.state == "complete", done.reason
    profiled = next(each for each in session.messages if isinstance(each, Profiled))
    with Ledger(folder.ledger) as ledger:
        for event in (
            TrialAsked(trial_id="t00000", number=0, config=dict(CONFIG)),
            TrialStarted(trial_id="t00000"),
            TrialProfiled(
                trial_id="t00000", metrics=profiled.metrics, details=profiled.details, seconds=1
            ),
            TrialEnded(
                trial_id="t00000", state="complete", reason="", metrics=done.metrics, seconds=2
            ),
        ):
            ledger.append(event)
    return folder


def _run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    written = capsys.readouterr()
    return caught.value.code, written.out, written.err


def test_its_artifact_is_exported_once(
    sweep: SweepFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    order = ("export", "--format", "onnx", "--storage", str(sweep.root), "--json")
    code, out, err = _run(capsys, *order)
    assert code == 0, err
    assert "artifact onnx of t00000, 1 of 1" in err
    (shown,) = json.loads(out)["t00000"]
    (kept,) = read_artifacts(sweep.trials / "t00000" / FOLDER).values()
    assert kept.is_whole()
    assert shown["sha256"] == kept.sha256
    assert shown["verification"]["images"] == 4
    assert shown["verification"]["agreement"] > 0.9
    code, again, err = _run(capsys, *order)
    assert code == 0
    assert "artifact onnx" not in err
    assert json.loads(again) == json.loads(out)
    code, out, _ = _run(capsys, "report", "--storage", str(sweep.root), "--json")
    found = json.loads(out)
    assert found["artifacts"]["t00000"][0]["sha256"] == kept.sha256
    assert [step["name"] for step in found["ablation"][0]["steps"]] == [
        "uncompressed",
        "structured 50 %",
        "ptq_int8",
    ]
    code, _, err = _run(capsys, "export", "--trial", "t9", "--storage", str(sweep.root))
    assert code == 2
    assert "no complete trial t9" in err


def test_it_is_promoted_and_predicts(
    sweep: SweepFolder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = _run(
        capsys,
        *("promote", "--name", "small", "--storage", str(sweep.root)),
        *("--latency-tolerance", "50"),
    )
    assert code == 0, out + err
    assert "is small@champion" in out
    pixels = np.random.default_rng(5).integers(0, 256, (70, 111, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    out_dir = tmp_path / "out"
    code, out, err = _run(
        capsys,
        *("predict", "small@champion", str(tmp_path / "photo.png")),
        *("--out", str(out_dir), "--storage", str(sweep.root)),
    )
    assert code == 0, out + err
    assert np.asarray(Image.open(out_dir / "masks/photo.png")).shape == (70, 111)
