"""What the verbs about registered models share."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

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
        show_default=False,
        help="MLflow store that holds the models; without it that of the latest sweep.",
    ),
]
ModelName: TypeAlias = Annotated[
    str, typer.Argument(metavar="NAME", show_default=False, help="Name of the registered model.")
]


def open_registry(tracking: str | None, storage: Path | None) -> ModelRegistry:
    """Return the registry that is named, else that of the latest sweep in the storage folder."""
    from orchestrator.ledger.folders import list_sweeps
    from orchestrator.registry.store import ModelRegistry
    from orchestrator.spec.parse import load_spec

    if tracking is not None:
        return ModelRegistry(tracking)
    root = storage_root(storage)
    sweeps = list_sweeps(root)
    if not sweeps:
        raise CliError(
            f"there is no sweep in {root}, so no models are known; name the folder with --storage "
            "or the MLflow store with --tracking"
        )
    return ModelRegistry(load_spec(sweeps[0].spec).tracking_uri)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what a user can mend about models into an error that says only that.

    Raises:
        CliError: instead of the error.
    """
    from orchestrator.registry.choose import NoCandidateError
    from orchestrator.registry.versions import ModelNameError, UnknownModelError

    try:
        yield
    except (NoCandidateError, ModelNameError, UnknownModelError) as error:
        raise CliError(str(error)) from error
