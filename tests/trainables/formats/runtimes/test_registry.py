from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from search_spaces.resolution import Resolution
from trainables.formats.artifact import write_artifact
from trainables.formats.runtimes.base import ArtifactError
from trainables.formats.runtimes.registry import open_artifact

if TYPE_CHECKING:
    from pathlib import Path

SIZE = Resolution(8, 16)


@pytest.mark.parametrize(
    ("suffix", "library"),
    [(".pt2", "torch"), pytest.param(".onnx", "onnxruntime", marks=pytest.mark.slow)],
)
def test_an_artifact_runs_in_the_runtime_of_its_suffix(
    suffix: str, library: str, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).eval()
    path = tmp_path / f"model{suffix}"
    write_artifact(model, SIZE, path)
    runner = open_artifact(path)
    assert runner.runtime.startswith(f"{library} ")
    images = torch.rand(3, 3, 8, 16)
    with torch.no_grad():
        torch.testing.assert_close(runner(images), model(images), rtol=1e-4, atol=1e-5)


def test_an_unknown_suffix_raises(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be \.pt2, \.onnx or \.pte"):
        open_artifact(tmp_path / "model.bin")


@pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
def test_an_unreadable_artifact_is_an_error_with_its_path(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(b"no program")
    with pytest.raises(ArtifactError, match=f"model{suffix} cannot be loaded"):
        open_artifact(path)
