"""The MLflow experiment that a sweep's runs belong to."""

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
"""Longest name of a folder; file systems take 255 bytes."""


def artifact_location(uri: str, root: Path | None, experiment: str) -> str | None:
    """Return where the artifacts of an experiment that is made go; None leaves it to MLflow.

    A server has its own place for them. A database has none: MLflow would take the folder that it
    happens to be called from.
    """
    if root is None or is_remote(uri):
        return None
    return (root.absolute() / folder_name(experiment)).as_uri()


def folder_name(experiment: str) -> str:
    """Return the name of an experiment's folder: its own, as far as that is a name of a folder.

    Other characters are written as ``~`` with their code, so that different experiments have
    different folders and none lies outside of its root. ``%`` would not do: MLflow decodes it twice
    where it loads a model. Long names are cut and end with a digest.
    """
    name = _NOT_IN_NAMES.sub(lambda found: f"~{ord(found[0]):06x}", experiment)
    if len(name.encode()) <= _NAME_BYTES:
        return name
    digest = hashlib.sha256(experiment.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{name.encode()[: _NAME_BYTES - 17].decode(errors='ignore')}-{digest}"


def find_experiment(client: MlflowClient, name: str, artifact_location: str | None) -> str:
    """Return the id of the experiment of that name, made if it is not there.

    Args:
        client: Of the tracking store.
        name: Of the experiment.
        artifact_location: Where the artifacts of one that is made go; None leaves it to MLflow.

    Raises:
        TrackingRefusedError: it was deleted, which MLflow keeps the name of.
    """
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            client.create_experiment(
                name, artifact_location, {names.EXPERIMENT_KIND: names.MODEL_TRAINING}
            )
        except Exception as error:  # another process may have been faster
            if getattr(error, "error_code", None) != "RESOURCE_ALREADY_EXISTS":
                raise
        found = client.get_experiment_by_name(name)
    if found is None or found.lifecycle_stage != "active":
        raise TrackingRefusedError(
            f"the MLflow experiment {name!r} was deleted; restore it with 'mlflow experiments "
            "restore', or name another one under tracking.experiment"
        )
    return str(found.experiment_id)
