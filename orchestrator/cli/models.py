"""The verb ``models``: the versions of registered models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import AsJson, StorageRoot, examples
from orchestrator.cli.shared.output import print_json, print_out, print_table
from orchestrator.cli.shared.registry import TrackingAddress, open_registry, registry_errors

if TYPE_CHECKING:
    from orchestrator.registry.versions import ModelVersion

EPILOG = examples("segsweep models", "segsweep models street --json")

OneName: TypeAlias = Annotated[
    str | None,
    typer.Argument(metavar="NAME", help="A registered model; the default is all of them."),
]


def models(
    name: OneName = None,
    tracking: TrackingAddress = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,
) -> None:
    """List the versions of the registered models, the latest first.

    Each with its aliases, who promoted it and when, its sweep and trial, its figures and, if it was
    refused, the failed gates.
    """
    registry = open_registry(tracking, storage)
    with registry_errors():
        names = registry.model_names() if name is None else [name]
        versions = [version for each in names for version in registry.versions(each)]
    if as_json:
        print_json([version.to_mapping() for version in versions])
    elif not versions:
        print_out("no models are registered; register one with 'segsweep promote'")
    else:
        columns = ("model", "version", "state", "when", "by", "sweep", "trial", "figures")
        print_table(columns, [_row(version) for version in versions])


def _row(version: ModelVersion) -> tuple[str, ...]:
    from orchestrator.registry import versions as tag_names
    from orchestrator.registry.plan import figures_text

    tags = version.tags
    state = ", ".join(f"@{alias}" for alias in version.aliases) or tags.get(tag_names.STATE, "-")
    if tag_names.REFUSED_BY in tags:
        state = f"{state} by {tags[tag_names.REFUSED_BY]}"
    return (
        version.name,
        str(version.version),
        state,
        version.when,
        tags.get(tag_names.BY, "-"),
        tags.get(tag_names.SWEEP, "-"),
        tags.get(tag_names.TRIAL, "-"),
        figures_text(version.figures),
    )
