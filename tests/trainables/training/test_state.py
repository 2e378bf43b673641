from __future__ import annotations

import itertools
import pickle
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.training.checkpoint import CheckpointError
from trainables.training.state import LAST, last_soundness, load_last, remove_last, save_last


def test_the_last_state_is_loaded(tmp_path: Path) -> None:
    assert load_last(tmp_path) is None
    save_last(tmp_path, {"epoch": 1, "weights": torch.ones(2)})
    save_last(tmp_path, {"epoch": 2, "weights": torch.zeros(2)})
    state = load_last(tmp_path)
    assert state is not None
    assert state["epoch"] == 2
    assert torch.equal(state["weights"], torch.zeros(2))


def test_a_torn_state_is_replaced_by_the_previous_one(tmp_path: Path) -> None:
    save_last(tmp_path, {"epoch": 1})
    save_last(tmp_path, {"epoch": 2})
    data = (tmp_path / LAST).read_bytes()
    (tmp_path / LAST).write_bytes(data[: len(data) // 2])
    state = load_last(tmp_path)
    assert state == {"epoch": 1}
    (tmp_path / LAST).unlink()
    assert load_last(tmp_path) == {"epoch": 1}


def test_a_flipped_bit_is_detected(tmp_path: Path) -> None:
    save_last(tmp_path, {"epoch": 1})
    data = bytearray((tmp_path / LAST).read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / LAST).write_bytes(data)
    assert load_last(tmp_path) is None
    assert last_soundness(tmp_path) == "torn"


class CrashError(Exception):
    """The process dies."""


def crash_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the process die before its ``step``-th renaming from now, from 0."""
    original, done = Path.replace, itertools.count()

    def replace(self: Path, target: Path) -> Path:
        if next(done) == step:
            raise CrashError
        return original(self, target)

    monkeypatch.setattr(Path, "replace", replace)


@given(crashes=st.lists(st.integers(0, 1), max_size=5))
def test_crashes_at_any_point_of_any_save_leave_the_newest_intact_state(
    crashes: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("trial")
    save_last(folder, {"epoch": 0})
    for epoch, step in enumerate(crashes, start=1):
        with pytest.MonkeyPatch.context() as patch:
            crash_at(patch, step)
            before = load_last(folder)
            try:
                save_last(folder, {"epoch": epoch})
            except CrashError:
                assert load_last(folder) == before
            else:
                assert load_last(folder) == {"epoch": epoch}
    save_last(folder, {"epoch": 99})
    assert load_last(folder) == {"epoch": 99}


def test_a_torn_state_never_replaces_an_intact_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_last(tmp_path, {"epoch": 1})
    save_last(tmp_path, {"epoch": 2})
    (tmp_path / LAST).write_bytes(b"torn")
    crash_at(monkeypatch, 0)
    with pytest.raises(CrashError):
        save_last(tmp_path, {"epoch": 2})
    assert load_last(tmp_path) == {"epoch": 1}
    assert last_soundness(tmp_path) == "sound"


def test_objects_are_not_unpickled(tmp_path: Path) -> None:
    save_last(tmp_path, {"session": CheckpointError("anything")})
    with pytest.raises(pickle.UnpicklingError):
        load_last(tmp_path)


def test_a_removed_state_leaves_no_file(tmp_path: Path) -> None:
    save_last(tmp_path, {"epoch": 1})
    save_last(tmp_path, {"epoch": 2})
    (tmp_path / f".{LAST}.killed").write_bytes(b"half")
    remove_last(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert last_soundness(tmp_path) == "absent"
