from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest
from PIL import Image

from trainables.data.faults import DataError
from trainables.data.synthetic.writer import MARKER, SceneSet, ensure_scenes, is_complete

if TYPE_CHECKING:
    from pathlib import Path

SCENES = SceneSet(train_images=2, val_images=1, seed=3, height=24, width=32)


def contents(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    ensure_scenes(tmp_path / "a", SCENES)
    ensure_scenes(tmp_path / "b", SCENES)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert len(contents(tmp_path / "a")) == 7
    ensure_scenes(tmp_path / "c", replace(SCENES, seed=4))
    same = set(contents(tmp_path / "a").items()) & set(contents(tmp_path / "c").items())
    assert not same


def test_more_scenes_leave_the_earlier_ones_as_they_are(tmp_path: Path) -> None:
    ensure_scenes(tmp_path / "a", SCENES)
    ensure_scenes(tmp_path / "b", replace(SCENES, train_images=3))
    few, many = contents(tmp_path / "a"), contents(tmp_path / "b")
    del few[MARKER]
    assert few.items() <= many.items()


def test_train_and_val_differ(tmp_path: Path) -> None:
    ensure_scenes(tmp_path / "a", SCENES)
    digests = [d for name, d in contents(tmp_path / "a").items() if "leftImg8bit" in name]
    assert len(set(digests)) == 3


def test_masks_are_indices_of_the_pictures_size(tmp_path: Path) -> None:
    ensure_scenes(tmp_path / "a", SCENES)
    mask = next((tmp_path / "a" / "gtFine" / "val").rglob("*_gtFine_labelIds.png"))
    with Image.open(mask) as image:
        assert (image.mode, image.size) == ("L", (32, 24))


def test_complete_scenes_are_left_alone_and_incomplete_ones_replaced(tmp_path: Path) -> None:
    root = tmp_path / "a"
    ensure_scenes(root, SCENES)
    before = contents(root)
    written = (root / MARKER).stat().st_mtime_ns
    ensure_scenes(root, SCENES)
    assert (root / MARKER).stat().st_mtime_ns == written
    next(root.rglob("*_labelIds.png")).unlink()
    assert not is_complete(root, SCENES)
    ensure_scenes(root, SCENES)
    assert contents(root) == before


def test_other_scenes_are_replaced(tmp_path: Path) -> None:
    ensure_scenes(tmp_path / "a", SCENES)
    ensure_scenes(tmp_path / "a", replace(SCENES, val_images=2))
    assert len(contents(tmp_path / "a")) == 9


def test_files_that_were_not_generated_are_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(DataError, match="were not generated"):
        ensure_scenes(tmp_path, SCENES)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_an_unwritable_root_is_a_data_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot be written here"):
        ensure_scenes(tmp_path / "file" / "scenes", SCENES)


def test_concurrent_generators_write_one_complete_set(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: ensure_scenes(tmp_path / "a", SCENES), range(4)))
    assert is_complete(tmp_path / "a", SCENES)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "a.lock"]
