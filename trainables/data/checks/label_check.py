"""Faults and warnings about labels, from the pixel counts of each split."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trainables.data.faults import Fault
from trainables.data.masks.class_colors import is_void

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trainables.config import DataConfig
    from trainables.data.checks.report import SplitReport
    from trainables.data.faults import FaultKind
    from trainables.data.masks.labels import LabelMap

LARGE_SHARE = 0.25
"""Share of ignored pixels above which a class without a pixel counts as lost to the ignored label.
In street scenes (CamVid, Cityscapes) 3 to 13 % of the pixels are ignored."""
LARGE_SHARE_OF_LAYOUT = 0.5
"""The same for layouts with fixed labels, where half of the classes must be absent as well."""
NAMED_SHARE = 0.1
"""Share of ignored pixels above which a named class counts as ignored by mistake."""


@dataclass(frozen=True, slots=True)
class LabelFindings:
    """Faults and warnings about the labels of a data set."""

    faults: tuple[Fault, ...]
    """Faults that make training or its scores meaningless."""
    warnings: tuple[Fault, ...]
    """Classes without a pixel."""


def check_labels(
    config: DataConfig,
    class_names: Sequence[str],
    labels: LabelMap,
    splits: Sequence[SplitReport],
    root: str,
) -> LabelFindings:
    """Return faults and warnings about the labels of the splits.

    Args:
        config: Settings of the data set.
        class_names: Trained classes, by training id.
        labels: Raw mask values to training ids.
        splits: Counts of each split; a split without any pixel is skipped.
        root: Folder that the findings are reported for.
    """
    faults, warnings = list[Fault](), list[Fault]()
    counted = [split for split in splits if split.raw_pixels]
    if hint := _hint(config, labels, counted):
        faults.append(_fault("unknown label", root, *hint))
    known = [s for s in counted if not labels.unknown(s.raw_pixels)]
    for split in known:
        present = sum(map(bool, split.class_pixels))
        if present < 2:
            faults.append(_too_few(config, class_names, split, root))
            continue
        absent = [
            (train_id, name)
            for train_id, name in enumerate(class_names)
            if not split.class_pixels[train_id]
        ]
        lost = [name for train_id, name in absent if _is_lost(config, train_id, split, known)]
        if lost:
            faults.append(_lost(config, lost, split, root))
        warnings += [_absent(name, split, root) for _, name in absent if name not in lost]
    ignored = _ignored_class(config, known, root)
    if ignored is not None:
        severe, fault = ignored
        (faults if severe else warnings).append(fault)
    return LabelFindings(tuple(faults), tuple(warnings))


def check_resized(
    class_names: Sequence[str], pixels: Sequence[int], whole: Sequence[int], role: str, size: str
) -> LabelFindings:
    """Return findings about classes that resized masks lost: nearest sampling drops small areas.

    Args:
        class_names: Classes by training id.
        pixels: Pixels of each class at the resolution.
        whole: Pixels of each class in the files.
        role: The split.
        size: The resolution, as text.
    """
    lost = [n for n, now, was in zip(class_names, pixels, whole, strict=True) if was and not now]
    if not lost:
        return LabelFindings((), ())
    few = sum(map(bool, pixels)) < 2
    what = f"{_names(lost)} in split {role!r} has no pixel left at {size}"
    if few:
        what += ", and fewer than two classes remain"
    remedy = "give larger resolutions in space.resolution"
    fault = _fault("too few classes" if few else "empty class", "space.resolution", what, remedy)
    return LabelFindings((fault,), ()) if few else LabelFindings((), (fault,))


def _too_few(
    config: DataConfig, class_names: Sequence[str], split: SplitReport, root: str
) -> Fault:
    present = [n for n, pixels in zip(class_names, split.class_pixels, strict=True) if pixels]
    if present:
        kind: FaultKind = "too few classes"
        what = f"only class {present[0]!r} has pixels in split {split.role!r}"
    else:
        kind, what = "no labelled pixel", f"no pixel of split {split.role!r} is labelled"
    what += f": its masks hold {_shares(split.raw_pixels)}"
    if split.ignored_pixels:
        what += f", and {_ignored(config)}"
    return _fault(kind, root, what, _remedy(config, split))


def _lost(config: DataConfig, lost: Sequence[str], split: SplitReport, root: str) -> Fault:
    what = (
        f"{_names(lost)} has no pixel in split {split.role!r}, while {split.ignored_share:.0%} of "
        f"the pixels are ignored: its masks hold {_shares(split.raw_pixels)}, and "
        f"{_ignored(config)}"
    )
    return _fault("class lost to the ignored label", root, what, _remedy(config, split))


def _absent(name: str, split: SplitReport, root: str) -> Fault:
    what = f"class {name!r} has no pixel in split {split.role!r}"
    remedy = "it cannot be " + ("trained" if split.role == "train" else "scored")
    return _fault("empty class", root, what, remedy)


def _is_lost(
    config: DataConfig, train_id: int, split: SplitReport, splits: Sequence[SplitReport]
) -> bool:
    """Whether a class without a pixel in ``split`` was probably ignored by mistake.

    If another split has the class and about the same share of ignored pixels, the class is rare.
    """
    share = split.ignored_share
    if config.format != "folder":
        absent = sum(not any(s.class_pixels[i] for s in splits) for i in _ids(split))
        return share >= LARGE_SHARE_OF_LAYOUT and 2 * absent >= len(split.class_pixels)
    if train_id == 0 and config.ignore_index == len(config.class_names or ()):
        present = [any(s.class_pixels[i] for s in splits) for i in _ids(split)]
        if not present[0] and all(present[1:]):  # labels that start at 1
            return True
    rare = any(s.class_pixels[train_id] and s.ignored_share >= share / 2 for s in splits)
    return share >= LARGE_SHARE and not rare


def _ignored_class(
    config: DataConfig, splits: Sequence[SplitReport], root: str
) -> tuple[bool, Fault] | None:
    """Return whether it is severe, and the fault, of an ignored label that looks like a class."""
    names, value = config.class_names or (), config.ignore_index
    ignored = sum(split.ignored_pixels for split in splits)
    total = sum(sum(split.raw_pixels.values()) for split in splits)
    share = ignored / total if total else 0.0
    if config.format != "folder" or not ignored or value > len(names):
        return None
    what = f"label {value}, which data.ignore_index ignores, takes {share:.0%} of the pixels"
    if value == len(names):
        if share < LARGE_SHARE:
            return None
        what += f" and follows the label of the last class, {names[-1]!r}"
        remedy = (
            "if it is a class, add its name to data.class_names and set data.ignore_index: 255; if "
            "it is to be ignored, add the name 'void'"
        )
    elif is_void(names[value]):
        return None
    else:
        what += f" and is class {names[value]!r} of data.class_names, which is not trained"
        remedy = (
            "if it is a class, set data.ignore_index: 255; if it is to be ignored, name it 'void' "
            "in data.class_names"
        )
    severe = share >= NAMED_SHARE and value < len(names)
    return severe, _fault("class lost to the ignored label", root, what, remedy)


def _hint(
    config: DataConfig, labels: LabelMap, splits: Sequence[SplitReport]
) -> tuple[str, str] | None:
    """Return a guess about the unknown labels, and the setting to write instead."""
    pixels = sum((Counter(split.raw_pixels) for split in splits), Counter[int]())
    if config.format != "folder" or labels.colors or not labels.unknown(pixels):
        return None
    names = list(config.class_names or ())
    if scaled := _scaled(names, pixels):
        what = f"the masks hold {_shares(pixels)}, which looks like labels scaled to 255"
        return what, scaled
    values = [value for value in pixels if value != config.ignore_index]
    if values and min(values) == 1 and max(values) == len(names):
        what = f"the masks hold {_shares(pixels)}, which looks like labels that start at 1"
        return what, f"write data.class_names: [void, {', '.join(names)}], data.ignore_index: 0"
    return None


def _remedy(config: DataConfig, split: SplitReport) -> str:
    names = list(config.class_names or ())
    if config.format == "cityscapes" and split.role == "test":
        return (
            "the masks of Cityscapes' own test split are not public; name another split, or leave "
            "data.test_split out"
        )
    if config.format != "folder":
        return f"check that the masks are those of format {config.format}, or name another split"
    if scaled := _scaled(names, split.raw_pixels):
        return scaled
    values = [raw for raw in split.raw_pixels if raw != config.ignore_index]
    if values and min(values) == 1 and max(values) == len(names) - 1:
        return (
            f"if labels start at 1, write data.class_names: [void, {', '.join(names)}], "
            f"data.ignore_index: 0; otherwise name a split that has the classes"
        )
    value = config.ignore_index
    if split.ignored_pixels and not (value < len(names) and is_void(names[value])):
        return (
            f"if {value} is a class, name it at position {value} of data.class_names and set "
            f"data.ignore_index to a value that no class has; otherwise name a split that has "
            f"labels of it"
        )
    return "name a split, or use more images of it, in which the classes occur"


def _scaled(names: Sequence[str], pixels: Mapping[int, int]) -> str:
    """Return a remedy for masks whose labels are scaled to 0 to 255; empty for others."""
    steps = len(names) - 1
    if steps < 1 or max(pixels) < len(names) or len(pixels) < 2:
        return ""
    spacing = 255 / steps
    greys = {round(value * steps / 255): value for value in pixels}
    far = any(abs(value - step * spacing) > spacing / 4 for step, value in greys.items())
    if far or spacing < 4 or len(greys) != len(pixels):
        return ""
    colors = ", ".join(
        f'{name}: "#{3 * f"{greys.get(step, round(step * spacing)):02x}"}"'
        for step, name in enumerate(names)
    )
    setting = f"data.class_colors: {{{colors}}}"
    return f"if these are classes, write {setting}, or save the labels as 0 to {steps}"


def _ignored(config: DataConfig) -> str:
    if config.format == "folder":
        return f"data.ignore_index: {config.ignore_index} is ignored"
    return f"format {config.format} ignores some of them"


def _shares(pixels: Mapping[int, int], limit: int = 6) -> str:
    total = sum(pixels.values())
    ranked = sorted(pixels.items(), key=lambda item: -item[1])
    text = ", ".join(f"{value} ({count / total:.1%})" for value, count in ranked[:limit])
    return text + (f" and {len(ranked) - limit} more" if len(ranked) > limit else "")


def _ids(split: SplitReport) -> range:
    return range(len(split.class_pixels))


def _names(names: Sequence[str]) -> str:
    return ("class " if len(names) == 1 else "each of ") + ", ".join(map(repr, names))


def _fault(kind: FaultKind, path: str, what: str, remedy: str) -> Fault:
    return Fault(kind=kind, path=path, what=what, remedy=remedy)
