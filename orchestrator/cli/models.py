"""The verb ``models``: registered models with their history."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import AsJson, StorageRoot, examples
from orchestrator.cli.shared.output import say, say_json, say_table
from orchestrator.cli.shared.registry import TrackingAddress, explained, open_registry

if TYPE_CHECKING:
    from orchestrator.registry.versions import ModelVersion

EPILOG = examples("segsweep models", "segsweep models street --json")

OneName: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="NAME", show_default=False, help="One model; all of them without."),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("models", epilog=EPILOG)(models)


def models(
    name: OneName = None,
    tracking: TrackingAddress = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Show every version of the registered models, the latest first.

    Who promoted it, when, from which sweep and trial, with what figures; a version that was refused
    says by which gates.
    """
    registry = open_registry(tracking, storage)
    with explained():
        wanted = registry.model_names() if name is None else [name]
        found = [version for each in wanted for version in registry.versions(each)]
    if as_json:
        say_json([version.to_mapping() for version in found])
    elif not found:
        say("no models are registered; 'segsweep promote' makes the first")
    else:
        columns = ("model", "version", "state", "when", "by", "sweep", "trial", "figures")
        say_table(columns, [_row(version) for version in found])


def _row(version: ModelVersion) -> tuple[str, ...]:
    from orchestrator.registry import versions as words
    from orchestrator.registry.plan import figures_text

    tags = version.tags
    state = ", ".join(f"@{alias}" for alias in version.aliases) or tags.get(words.STATE, "-")
    if words.REFUSED_BY in tags:
        state = f"{state} by {tags[words.REFUSED_BY]}"
    return (
        version.name,
        str(version.version),
        state,
        version.when,
        tags.get(words.BY, "-"),
        tags.get(words.SWEEP, "-"),
        tags.get(words.TRIAL, "-"),
        figures_text(version.figures),
    )
