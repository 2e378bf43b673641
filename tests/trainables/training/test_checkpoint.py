from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING

import pytest
import safetensors.torch
import torch

from trainables.training.checkpoint import (
    BEST_METADATA,
    BEST_WEIGHTS,
    LAST,
    CheckpointError,
    file_digest,
    load_last,
    load_weights,
    remove_last,
    save_best,
    save_last,
    save_weights,
    write_atomically,
)

if TYPE_CHECKING:
    from pathlib import Path


def weights() -> dict[str, torch.Tensor]:
    kernel = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    return {"kernel": kernel, "count": torch.tensor(3)}


def test_weights_and_metadata_come_back(tmp_path: Path) -> None:
    saved = weights()
    digest = save_weights(tmp_path / "a.safetensors", saved, {"miou": 0.5, "names": ["x"]})
    loaded, metadata = load_weights(tmp_path / "a.safetensors", digest)
    assert metadata == {"miou": 0.5, "names": ["x"]}
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)


def test_the_best_names_its_digest(tmp_path: Path) -> None:
    digest = save_best(tmp_path, weights(), {"epoch": 3})
    described = json.loads((tmp_path / BEST_METADATA).read_text())
    assert described == {"epoch": 3, "sha256": digest}
    assert file_digest(tmp_path / BEST_WEIGHTS) == digest


def test_unsound_weights_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
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


def test_the_last_state_comes_back(tmp_path: Path) -> None:
    assert load_last(tmp_path) is None
    save_last(tmp_path, {"epoch": 1, "weights": torch.ones(2)})
    save_last(tmp_path, {"epoch": 2, "weights": torch.zeros(2)})
    state = load_last(tmp_path)
    assert state is not None
    assert state["epoch"] == 2
    assert torch.equal(state["weights"], torch.zeros(2))


def test_a_torn_state_gives_way_to_the_one_before(tmp_path: Path) -> None:
    save_last(tmp_path, {"epoch": 1})
    save_last(tmp_path, {"epoch": 2})
    data = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).write_bytes(data[: len(data) // 2])
    state = load_last(tmp_path)
    assert state == {"epoch": 1}
    (tmp_path / LAST).unlink()
    assert load_last(tmp_path) == {"epoch": 1}


def test_a_flipped_bit_is_noticed(tmp_path: Path) -> None:
    save_last(tmp_path, {"epoch": 1})
    data = bytearray((tmp_path / LAST).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / LAST).write_bytes(data)
    assert load_last(tmp_path) is None


def test_a_crash_at_any_point_of_saving_leaves_a_sound_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class CrashError(Exception):
        pass

    from pathlib import Path as AnyPath

    original = AnyPath.replace
    for survived in range(3):
        folder = tmp_path / str(survived)
        save_last(folder, {"epoch": 1})
        done = 0

        def replace(self: AnyPath, target: AnyPath, survived: int = survived) -> AnyPath:
            nonlocal done
            if done == survived:
                raise CrashError
            done += 1
            return original(self, target)

        monkeypatch.setattr(AnyPath, "replace", replace)
        with pytest.raises(CrashError):
            save_last(folder, {"epoch": 2})
        monkeypatch.setattr(AnyPath, "replace", original)
        assert load_last(folder) == {"epoch": 1}


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    save_last(tmp_path, {"session": CheckpointError("anything")})
    with pytest.raises(pickle.UnpicklingError):
        load_last(tmp_path)


def test_nothing_is_left_of_a_removed_state(tmp_path: Path) -> None:
    save_last(tmp_path, {"epoch": 1})
    save_last(tmp_path, {"epoch": 2})
    remove_last(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomically(path, b"old")
    with pytest.raises(TypeError):
        write_atomically(path, "text")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
