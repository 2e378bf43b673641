"""Broken data sets: always a report, never a traceback, nothing written into them."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from trainables.config import DataConfig
from trainables.data.checks.check import check_data

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.slow

Content = bytes


def encoded(pixels: np.ndarray, kind: str, mode: str | None = None) -> Content:
    buffer = io.BytesIO()
    Image.fromarray(pixels, mode).save(buffer, kind)
    return buffer.getvalue()


def palette() -> Content:
    image = Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4) % 3)
    image = image.convert("P")
    image.putpalette([200, 0, 0, 0, 200, 0, 0, 0, 200] + [0] * 759)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


GREY = np.ones((3, 4), dtype=np.uint8)
COLOUR = np.full((3, 4, 3), 90, dtype=np.uint8)
SOUND_IMAGE = encoded(COLOUR, "JPEG")
SOUND_MASK = encoded(GREY, "PNG")
CONTENTS: dict[str, Content] = {
    "image": SOUND_IMAGE,
    "mask": SOUND_MASK,
    "empty": b"",
    "palette": palette(),
    "16 bits": encoded(GREY.astype(np.uint16) * 300, "PNG"),
    "16 bits, small": encoded(GREY.astype(np.uint16), "PNG"),
    "colour mask": encoded(COLOUR, "PNG"),
    "other size": encoded(np.ones((5, 4), dtype=np.uint8), "PNG"),
    "unknown label": encoded(GREY * 77, "PNG"),
    "one pixel": encoded(np.ones((1, 1), dtype=np.uint8), "PNG"),
    "text": b"\x00not an image\n" * 20,
    "bomb": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\xff\xff\xff\x7f" * 2 + b"\x08\x02\0\0\0",
}
names = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="/\0"), min_size=1, max_size=20
).filter(lambda name: name not in {".", ".."} and len(name.encode()) < 100)
stems = st.sampled_from(["a", "b\nc", "ä 中", "-rf", "x" * 80, " ", "%s{0}", "\x1b[31m"]) | names
contents = st.sampled_from(sorted(CONTENTS)).map(CONTENTS.get) | st.binary(max_size=200)
truncated = st.tuples(st.sampled_from([SOUND_IMAGE, SOUND_MASK]), st.floats(0, 1)).map(
    lambda both: both[0][: int(both[1] * len(both[0]))]
)
entries = st.lists(
    st.tuples(
        stems,
        st.sampled_from(["train", "val"]),
        st.sampled_from([".jpg", ".png", ".JPG", ""]),
        contents | truncated,
        contents | truncated,
        st.sampled_from(["file", "file", "file", "link out", "loop", "folder", "absent"]),
    ),
    max_size=5,
)


def place(path: Path, content: Content, how: str, outside: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() or path.is_symlink():
        return
    if how == "link out":
        path.symlink_to(outside)
    elif how == "loop":
        path.symlink_to(path)
    elif how == "folder":
        path.mkdir()
    elif how != "absent":
        path.write_bytes(content)


def tree(folder: Path) -> dict[str, float]:
    return {
        os.fsdecode(os.path.relpath(os.path.join(base, name), folder)): os.lstat(  # noqa: PTH118
            os.path.join(base, name)  # noqa: PTH118
        ).st_mtime_ns
        for base, folders, files in os.walk(folder)
        for name in (*folders, *files)
    }


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(found=entries)
def test_any_folder_is_checked_and_left_as_it_was(
    found: list[tuple[str, str, str, Content, Content, str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    base = tmp_path_factory.mktemp("fuzz")
    outside = base / "outside.png"
    outside.write_bytes(SOUND_MASK)
    root, cache = base / "data", base / "cache"
    root.mkdir()
    for stem, split, suffix, image, mask, how in found:
        place(root / "images" / split / (stem + suffix), image, how, outside)
        place(root / "masks" / split / f"{stem}.png", mask, how, outside)
    before = tree(base)
    config = DataConfig(format="folder", root=str(root), class_names=("ground", "sky"))
    report = check_data(config, cache_dir=cache)
    assert report.ok == (not report.faults)
    for fault in (*report.faults, *report.warnings):
        assert str(fault).isprintable()
    after = {name: at for name, at in tree(base).items() if not name.startswith("cache")}
    assert after == before


@pytest.mark.parametrize("name", sorted(CONTENTS))
def test_each_kind_of_file_as_image_and_as_mask(
    name: str, tmp_path: Path, a_sound_pair: Callable[[Path], None]
) -> None:
    a_sound_pair(tmp_path)
    for folder in ("images", "masks"):
        (tmp_path / folder / "train" / "odd.png").write_bytes(CONTENTS[name])
    config = DataConfig(format="folder", root=str(tmp_path), class_names=("ground", "sky"))
    report = check_data(config)
    if name not in {"mask", "palette", "16 bits, small", "one pixel", "other size"}:
        assert any("odd" in fault.path for fault in report.faults)


@pytest.fixture
def a_sound_pair() -> Callable[[Path], None]:
    def make(root: Path) -> None:
        for split in ("train", "val"):
            for folder, content in (("images", SOUND_IMAGE), ("masks", SOUND_MASK)):
                (root / folder / split).mkdir(parents=True)
                suffix = ".jpg" if folder == "images" else ".png"
                (root / folder / split / f"a{suffix}").write_bytes(content)

    return make
