from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trainables.inference.images import ImageFilesError, gather_images

if TYPE_CHECKING:
    from pathlib import Path


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def test_folders_are_searched_and_results_keep_their_paths(tmp_path: Path) -> None:
    touch(tmp_path, "in/a/1.png", "in/b/1.jpg", "in/notes.txt", "2.png")
    found = gather_images(
        [tmp_path / "in", tmp_path / "2.png", tmp_path / "in/a/1.png"], tmp_path / "out"
    )
    assert [file.name for file in found.files] == ["a/1", "b/1", "2"]


def test_results_never_overwrite_each_other(tmp_path: Path) -> None:
    touch(tmp_path, "a/x.png", "b/x.png", "b/x.jpg")
    paths = [tmp_path / "a/x.png", tmp_path / "b/x.png", tmp_path / "b/x.jpg"]
    names = [file.name for file in gather_images(paths, tmp_path / "out").files]
    assert names == ["x-png", "x-png-2", "x-jpg"]


def test_every_path_that_is_no_image_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "notes.txt", "empty/readme.md")
    with pytest.raises(ImageFilesError) as caught:
        gather_images([tmp_path / "gone.png", tmp_path / "notes.txt", tmp_path / "empty"], tmp_path)
    for text in ("gone.png does not exist", "notes.txt is no image", "empty holds no image"):
        assert text in str(caught.value)


def test_results_in_the_searched_folder_are_no_images(tmp_path: Path) -> None:
    results = ("masks/a.png", "overlays/a.png", "shares.csv")
    touch(tmp_path, "a.jpg", *results, *(f"earlier/{name}" for name in results), ".x/b.jpg")
    found = gather_images([tmp_path], tmp_path)
    assert [file.name for file in found.files] == ["a"]
    touch(tmp_path, "interrupted/masks/a.png")
    found = gather_images([tmp_path], tmp_path / "interrupted")
    assert [file.name for file in found.files] == ["a"]


def test_a_folder_of_masks_that_is_no_result_is_predicted(tmp_path: Path) -> None:
    touch(tmp_path, "masks/a.png", "b.png")
    found = gather_images([tmp_path], tmp_path / "out")
    assert [file.name for file in found.files] == ["b", "masks/a"]


def test_no_result_overwrites_an_image(tmp_path: Path) -> None:
    touch(tmp_path, "masks/a.png")
    with pytest.raises(ImageFilesError, match="would overwrite an image; give another folder"):
        gather_images([tmp_path / "masks" / "a.png"], tmp_path)


def test_skipped_files_are_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "b.heic")
    found = gather_images([tmp_path], tmp_path / "out")
    assert "1 .heic (such as b.heic)" in found.warnings[0]
