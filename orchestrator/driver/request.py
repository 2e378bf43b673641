"""A run of a sweep as one value, checked before anything is written or started."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from cluster.start.temporary_folder import ray_folder
from orchestrator.driver.preparation import check_dataset, check_spec_networks, decode_images
from orchestrator.ledger.warm_start import check_warm_start
from orchestrator.spec.parse import settle_spec
from orchestrator.tracking.history import History
from trainables.data.fetched import pinned

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec
    from orchestrator.sweep.hooks import RunHooks
    from trainables.data.checks.report import DataReport


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """A checked sweep that is ready to run."""

    spec: SweepSpec
    """Spec with every default filled in, as the sweep's folder keeps it."""
    pinned_spec: SweepSpec
    """The same spec with ``data.root`` bound to the files that were checked, for the workers."""
    data: DataReport
    """Report of the data check."""
    data_warnings: tuple[str, ...]
    """Warnings of the data check, one line each."""
    folder: SweepFolder | None
    """Folder of the sweep; None makes a new one."""

    @property
    def num_classes(self) -> int:
        """Classes of the data set, >= 2."""
        return len(self.data.class_names)


def build_request(spec: SweepSpec, hooks: RunHooks, folder: SweepFolder | None) -> RunRequest:
    """Return the request to run ``spec``; only the cache folder is written to.

    Raises:
        ClusterError: a local Ray has no temporary folder.
        UnbuildableError: networks cannot be built or their weights cannot be read; it lists all.
        DataError: the data set cannot be used; it lists every fault.
        CacheError: the cache folder cannot hold the decoded images.
        WarmStartError: a sweep named under ``search.warm_start`` is missing or not comparable.
        TrackingError: earlier sweeps are requested and the tracking store cannot be read.
    """
    spec = settle_spec(spec)
    if spec.resources.address is None:
        ray_folder()
    check_spec_networks(spec, hooks.stage)
    hooks.stage("checking the data")
    pinned_spec = replace(spec, data=pinned(spec.data))
    warnings: list[str] = []

    def warn(line: str) -> None:
        warnings.append(line)
        hooks.warn(line)

    data = check_dataset(pinned_spec, warn)
    decode_images(pinned_spec, data, hooks.stage, warn)
    if folder is None or not folder.spec.exists():
        check_warm_start(spec, History(spec.tracking_uri), dataset_digest=data.digest)
    return RunRequest(
        spec=spec,
        pinned_spec=pinned_spec,
        data=data,
        data_warnings=tuple(warnings),
        folder=folder,
    )
