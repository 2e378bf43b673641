"""Writes generated scenes to disk in the Cityscapes layout."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from PIL import Image

from trainables.data.faults import DataError, Fault
from trainables.data.synthetic.scene import draw_scene
from trainables.io.atomic import replaced_folder

VERSION = 1
"""Increased whenever the same seed gives other pictures."""
MARKER = "synthetic-scenes.json"
_CITIES = {
    "train": ("northfield", "riverton", "ashby"),
    "val": ("lakeside", "westmoor"),
    "test": ("harbourton", "eastvale"),
}
_SEEDS = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True, kw_only=True, slots=True)
class SceneSet:
    """Settings of the generator; equal settings give equal bytes."""

    train_images: int
    """Training scenes, >= 1."""
    val_images: int
    """Validation scenes, >= 1."""
    test_images: int = 0
    """Test scenes, >= 0."""
    seed: int
    """Seed of the generator, >= 0."""
    height: int = 144
    """Height of the pictures, pixels."""
    width: int = 192
    """Width of the pictures, pixels."""
    version: int = VERSION
    """Version of the generator."""

    @property
    def name(self) -> str:
        """A folder name that is unique for each set."""
        size = f"{self.height}x{self.width}"
        test = f"+{self.test_images}" if self.test_images else ""
        counts = f"{self.train_images}+{self.val_images}{test}"
        return f"v{self.version}-{size}-seed{self.seed}-{counts}"


def ensure_scenes(root: Path, scenes: SceneSet) -> None:
    """Generate ``scenes`` into ``root`` unless it holds exactly these.

    The folder appears only when it is complete. A folder of other or incomplete generated scenes is
    replaced.

    Raises:
        DataError: ``root`` holds files that were not generated, or cannot be written.
    """
    if is_complete(root, scenes):
        return
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root.with_name(f"{root.name}.lock")):
            if not is_complete(root, scenes):
                _replace(root, scenes)
    except OSError as error:
        what = f"generated scenes cannot be written here ({error.strerror or error})"
        remedy = "set data.root, or the cache folder, to where there is space and permission"
        fault = Fault(kind="setting", path=str(root), what=what, remedy=remedy)
        raise DataError([fault]) from error


def is_complete(root: Path, scenes: SceneSet) -> bool:
    """Whether ``root`` holds exactly ``scenes`` and no file is missing."""
    try:
        marker = json.loads((root / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(marker, dict):
        return False
    return {"test_images": 0, **marker} == asdict(scenes) and all(
        (root / path).is_file() for _, _, *paths in _paths(scenes) for path in paths
    )


def _replace(root: Path, scenes: SceneSet) -> None:
    if root.exists() and not (root / MARKER).is_file() and any(root.iterdir()):
        what = "holds files that were not generated, so no scenes are written into it"
        remedy = "set data.root to a new folder, or data.format to the layout of these files"
        raise DataError([Fault(kind="setting", path=str(root), what=what, remedy=remedy)])
    with replaced_folder(root) as draft:
        _write(draft, scenes)


def _write(folder: Path, scenes: SceneSet) -> None:
    for split, index, image_path, mask_path in _paths(scenes):
        # Seeded by split and index, so that a larger set begins with the same images.
        rng = np.random.default_rng([scenes.seed, _SEEDS[split], index])
        picture, labels = draw_scene(rng, scenes.height, scenes.width)
        for path, pixels in ((image_path, picture), (mask_path, labels)):
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(target, compress_level=4)
    (folder / MARKER).write_text(json.dumps(asdict(scenes), indent=1), encoding="utf-8")


def _paths(scenes: SceneSet) -> list[tuple[str, int, Path, Path]]:
    """Return split, index in it, image and mask of every scene."""
    paths = []
    counts = {"train": scenes.train_images, "val": scenes.val_images, "test": scenes.test_images}
    for split, count in counts.items():
        cities = _CITIES[split]
        for index in range(count):
            city = cities[index % len(cities)]
            frame = f"{city}_{index // len(cities):06d}_000019"
            paths.append(
                (
                    split,
                    index,
                    Path("leftImg8bit", split, city, f"{frame}_leftImg8bit.png"),
                    Path("gtFine", split, city, f"{frame}_gtFine_labelIds.png"),
                )
            )
    return paths
