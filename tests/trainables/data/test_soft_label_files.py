from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from trainables.data.cache import CacheError
from trainables.data.soft_label_files import is_complete, open_soft_labels, write_soft_labels

if TYPE_CHECKING:
    from pathlib import Path

LOGITS = np.arange(5 * 3 * 2 * 4).reshape(5, 3, 2, 4).astype(np.float16)


def test_logits_are_read_as_written(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    folder = tmp_path / "labels"
    batches = [LOGITS[:2], LOGITS[2:]]
    write_soft_labels(folder, (5, 3, 2, 4), batches, lambda done, of: calls.append((done, of)))
    logits = open_soft_labels(folder)
    assert isinstance(logits, np.memmap)
    assert np.array_equal(logits, LOGITS)
    assert calls == [(2, 5), (5, 5)]
    assert is_complete(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["labels"]


def test_a_truncated_file_is_not_complete(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    assert not is_complete(folder)
    write_soft_labels(folder, (5, 3, 2, 4), [LOGITS])
    (path,) = folder.glob("*.npy")
    path.write_bytes(path.read_bytes()[:-2])
    assert not is_complete(folder)


@pytest.mark.parametrize("batches", [[LOGITS[:4]], [LOGITS[:, :2]], [LOGITS, LOGITS]])
def test_logits_of_the_wrong_shape_leave_no_files(
    tmp_path: Path, batches: list[np.ndarray[tuple[int, ...], np.dtype[np.float16]]]
) -> None:
    with pytest.raises(ValueError, match=r"do not fit|expected 5"):
        write_soft_labels(tmp_path / "labels", (5, 3, 2, 4), batches)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_reported_before_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CacheError, match="not enough space for the soft labels"):
        write_soft_labels(tmp_path / "labels", (5, 3, 2, 4), [LOGITS])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_logits_that_are_not_finite_raise_and_leave_no_files(tmp_path: Path, value: float) -> None:
    logits = LOGITS.copy()
    logits[3, 2, 1, 3] = value
    with pytest.raises(ValueError, match="logits of training image 3 are not finite"):
        write_soft_labels(tmp_path / "labels", (5, 3, 2, 4), [logits[:2], logits[2:]])
    assert list(tmp_path.iterdir()) == []


def test_logits_unchecked_by_an_earlier_release_are_not_complete(tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    write_soft_labels(folder, (5, 3, 2, 4), [LOGITS])
    (folder / "meta.json").write_text('{"shape": [5, 3, 2, 4]}', encoding="utf-8")
    assert not is_complete(folder)
