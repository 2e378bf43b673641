"""Finds or creates the MLflow experiment of a sweep."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import is_remote
from orchestrator.tracking.errors import TrackingRefusedError

if TYPE_CHECKING:
    from pathlib import Path

    from mlflow import MlflowClient

_NOT_IN_NAMES = re.compile(r"^\.|[^\w .+=@,()-]")
_NAME_BYTES = 200
"""Longest folder name; file systems allow 255 bytes."""


def artifact_location(uri: str, root: Path | None, experiment: str) -> str | None:
    """Return the artifact location of a new experiment; None leaves it to MLflow.

    A server has its own artifact store. For a database MLflow would use the current folder.
    """
    if root is None or is_remote(uri):
        return None
    return (root.absolute() / folder_name(experiment)).as_uri()


def folder_name(experiment: str) -> str:
    """Return the folder name of an experiment: its name with special characters escaped.

    They are written as ``~`` with their code point, so that different experiments have different
    folders and none is outside of the root. ``%`` is unsuitable: MLflow decodes it twice when it
    loads a model. Long names are cut and end with a digest.
    """
    name = _NOT_IN_NAMES.sub(lambda found: f"~{ord(found[0]):06x}", experiment)
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(experiment.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name.encode()[: _NAME_BYTES - 17].decode(errors='ignore')}-{digest}"


def find_experiment(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    """Return the id of the experiment ``name``; create it if it does not exist.

    Args:
        client: Client of the tracking store.
        name: Name of the experiment.
        artifact_location: Artifact location of a new experiment; None leaves it to MLflow.

    Raises:
        TrackingRefusedError: the experiment was deleted; MLflow reserves its name.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(
                name, artifact_location, {names.EXPERIMENT_KIND: names.MODEL_TRAINING}
            )
        except Exception as error:  # another process may have created it
            if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise TrackingRefusedError(
            f"the MLflow experiment {name!r} was deleted; restore it with 'mlflow experiments "
            "restore', or set another tracking.experiment"
        )
    return str(found.experiment_id)
