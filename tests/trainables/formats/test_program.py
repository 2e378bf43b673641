from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from search_spaces.resolution import Resolution
from trainables.compression.quantization import FrozenProgram
from trainables.formats.program import INT8_OPERATORS, export_program, load_program, save_program

if TYPE_CHECKING:
    from pathlib import Path

SIZE = Resolution(8, 16)


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU()).eval()


def test_a_program_is_loaded_with_equal_outputs_for_any_batch(tmp_path: Path) -> None:
    path, model = tmp_path / "model.pt2", network()
    digest = save_program(model, SIZE, path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()
    program = load_program(path)
    for count in (1, 5):
        images = torch.rand(count, 3, 8, 16)
        with torch.no_grad():
            assert torch.equal(program(images), model(images))


def test_a_fixed_batch_refuses_other_batches() -> None:
    program = FrozenProgram(export_program(network(), SIZE, batch=2).module())
    assert program(torch.rand(2, 3, 8, 16)).shape == (2, 4, 8, 16)
    with pytest.raises((AssertionError, RuntimeError)):
        program(torch.rand(3, 3, 8, 16))


def test_plain_programs_have_no_source_locations(tmp_path: Path) -> None:
    save_program(network(), SIZE, tmp_path / "model.pt2", plain=True)
    content = (tmp_path / "model.pt2").read_bytes()
    assert __file__.encode() not in content
    assert INT8_OPERATORS not in content
