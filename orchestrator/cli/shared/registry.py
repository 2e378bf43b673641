"""Options and errors of the verbs for registered models."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.options import storage_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.registry.store import ModelRegistry

TrackingAddress: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--tracking",
        metavar="URI",
        help="MLflow store of the models; the default is the store of the latest sweep.",
    ),
]
ModelName: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the registered model.")
]


def open_registry(tracking: str | None, storage: Path | None) -> ModelRegistry:
    """Return the registry at ``tracking``, else that of the latest sweep in the storage folder."""
    from orchestrator.ledger.folders import list_sweeps
    from orchestrator.registry.store import ModelRegistry
    from orchestrator.spec.parse import load_spec

    if tracking is not None:
        return ModelRegistry(tracking)
    root = storage_root(storage)
    sweeps = list_sweeps(root)
    if not sweeps:
        raise CliError(
            f"there is no sweep in {root}, so the MLflow store is unknown; name the folder with "
            "--storage or the store with --tracking"
        )
    return ModelRegistry(load_spec(sweeps[0].spec).tracking_uri)


@contextmanager
def registry_errors() -> Iterator[None]:
    """Raise the user errors of the registry as ``CliError``."""
    from orchestrator.registry.plan import NoCandidateError
    from orchestrator.registry.versions import ModelNameError, UnknownModelError

    try:
        yield
    except (NoCandidateError, ModelNameError, UnknownModelError) as error:
        raise CliError(str(error)) from error
