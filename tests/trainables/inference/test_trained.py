from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import torch

from search_spaces.config import TrialConfig
from trainables.formats.program import PROGRAM, PROGRAM_DIGEST
from trainables.inference.trained import load_trained
from trainables.models.build import build_model
from trainables.training.checkpoint import (
    BEST_METADATA,
    BEST_WEIGHTS,
    CheckpointError,
    save_best,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from search_spaces.domains import Value


SMALL: dict[str, Value] = {"backbone": "mobilenet_v3_small", "width": 0.35}


def save(folder: Path, config: Mapping[str, object], classes: int = 2) -> torch.nn.Module:
    torch.manual_seed(0)
    model = build_model(TrialConfig.from_mapping(SMALL), 2)
    names = [f"class {label}" for label in range(classes)]
    save_best(folder, model.state_dict(), {"config": config, "class_names": names})
    return model


def test_the_model_of_a_trial_has_the_saved_weights(tmp_path: Path) -> None:
    model = save(tmp_path, SMALL)
    trained = load_trained(tmp_path)
    assert trained.class_names == ("class 0", "class 1")
    assert not trained.module.training
    images = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(trained.module(images), model.eval()(images))
    assert trained.digest == json.loads((tmp_path / BEST_METADATA).read_text())["sha256"]


def test_files_that_were_changed_are_refused(tmp_path: Path) -> None:
    save(tmp_path, SMALL)
    path = tmp_path / BEST_WEIGHTS
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(CheckpointError, match="not the file that was saved"):
        load_trained(tmp_path)
    (tmp_path / BEST_METADATA).unlink()
    with pytest.raises(CheckpointError, match="only a completed trial"):
        load_trained(tmp_path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_model_that_diverged_is_refused(tmp_path: Path, value: float) -> None:
    """An earlier release may have called its trial complete; promote and predict begin here."""
    model = save(tmp_path, SMALL)
    with torch.no_grad():
        next(model.parameters()).view(-1)[0] = value
    facts = {"config": SMALL, "class_names": ["a", "b"]}
    save_best(tmp_path, model.state_dict(), facts)
    with pytest.raises(CheckpointError, match="training that diverged"):
        load_trained(tmp_path)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    save(tmp_path, SMALL, classes=3)
    with pytest.raises(CheckpointError, match="does not fit its configuration"):
        load_trained(tmp_path)


def test_a_quantized_model_without_its_program_is_refused(tmp_path: Path) -> None:
    save(tmp_path, {**SMALL, "quantization": "ptq_int8"})
    with pytest.raises(CheckpointError, match="quantization="):
        load_trained(tmp_path)


def test_a_program_that_was_changed_is_refused(tmp_path: Path) -> None:
    save(tmp_path, {**SMALL, "quantization": "fp16"})
    (tmp_path / PROGRAM).write_bytes(b"another")
    (tmp_path / PROGRAM_DIGEST).write_text("0" * 64)
    with pytest.raises(CheckpointError, match="not the program that was saved"):
        load_trained(tmp_path)
