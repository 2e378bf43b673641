"""A pruned, quantized trial on its way into a registry, with its artifacts beside it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from orchestrator.cli.main import main
from trainables.export.record import FOLDER, read_artifacts

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec

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
def sweep(
    tmp_path_factory: pytest.TempPathFactory,
    train_one: Callable[..., tuple[SweepSpec, SweepFolder]],
) -> SweepFolder:
    """A sweep of one compressed trial, trained here, with its ledger."""
    _, folder = train_one(
        tmp_path_factory.mktemp("compressed"),
        CONFIG,
        "space={arch: lraspp, quantization: ptq_int8, pruning: structured}",
        "target.name=onnxruntime-cpu",
    )
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
    assert kept.is_intact()
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
