"""The check of a data set: every file decoded, all faults reported together."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from trainables.data.checks.label_check import check_labels
from trainables.data.checks.report import DataReport, SplitReport
from trainables.data.checks.scan import scan_sample
from trainables.data.decode import color_faults
from trainables.data.digest import join_digests, join_entries, remember_split, usable_cpus
from trainables.data.faults import DataError, Fault
from trainables.data.layouts.registry import list_layout
from trainables.data.masks.labels import IGNORE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trainables.config import DataConfig
    from trainables.data.checks.scan import SampleScan
    from trainables.data.layouts.base import Layout, SplitRole


def check_data(
    config: DataConfig,
    *,
    cache_dir: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DataReport:
    """Return the contents and all faults of the data set of ``config``.

    Every image and mask is decoded once. A broken data set gives a report with faults, never an
    exception. Synthetic scenes and digests are written to ``cache_dir``; ``progress`` is called
    with the number of samples checked and the total.
    """
    try:
        layout = list_layout(config, cache_dir)
    except DataError as error:
        return DataReport(
            format=config.format,
            root=config.root,
            class_names=config.class_names or (),
            splits=(),
            faults=error.faults,
            warnings=(),
            digest=None,
        )
    scans = _scan(layout, progress)
    splits = tuple(_split_report(layout, role, scans[role]) for role in layout.roles)
    files = (fault for role in layout.roles for scan in scans[role] for fault in scan.faults)
    decoded = [s for s in splits if all(scan.label_pixels for scan in scans[s.role])]
    labels = check_labels(config, layout.class_names, layout.labels, decoded, str(layout.root))
    faults = (*layout.faults, *files, *_unknown_colors(layout, scans), *labels.faults)
    if not faults:
        for split in splits:
            remember_split(layout, layout.samples(split.role), split.digest, cache_dir)
    return DataReport(
        format=config.format,
        root=str(layout.root),
        class_names=layout.class_names,
        splits=splits,
        faults=faults,
        warnings=(
            *layout.warnings,
            *labels.warnings,
            *_shared_images(layout, scans),
            *_unclear_orientations(layout, scans),
        ),
        digest=join_digests(split.digest for split in splits),
    )


def _scan(
    layout: Layout, progress: Callable[[int, int], None] | None
) -> dict[SplitRole, list[SampleScan]]:
    # Threads are enough: reading, hashing and decoding release the interpreter's lock. They are
    # faster from about a dozen images on.
    total = sum(len(layout.samples(role)) for role in layout.roles)
    scans: dict[SplitRole, list[SampleScan]] = {role: [] for role in layout.roles}
    done = 0
    scan = partial(
        scan_sample, root=layout.root, labels=layout.labels, max_pixels=layout.max_pixels
    )
    with ThreadPoolExecutor(max_workers=usable_cpus()) as pool:
        for role in layout.roles:
            for result in pool.map(scan, layout.samples(role)):
                scans[role].append(result)
                done += 1
                if progress is not None:
                    progress(done, total)
    return scans


def _split_report(layout: Layout, role: SplitRole, scans: Sequence[SampleScan]) -> SplitReport:
    samples = layout.samples(role)
    sizes = Counter(scan.size for scan in scans if scan.size is not None)
    pixels, images, raws = Counter[int](), Counter[int](), Counter[int]()
    for scan in scans:
        raws.update(scan.label_pixels)
        in_image = Counter[int]()
        for raw, count in scan.label_pixels.items():
            train_id = layout.labels.table[raw] if raw < len(layout.labels.table) else -1
            in_image[train_id] += count
        pixels.update(in_image)
        images.update(in_image.keys())
    entries = [
        (path, digest)
        for sample, scan in zip(samples, scans, strict=True)
        for path, digest in zip(sample, scan.digests, strict=True)
    ]
    classes = range(len(layout.class_names))
    return SplitReport(
        role=role,
        images=len(samples),
        sizes=tuple((*size, count) for size, count in sizes.most_common()),
        class_pixels=tuple(pixels[train_id] for train_id in classes),
        class_images=tuple(images[train_id] for train_id in classes),
        ignored_pixels=pixels[IGNORE],
        digest=join_entries(layout.root, entries),
        raw_pixels=dict(sorted(raws.items())),
    )


def _unknown_colors(layout: Layout, scans: dict[SplitRole, list[SampleScan]]) -> list[Fault]:
    pixels, files = Counter[int](), dict[int, Path]()
    for role in layout.roles:
        for sample, scan in zip(layout.samples(role), scans[role], strict=True):
            pixels.update(scan.unknown_colors)
            files |= {code: sample.mask for code in scan.unknown_colors if code not in files}
    return color_faults(pixels, files, layout.root)


def _unclear_orientations(layout: Layout, scans: dict[SplitRole, list[SampleScan]]) -> list[Fault]:
    faults = []
    for role in layout.roles:
        pairs = zip(layout.samples(role), scans[role], strict=True)
        images = [sample.image for sample, scan in pairs if scan.unclear_orientation]
        if images:
            what = (
                f"is rotated or mirrored by its EXIF orientation, as are {len(images) - 1} more of "
                f"split {role!r}; their masks fit both ways and are read as drawn on the displayed "
                "image"
            )
            remedy = "if they were drawn on the stored pixels, remove the images' EXIF orientation"
            path = str(images[0])
            faults.append(Fault(kind="unclear orientation", path=path, what=what, remedy=remedy))
    return faults


def _shared_images(layout: Layout, scans: dict[SplitRole, list[SampleScan]]) -> list[Fault]:
    seen: dict[str, tuple[SplitRole, Path]] = {}
    faults = []
    for role in layout.roles:
        current: dict[str, tuple[SplitRole, Path]] = {}
        for sample, scan in zip(layout.samples(role), scans[role], strict=True):
            if scan.size is None:
                continue
            current[scan.digests.image] = (role, sample.image)
            if scan.digests.image in seen:
                faults.append(_shared(sample.image, *seen[scan.digests.image]))
        seen = {**current, **seen}
    return faults


def _shared(image: Path, other: SplitRole, twin: Path) -> Fault:
    what = f"is also in split {other!r}, as {twin}"
    remedy = "remove it from one split; the score is too high otherwise"
    return Fault(kind="same image in both splits", path=str(image), what=what, remedy=remedy)
