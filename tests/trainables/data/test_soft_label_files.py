from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from trainables.data.cache import CacheError
from trainables.data.soft_label_files import is_sound, open_soft_labels, write_soft_labels

if TYPE_CHECKING:
    from pathlib import Path

LOGITS = np.arange(5 * 3 * 2 * 4).reshape(5, 3, 2, 4).astype(np.float16)


def test_logits_come_back_as_they_were(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    folder = tmp_path / "labels"
    batches = [LOGITS[:2], LOGITS[2:]]
    write_soft_labels(folder, (5, 3, 2, 4), batches, lambda done, of: told.append((done, of)))
    found = open_soft_labels(folder)
    assert isinstance(found, np.memmap)
    assert np.array_equal(found, LOGITS)
    assert told == [(2, 5), (5, 5)]
    assert is_sound(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["labels"]


def test_a_shortened_file_is_not_sound(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    assert not is_sound(folder)
    write_soft_labels(folder, (5, 3, 2, 4), [LOGITS])
    (path,) = folder.glob("*.npy")
    path.write_bytes(path.read_bytes()[:-2])
    assert not is_sound(folder)


@pytest.mark.parametrize("batches", [[LOGITS[:4]], [LOGITS[:, :2]], [LOGITS, LOGITS]])
def test_what_does_not_add_up_leaves_nothing(
    tmp_path: Path, batches: list[np.ndarray[tuple[int, ...], np.dtype[np.float16]]]
) -> None:
    with pytest.raises(ValueError, match=r"do not fit|announced"):
        write_soft_labels(tmp_path / "labels", (5, 3, 2, 4), batches)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_named_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CacheError, match="not enough space for the soft labels"):
        write_soft_labels(tmp_path / "labels", (5, 3, 2, 4), [LOGITS])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_are_refused_and_leave_nothing(
    tmp_path: Path, value: float
) -> None:
    logits = LOGITS.copy()
    logits[3, 2, 1, 3] = value
    with pytest.raises(ValueError, match="logits of training image 3 are not finite"):
        write_soft_labels(tmp_path / "labels", (5, 3, 2, 4), [logits[:2], logits[2:]])
    assert list(tmp_path.iterdir()) == []


def test_logits_that_an_earlier_release_did_not_check_are_not_sound(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    write_soft_labels(folder, (5, 3, 2, 4), [LOGITS])
    (folder / "meta.json").write_text('{"shape": [5, 3, 2, 4]}', encoding="utf-8")
    assert not is_sound(folder)
