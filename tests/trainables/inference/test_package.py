from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from trainables.inference.package import PREDICTOR, pack
from trainables.inference.predictor import DESCRIPTION, PROGRAM, PackedModelError, Predictor

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.inference.package import PackedModel
    from trainables.inference.trained import TrainedModel


@pytest.fixture(scope="module")
def packed(tiny_trained: TrainedModel, tmp_path_factory: pytest.TempPathFactory) -> PackedModel:
    return pack(tiny_trained, tmp_path_factory.mktemp("packed"), {"trial_id": "t00001"})


def test_a_packed_model_predicts_as_the_trained_one(
    packed: PackedModel, tiny_trained: TrainedModel
) -> None:
    predictor = Predictor.load(packed.folder)
    rng = np.random.default_rng(0)
    for count in (1, 2, 5):
        images = rng.integers(0, 256, (count, 32, 48, 3), dtype=np.uint8)
        with torch.inference_mode():
            expected = tiny_trained.module(predictor.prepare(images)).argmax(1).numpy()
        assert (predictor.masks(images) == expected).mean() > 0.999


def test_a_packed_model_has_a_description(packed: PackedModel) -> None:
    text = json.loads((packed.folder / DESCRIPTION).read_text())
    assert text["class_names"] == ["ground", "wall", "sky"]
    assert text["resolution"] == [32, 48]
    assert text["trial_id"] == "t00001"
    assert text["program_sha256"] == packed.digest
    assert text["preprocessing"]["mean"] == [0.485, 0.456, 0.406]
    assert (packed.folder / PREDICTOR).is_file()
    assert packed.size_mb == pytest.approx((packed.folder / PROGRAM).stat().st_size / 1e6)


def test_a_packed_model_holds_no_local_path(packed: PackedModel) -> None:
    with zipfile.ZipFile(packed.folder / PROGRAM) as archive:
        assert not [name for name in archive.namelist() if b"conftest.py" in archive.read(name)]


def test_a_torn_program_is_not_loaded(packed: PackedModel, tmp_path: Path) -> None:
    for file in packed.folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    program = tmp_path / PROGRAM
    program.write_bytes(program.read_bytes()[:-1] + b"x")
    with pytest.raises(PackedModelError, match="not the program that was packed"):
        Predictor.load(tmp_path)
    program.unlink()
    with pytest.raises(PackedModelError, match="is no packed model"):
        Predictor.load(tmp_path)
