from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from search_spaces.resolution import Resolution
from trainables.formats.artifact import INPUT, OUTPUT, write_artifact
from trainables.io.atomic import file_digest

if TYPE_CHECKING:
    from pathlib import Path

SIZE = Resolution(8, 16)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()).eval()


def test_an_unknown_suffix_raises_with_the_allowed_ones(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"must be one of \.pt2, \.onnx, \.pte"):
        write_artifact(network(), SIZE, tmp_path / "model.zip")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_onnx_file_names_its_tensors_and_has_no_source_locations(tmp_path: Path) -> None:
    import onnx

    path = tmp_path / "model.onnx"
    assert write_artifact(network(), SIZE, path) == file_digest(path)
    graph = onnx.load(path).graph
    assert [tensor.name for tensor in graph.input] == [INPUT]
    assert [tensor.name for tensor in graph.output] == [OUTPUT]
    assert not any(node.metadata_props for node in graph.node)
    assert __file__.encode() not in path.read_bytes()
