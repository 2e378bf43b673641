"""Checks of a spec's networks and data set, and the decoding of its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.spec.networks import decoded_resolutions, networks_of, scored_alike
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


def check_spec_networks(spec: SweepSpec, stage: Callable[[str], None]) -> None:
    """Build each network whose construction may fail and fetch its pretrained weights.

    Raises:
        UnbuildableError: networks cannot be built or their weights cannot be read; it lists all.
    """
    if given_weights(spec.training.weights) is not None:
        stage(f"checking the weights: {spec.training.weights}")
    check_networks(networks_of(spec), spec.training.weights)


def check_dataset(spec: SweepSpec, warn: Callable[[str], None]) -> DataReport:
    """Open every file of the data set of ``spec`` and return the report.

    Args:
        spec: Names the data set.
        warn: Receives each warning, one line.

    Raises:
        DataError: the data set cannot be used; it lists every fault.
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
    """Decode the data set into the cache at every resolution of the space.

    Raises:
        CacheError: the cache folder cannot hold the decoded images.
        DataError: fewer than two classes remain at a resolution; it lists every fault.
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
