"""Whether what goes on with a sweep is what began it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from orchestrator.ledger.folders import list_sweeps
from orchestrator.ledger.ledger import Ledger
from orchestrator.spec.dump import dump_spec, spec_settings
from orchestrator.spec.errors import SpecError
from orchestrator.spec.parse import parse_spec
from orchestrator.spec.strategies import with_current_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.spec.sweep_spec import SweepSpec

SPEC = "spec"
"""Fact of a ledger: the spec that the sweep began with, as YAML."""
DATASET = "dataset"
"""Fact of a ledger: the digest of the data set that the sweep began with."""
FINISHED = "finished"
"""Fact of a ledger: whether there is nothing left to do."""
CHANGEABLE = (
    "resources.address",
    "resources.lanes",
    "resources.cpus_per_worker",
    "resources.gpus_per_worker",
    "storage.disk_budget_gb",
    "storage.mirror",
    "storage.mirror_seconds",
    "storage.cache",
    "data.root",
)
"""Settings that no trial's figures depend on, which may change while a sweep is on; what lies at
``data.root`` is compared by its digest."""


class SpecChangedError(ValueError):
    """What would go on with a sweep is not what began it."""


def settle_identity(ledger: Ledger, spec: SweepSpec, dataset_digest: str | None) -> None:
    """Keep spec and data set of a sweep that begins; hold those of one that goes on against them.

    Raises:
        SpecChangedError: a setting that trials depend on, or the data set, is another one.
    """
    kept = ledger.fact(SPEC)
    if not isinstance(kept, str):
        ledger.set_fact(SPEC, dump_spec(spec))
        ledger.set_fact(DATASET, dataset_digest)
        return
    changes = list(differences(kept, spec))
    digest = ledger.fact(DATASET)
    if digest != dataset_digest:
        changes.append(f"the data set: its digest was {digest}, is {dataset_digest}")
    if changes:
        raise SpecChangedError(
            "the sweep was begun with something else, and trials of both would not compare:\n"
            + "\n".join(f"  {change}" for change in changes)
            + "\nundo the change and resume, or begin another sweep with 'segsweep run'"
        )


def differences(kept: str, spec: SweepSpec) -> Iterator[str]:
    """Yield each setting in which ``spec`` differs from the spec of the text ``kept``.

    A setting that the text does not have, as it is of an older version, has its default there.
    """
    kept = with_current_names(kept)
    try:
        before = _flat(spec_settings(parse_spec(yaml.safe_load(kept))))
    except SpecError:  # of another version; what can be compared is its text
        before = _flat(yaml.safe_load(kept))
    after = _flat(yaml.safe_load(dump_spec(spec)))
    for path in sorted(before.keys() | after.keys()):
        old, new = before.get(path), after.get(path)
        if old != new and path not in CHANGEABLE:
            yield f"{path}: was {old!r}, is {new!r}"


def unfinished_sweep_of(root: Path, spec: SweepSpec) -> SweepFolder | None:
    """Return the latest sweep below ``root`` of the same spec that is not finished; None without.

    One that is being run counts as well.
    """
    text = dump_spec(spec)
    for folder in list_sweeps(root):
        kept = with_current_names(folder.spec.read_text(encoding="utf-8"))
        if kept == text and not _is_finished(folder):
            return folder
    return None


def _is_finished(folder: SweepFolder) -> bool:
    if not folder.ledger.exists():
        return False
    with Ledger(folder.ledger) as ledger:
        return ledger.fact(FINISHED) is True


def _flat(settings: object, path: str = "") -> dict[str, object]:
    if not isinstance(settings, dict) or not settings:
        return {path: settings}
    return {
        place: value
        for key, part in settings.items()
        for place, value in _flat(part, f"{path}.{key}" if path else str(key)).items()
    }
