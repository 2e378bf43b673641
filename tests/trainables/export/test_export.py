from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.compression.deployed import build_pruned, stand_in
from trainables.data.dataset import build_datasets
from trainables.export.export import export_trial, load_deployed
from trainables.export.record import RECORD
from trainables.formats.artifact import write_artifact
from trainables.formats.runtimes.base import ArtifactError
from trainables.formats.runtimes.registry import open_artifact
from trainables.io.atomic import file_digest
from trainables.training.checkpoint import BEST_WEIGHTS, CheckpointError, save_weights

if TYPE_CHECKING:
    from pathlib import Path

    from torch import nn

    from trainables.config import DataConfig

TINY = {"arch": "lraspp", "resolution": "32x64", "width": 0.25}


def _save(folder: Path, config: TrialConfig) -> nn.Module:
    model = build_pruned(config, 3).eval()
    facts = {"config": config.to_mapping(), "class_names": ["a", "b", "c"]}
    save_weights(folder / BEST_WEIGHTS, model.state_dict(), facts)
    return model


def test_a_pruned_model_is_loaded_with_its_remaining_channels(tmp_path: Path) -> None:
    config = TrialConfig.from_mapping({**TINY, "pruning": "structured"})
    saved = _save(tmp_path, config)
    model, found, num_classes = load_deployed(tmp_path)
    assert (found, num_classes) == (config, 3)
    images = torch.rand(1, 3, 32, 64)
    with torch.inference_mode():
        assert torch.equal(model(images), saved(images))


def test_a_quantized_trial_that_wrote_no_program_is_not_complete(tmp_path: Path) -> None:
    _save(tmp_path, TrialConfig.from_mapping({**TINY, "quantization": "ptq_int8"}))
    with pytest.raises(CheckpointError, match=r"deployed\.pt2 does not exist"):
        load_deployed(tmp_path / BEST_WEIGHTS)


def test_an_unknown_format_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="allowed are pt2, onnx, pte"):
        export_trial(tmp_path, ["tflite"], tmp_path / "out")  # type: ignore[list-item]
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match=r"\.pt2, \.onnx, \.pte"):
        write_artifact(torch.nn.Identity(), TrialConfig().resolution, tmp_path / "model.bin")
    with pytest.raises(ValueError, match=r"must be \.pt2"):
        open_artifact(tmp_path / "model.bin")


def test_a_torn_artifact_is_named(tmp_path: Path) -> None:
    torn = tmp_path / "model.pt2"
    torn.write_bytes(b"torn")
    with pytest.raises(ArtifactError, match=r"model\.pt2 cannot be loaded"):
        open_artifact(torn)


@pytest.mark.slow
def test_artifacts_are_written_with_digest_and_size(tmp_path: Path) -> None:
    _save(tmp_path, TrialConfig.from_mapping(TINY))
    made = export_trial(tmp_path, ["pt2", "onnx"], tmp_path / "out")
    facts = json.loads((tmp_path / "out" / RECORD).read_text())
    assert [fact["path"] for fact in facts] == ["model.pt2", "model.onnx"]
    for artifact, fact in zip(made, facts, strict=True):
        assert artifact.sha256 == fact["sha256"] == file_digest(artifact.path)
        assert artifact.size_bytes == artifact.path.stat().st_size
    begun: list[str] = []
    made[1].path.write_bytes(b"torn")
    again = export_trial(tmp_path, ["pt2", "onnx"], tmp_path / "out", begin=begun.append)
    assert begun == ["onnx"]
    assert again[0] == made[0]
    assert again[1].is_intact()


@pytest.mark.slow
def test_an_artifact_whose_logits_are_not_finite_is_removed(
    tmp_path: Path, tiny_data: DataConfig, tiny_cache: Path
) -> None:
    """All weights are finite, the activations overflow."""
    model = _save(tmp_path, TrialConfig.from_mapping(TINY))
    facts = {"config": TrialConfig.from_mapping(TINY).to_mapping(), "class_names": ["a", "b", "c"]}
    weights = {
        name: each * 1e30 if each.ndim == 4 else each for name, each in model.state_dict().items()
    }
    save_weights(tmp_path / BEST_WEIGHTS, weights, facts)
    _, val = build_datasets(tiny_data, Resolution(32, 64), tiny_cache)
    with pytest.raises(ArtifactError, match=r"model\.pt2 is unusable: .*logits are not finite"):
        export_trial(tmp_path, ["pt2"], tmp_path / "out", val=val)
    assert list((tmp_path / "out").iterdir()) == []


MATRIX = [
    ("lraspp", "mobilenet_v3_small", "ptq_int8", "structured", "onnx"),
    ("deeplabv3plus", "mobilenet_v3_small", "none", "structured", "onnx"),
    ("lraspp", "resnet18", "fp16", "none", "onnx"),
    ("deconvnet", "mobilenet_v2", "ptq_int8", "structured", "pt2"),
    ("lraspp", "mobilenet_v3_small", "ptq_int8", "structured", "pte"),
]


@pytest.mark.slow
@pytest.mark.parametrize("case", MATRIX, ids="-".join)
def test_every_runtime_computes_what_the_model_does(
    case: tuple[str, str, str, str, str], tmp_path: Path
) -> None:
    arch, backbone, quantization, pruning, suffix = case
    config = TrialConfig.from_mapping(
        {
            "arch": arch,
            "backbone": backbone,
            "resolution": "32x64",
            "quantization": quantization,
            "pruning": pruning,
        }
    )
    model, path = stand_in(config, 4), tmp_path / f"model.{suffix}"
    write_artifact(model, config.resolution, path)
    run = open_artifact(path)
    image = torch.rand(1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected, found = model(image), run(image)
    assert found.shape == expected.shape
    step = 0.05 if quantization == "ptq_int8" else 0.01
    assert float((found - expected).abs().max()) <= step * float(expected.abs().max())
    if suffix != "pte":
        assert len(run(torch.cat([image] * 3))) == 3


@pytest.mark.slow
def test_weights_in_the_order_they_are_trained_in_can_be_lowered(tmp_path: Path) -> None:
    config = TrialConfig.from_mapping(
        {"arch": "lraspp", "resolution": "32x64", "quantization": "ptq_int8"}
    )
    model = stand_in(config, 4)
    model.to(memory_format=torch.channels_last)
    write_artifact(model, config.resolution, tmp_path / "model.pte")
    run = open_artifact(tmp_path / "model.pte")
    images = torch.rand(4, 1, 3, 32, 64, generator=torch.Generator().manual_seed(0))
    for image in images:
        expected, found = model(image), run(image)
        torch.testing.assert_close(found, expected.contiguous(), rtol=0.1, atol=0.1)
