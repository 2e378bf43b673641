"""The verb ``rollback``: the champion before this one again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.shared.options import AsJson, StorageRoot, examples
from orchestrator.cli.shared.output import say, say_json
from orchestrator.cli.shared.registry import ModelName, TrackingAddress, explained, open_registry

if TYPE_CHECKING:
    import typer

EPILOG = examples("segsweep rollback street", "segsweep rollback street --json")


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("rollback", epilog=EPILOG)(rollback)


def rollback(
    name: ModelName,
    tracking: TrackingAddress = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Make the version before the champion champion again.

    The two change places, so a second rollback undoes the first.
    """
    registry = open_registry(tracking, storage)
    with explained():
        before, now = registry.roll_back(name)
    if as_json:
        say_json({"name": name, "champion": now, "previous": before})
    else:
        say(f"version {now} is {name}@champion again, version {before} is {name}@previous")
