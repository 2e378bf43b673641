from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import torch

from search_spaces.config import TrialConfig
from trainables.compression.deployed import stand_in
from trainables.formats.artifact import write_artifact

if TYPE_CHECKING:
    from pathlib import Path

ONLY_TORCH = """
import sys, torch
folder = sys.argv[1]
program = torch.export.load(folder + "/model.pt2").module()
torch.save(program(torch.load(folder + "/images.pt")), folder + "/logits.pt")
print([name for name in sys.modules if name.startswith(("torchao", "executorch", "trainables"))])
"""


@pytest.mark.slow
def test_an_int8_program_needs_only_torch_for_equal_outputs(tmp_path: Path) -> None:
    config = TrialConfig.from_mapping(
        {"arch": "lraspp", "resolution": "32x64", "width": 0.5, "quantization": "ptq_int8"}
    )
    model = stand_in(config, 4)
    write_artifact(model, config.resolution, tmp_path / "model.pt2")
    images = torch.rand(3, 3, 32, 64)
    torch.save(images, tmp_path / "images.pt")
    done = subprocess.run(
        [sys.executable, "-I", "-c", ONLY_TORCH, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    with torch.inference_mode():
        assert torch.equal(torch.load(tmp_path / "logits.pt"), model(images))
