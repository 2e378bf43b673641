"""The verb ``rollback``: make the previous champion the champion again."""

from __future__ import annotations

from orchestrator.cli.shared.options import AsJson, StorageRoot, examples
from orchestrator.cli.shared.output import print_json, print_out
from orchestrator.cli.shared.registry import (
    ModelName,
    TrackingAddress,
    open_registry,
    registry_errors,
)

EPILOG = examples("segsweep rollback street", "segsweep rollback street --json")


def rollback(
    name: ModelName,
    tracking: TrackingAddress = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,
) -> None:
    """Make the previous champion of a registered model the champion again.

    The aliases champion and previous are swapped, so a second rollback undoes the first.
    """
    registry = open_registry(tracking, storage)
    with registry_errors():
        before, now = registry.roll_back(name)
    if as_json:
        print_json({"name": name, "champion": now, "previous": before})
    else:
        print_out(f"version {now} is {name}@champion again, version {before} is {name}@previous")
