from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from safetensors.torch import save_file
from torch import nn

from trainables.cost.size import artifact_mb, checkpoint_mb

if TYPE_CHECKING:
    from pathlib import Path


def test_a_checkpoint_has_the_size_of_its_file(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(3, 64, 3), nn.BatchNorm2d(64))
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert checkpoint_mb(model) == artifact_mb(tmp_path / "model.safetensors")
    assert checkpoint_mb(model) == pytest.approx(64 * 27 * 4 / 1e6, rel=0.5)


def test_a_folder_has_the_size_of_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "a").write_bytes(b"x" * 3000)
    (tmp_path / "inner" / "b").write_bytes(b"x" * 500)
    assert artifact_mb(tmp_path) == pytest.approx(0.0035)


def test_a_missing_path_has_no_size(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        artifact_mb(tmp_path / "missing")
