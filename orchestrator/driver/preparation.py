"""What is checked and made ready before a sweep begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.spec.networks import networks_of
from orchestrator.spec.resolutions import decoded_resolutions, scored_alike
from search_spaces.resolution import Resolution
from trainables.data.checks.check import check_data
from trainables.data.checks.label_check import check_resized
from trainables.data.checks.report import fault_lines
from trainables.data.dataset import build_datasets
from trainables.data.faults import DataError
from trainables.models.readiness import check_networks
from trainables.models.weights import given_weights

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.spec.sweep_spec import SweepSpec
    from trainables.data.checks.label_check import LabelFindings
    from trainables.data.checks.report import DataReport
    from trainables.data.dataset import SegmentationDataset
    from trainables.data.layouts.base import SplitRole


def sound_networks(spec: SweepSpec, stage: Callable[[str], None]) -> None:
    """Build what may fail to be built, and fetch pretrained weights, before anything is started.

    Raises:
        UnbuildableError: networks cannot be built, or their weights not be had; all are in it.
    """
    if given_weights(spec.training.weights) is not None:
        stage(f"checking the weights: {spec.training.weights}")
    check_networks(networks_of(spec), spec.training.weights)


def sound_data(spec: SweepSpec, warn: Callable[[str], None]) -> DataReport:
    """Return the report on the data set of ``spec``, every file of which was opened.

    Args:
        spec: Names the data set.
        warn: Receives each warning, a line.

    Raises:
        DataError: the data set cannot be used; every fault is in it.
    """
    report = check_data(spec.data, cache_dir=spec.storage.cache_dir)
    for line in fault_lines(report.warnings):
        warn(line)
    if not report.ok:
        raise DataError(report.faults)
    return report


def decode_images(
    spec: SweepSpec,
    data: DataReport,
    stage: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """Decode the data set at every resolution of the space, so that no trial has to.

    Raises:
        CacheError: the cache folder cannot take the decoded images.
        DataError: at a resolution fewer than two classes are left; every fault is in it.
    """
    mask_resolution = Resolution.parse(scored_alike(spec).eval_resolution)
    findings = []
    for resolution in decoded_resolutions(spec):
        stage(f"decoding the images at {resolution}")
        train, val = build_datasets(
            spec.data, resolution, spec.storage.cache_dir, mask_resolution=mask_resolution
        )
        findings += [
            _resized(data, "train", train, resolution),
            _resized(data, "val", val, mask_resolution),
        ]
    warnings = dict.fromkeys(fault for each in findings for fault in each.warnings)
    for line in fault_lines(list(warnings)):
        warn(line)
    faults = dict.fromkeys(fault for each in findings for fault in each.faults)
    if faults:
        raise DataError(faults)


def _resized(
    data: DataReport, role: SplitRole, dataset: SegmentationDataset, size: Resolution
) -> LabelFindings:
    pixels, whole = dataset.class_pixels, data.split(role).class_pixels
    return check_resized(data.class_names, pixels, whole, role, str(size))
