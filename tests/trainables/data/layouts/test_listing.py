from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

from trainables.data.layouts.listing import (
    MASK_SUFFIXES,
    image_suffixes,
    is_image,
    list_files,
    passed_over,
)

if TYPE_CHECKING:
    from pathlib import Path


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def names_of(root: Path, paths: tuple[Path, ...] | list[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


@pytest.mark.parametrize(
    "name", ["a.jfif", "a.WEBP", "a.tif", "a.Jpe", "a.jp2", "a.mpo", "a.avif", "a.tga", "a.jpg "]
)
def test_every_suffix_that_pillow_reads_is_an_image(tmp_path: Path, name: str) -> None:
    assert is_image(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pdf", "a.eps", "a.mpg", "a.heic", "a.txt", "a", "Thumbs.db"])
def test_undecodable_suffixes_are_no_images(tmp_path: Path, name: str) -> None:
    assert not is_image(tmp_path / name)


def test_masks_may_have_the_suffixes_of_lossless_formats() -> None:
    assert {".png", ".tif", ".tiff", ".bmp"} <= MASK_SUFFIXES <= image_suffixes()
    assert not MASK_SUFFIXES & {".jpg", ".jpeg", ".webp"}


def test_images_of_such_suffixes_are_really_read(tmp_path: Path) -> None:
    for suffix in (".jfif", ".webp", ".tif", ".tga", ".jp2", ".ppm", ".mpo"):
        path = tmp_path / f"a{suffix}"
        Image.new("RGB", (4, 4)).save(path, "JPEG" if suffix == ".mpo" else None)
        with Image.open(path) as image:
            image.load()
        assert is_image(path)


def test_hidden_files_and_folders_are_skipped_at_every_depth(tmp_path: Path) -> None:
    touch(tmp_path, "a/b/c.png", ".x.png", "a/.ipynb_checkpoints/x.jpg", "a/b/._c.png", ".g/x.png")
    assert names_of(tmp_path, list_files(tmp_path).files) == ["a/b/c.png"]


def test_linked_folders_are_followed_by_their_own_path(tmp_path: Path) -> None:
    touch(tmp_path, "pool/x.png", "data/y.png")
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "pool")
    assert names_of(tmp_path, list_files(tmp_path / "data").files) == [
        "data/linked/x.png",
        "data/y.png",
    ]


@pytest.mark.parametrize("target", [".", "..", "../..", "../../..", "../../../.."])
def test_a_loop_of_links_is_reported_and_not_followed(tmp_path: Path, target: str) -> None:
    touch(tmp_path, "data/a/b/x.png")
    (tmp_path / "data" / "a" / "b" / "again").symlink_to(target)
    listing = list_files(tmp_path / "data")
    assert names_of(tmp_path, listing.files) == ["data/a/b/x.png"]
    assert [warning.kind for warning in listing.warnings] == ["folder loop"]


def test_two_folders_that_link_to_each_other_are_listed_once_each(tmp_path: Path) -> None:
    touch(tmp_path, "one/x.png", "two/y.png")
    (tmp_path / "one" / "two").symlink_to("../two")
    (tmp_path / "two" / "one").symlink_to("../one")
    listing = list_files(tmp_path / "one")
    assert names_of(tmp_path, listing.files) == ["one/two/y.png", "one/x.png"]
    assert len(listing.warnings) == 1


def test_broken_links_are_listed_as_files(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "b.png").symlink_to("b.png")
    assert names_of(tmp_path, list_files(tmp_path).files) == ["a.png", "b.png"]


def test_skipped_folders_are_skipped_on_every_path(tmp_path: Path) -> None:
    touch(tmp_path, "masks/x.png", "y.png")
    (tmp_path / "link").symlink_to("masks")
    files = list_files(tmp_path, skip=[tmp_path / "link", tmp_path / "none"]).files
    assert names_of(tmp_path, files) == ["y.png"]


def test_unused_suffixes_are_counted_and_reported(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.HEIC", "b.heic", "c.txt", "LICENSE")]
    (warning,) = passed_over(tmp_path, files, "image")
    assert "4 file(s)" in warning.what
    assert "2 .heic (such as a.HEIC)" in warning.what
    assert "1 .txt (such as c.txt)" in warning.what
    assert "1 without a suffix (such as LICENSE)" in warning.what
    assert passed_over(tmp_path, [], "image") == []
