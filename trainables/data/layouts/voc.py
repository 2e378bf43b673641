"""Layout ``voc``: Pascal VOC 2012 segmentation with 20 classes beside the background."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.faults import DataError, Fault, missing_folder
from trainables.data.layouts.base import empty_split, find_split, renamed, require_root
from trainables.data.layouts.listing import is_image, is_mask, list_files
from trainables.data.layouts.pairing import NameIndex, pair, paired_layout, stem_key
from trainables.data.masks.labels import IGNORE, LabelMap

if TYPE_CHECKING:
    from trainables.config import DataConfig
    from trainables.data.layouts.base import Layout
    from trainables.data.layouts.pairing import Pairing

CLASS_NAMES: tuple[str, ...] = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv monitor",
)
"""Names by mask value; 255 is the ignored outline of objects."""

_BASE = Path("VOCdevkit", "VOC2012")


def open_voc(config: DataConfig) -> Layout:
    """Return the samples listed in ``VOCdevkit/VOC2012/ImageSets/Segmentation``.

    The root is the folder of ``VOCdevkit``, ``VOCdevkit`` itself or ``VOC2012`` itself.

    Raises:
        DataError: every missing setting, folder or list of a split, together.
    """
    root = _devkit_parent(Path(require_root(config)))
    base = root / _BASE
    remedy = "set data.root to the folder that holds VOCdevkit/VOC2012"
    folders = [base / "JPEGImages", base / "SegmentationClass", base / "ImageSets/Segmentation"]
    faults = [missing_folder(folder, remedy) for folder in folders if not folder.is_dir()]
    if faults:
        raise DataError(faults)
    lists = ("train", "val", "trainval")
    test = () if config.test_split is None else (config.test_split,)
    train = _list_split(root, config.train_split, "train_split", lists)
    val = _list_split(root, config.val_split, "val_split", (*lists, *test))
    labels = LabelMap.of({i: i for i in range(len(CLASS_NAMES))}, ignored=(IGNORE,))
    return paired_layout(config, root, renamed(config, CLASS_NAMES), labels, train, val)


def _devkit_parent(root: Path) -> Path:
    if (root / "ImageSets").is_dir() and root.absolute().parent.name == "VOCdevkit":
        return root.absolute().parent.parent
    if (root / "VOC2012").is_dir() and root.absolute().name == "VOCdevkit":
        return root.absolute().parent
    return root


def _list_split(root: Path, split: str, setting: str, allowed: tuple[str, ...]) -> Pairing:
    name = find_split(split, allowed, setting)
    base = root / _BASE
    listing = base / "ImageSets/Segmentation" / f"{name}.txt"
    try:
        lines = listing.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except FileNotFoundError:
        what, remedy = "the list of the split does not exist", "unpack the data set again"
        fault = Fault(kind="missing file", path=str(listing), what=what, remedy=remedy)
        raise DataError([fault]) from None
    names = [line.strip() for line in lines if line.strip()]
    if not names:
        raise DataError([empty_split(listing, "names no image")])
    return _pair(names, base / "JPEGImages", base / "SegmentationClass")


def _pair(names: list[str], images: Path, masks: Path) -> Pairing:
    """Return the listed samples; masks of other images are not faults."""
    pictures, labels = list_files(images), list_files(masks)
    index = NameIndex((stem_key(path, images), path) for path in pictures.files if is_image(path))
    matches = {name: index.find(name) for name in names}
    pairing = pair(
        [(name, paths[0] if paths else images / f"{name}.jpg") for name, paths in matches.items()],
        [(stem_key(path, masks), path) for path in labels.files if is_mask(path)],
        lambda key: masks / f"{key}.png",
    )
    pairing.faults += [_several(name, paths) for name, paths in matches.items() if len(paths) > 1]
    pairing.warnings = [*pictures.warnings, *labels.warnings]
    return pairing


def _several(name: str, paths: list[Path]) -> Fault:
    what = f"is one of {len(paths)} images of the listed name {name}: {', '.join(map(str, paths))}"
    remedy = "keep the correct one"
    return Fault(kind="several images", path=str(paths[0]), what=what, remedy=remedy)
