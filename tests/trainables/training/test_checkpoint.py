from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch

from trainables.io.atomic import file_digest
from trainables.training.checkpoint import (
    BEST_METADATA,
    BEST_WEIGHTS,
    CheckpointError,
    best_soundness,
    load_weights,
    restore_best,
    save_best,
    save_weights,
)

if TYPE_CHECKING:
    from pathlib import Path


def weights() -> dict[str, torch.Tensor]:
    kernel = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    return {"kernel": kernel, "count": torch.tensor(3)}


def test_weights_and_metadata_are_loaded(tmp_path: Path) -> None:
    saved = weights()
    digest = save_weights(tmp_path / "a.safetensors", saved, {"miou": 0.5, "names": ["x"]})
    loaded, metadata = load_weights(tmp_path / "a.safetensors", digest)
    assert metadata == {"miou": 0.5, "names": ["x"]}
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)


def test_the_metadata_of_the_best_holds_its_digest(tmp_path: Path) -> None:
    digest = save_best(tmp_path, weights(), {"epoch": 3})
    described = json.loads((tmp_path / BEST_METADATA).read_text())
    assert described == {"epoch": 3, "sha256": digest}
    assert file_digest(tmp_path / BEST_WEIGHTS) == digest


def test_missing_torn_or_altered_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match="does not exist"):
        load_weights(path)
    digest = save_weights(path, weights(), {})
    with pytest.raises(CheckpointError, match="is not the file that was saved"):
        load_weights(path, "0" * 64)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(CheckpointError, match="is not the file that was saved"):
        load_weights(path, digest)
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        load_weights(path)
    path.write_bytes(safetensors.torch.save({"a": torch.zeros(1)}))
    with pytest.raises(CheckpointError, match="was not written by segsweep"):
        load_weights(path)


def test_the_error_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(CheckpointError("torn")))  # noqa: S301 - our own bytes
    assert str(error) == "torn"


def test_an_altered_tensor_is_detected_from_the_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_weights(path, weights(), {})
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="was altered"):
        load_weights(path)


def test_torn_best_weights_are_replaced_by_the_previous_ones(tmp_path: Path) -> None:
    assert best_soundness(tmp_path) == "absent"
    first = weights()
    save_best(tmp_path, first, {"epoch": 1})
    save_best(tmp_path, weights(), {"epoch": 2})
    assert best_soundness(tmp_path) == "sound"
    path = tmp_path / BEST_WEIGHTS
    path.write_bytes(path.read_bytes()[:-7])
    assert best_soundness(tmp_path) == "torn"
    assert restore_best(tmp_path, lambda _: True) == {"epoch": 1}
    loaded, _ = load_weights(path)
    assert torch.equal(loaded["kernel"], first["kernel"])
    described = json.loads((tmp_path / BEST_METADATA).read_text())
    assert described == {"epoch": 1, "sha256": file_digest(path)}


def test_torn_best_weights_never_replace_intact_ones(tmp_path: Path) -> None:
    save_best(tmp_path, weights(), {"epoch": 1})
    save_best(tmp_path, weights(), {"epoch": 2})
    (tmp_path / BEST_WEIGHTS).write_bytes(b"torn")
    save_best(tmp_path, weights(), {"epoch": 3})
    (tmp_path / BEST_WEIGHTS).write_bytes(b"torn again")
    assert restore_best(tmp_path, lambda _: True) == {"epoch": 1}


def test_best_weights_of_a_later_epoch_are_replaced_by_the_previous_ones(tmp_path: Path) -> None:
    save_best(tmp_path, weights(), {"epoch": 1})
    save_best(tmp_path, weights(), {"epoch": 2})
    assert restore_best(tmp_path, lambda facts: facts["epoch"] <= 1) == {"epoch": 1}
    assert restore_best(tmp_path, lambda facts: facts["epoch"] > 1) is None
