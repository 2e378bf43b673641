"""MLflow's client with our settings and errors; finds experiments and runs."""

from __future__ import annotations

import hashlib
import logging
import os
import re
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from orchestrator.spec.text import sqlite_file
from orchestrator.tracking import names

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.entities import Run


class TrackingError(Exception):
    """A request to the tracking store failed."""


class TrackingUnavailableError(TrackingError):
    """The store does not answer or has an internal error; a retry may succeed."""


class TrackingRefusedError(TrackingError):
    """The store rejects the request; a retry is useless."""


_REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST"}
_SETTINGS = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # the writer retries by itself; one call must not block the end of a sweep
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
_NOISY_LOGGERS = ("alembic", "mlflow.utils.validation", "urllib3.connectionpool")
_DUPLICATE_LOGGER = "mlflow.store.db.utils"
"""Logs the traceback of every error that it also raises."""


def connect(uri: str) -> MlflowClient:
    """Return a client of the tracking store at ``uri``; make the folder of a SQLite store.

    Sets MLflow's environment variables that are unset, and the level of its noisiest loggers.

    Raises:
        TrackingRefusedError: the database's driver is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for logger in _NOISY_LOGGERS:
        logging.getLogger(logger).setLevel(logging.ERROR)
    logging.getLogger(_DUPLICATE_LOGGER).setLevel(logging.CRITICAL)
    from mlflow import MlflowClient  # noqa: PLC0415 - takes two seconds

    if uri.startswith("postgresql:") and find_spec("psycopg") is None:
        raise TrackingRefusedError(
            f"{uri} needs the PostgreSQL driver; install it with pip install 'segsweep[postgres]'"
        )
    folder = sqlite_folder(uri)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


def sqlite_folder(uri: str) -> Path | None:
    """Return the folder of a SQLite store; None for any other store."""
    file = sqlite_file(uri)
    return None if file is None else file.parent


def store_exists(uri: str) -> bool:
    """Whether the store may exist; False for a SQLite store without its file."""
    file = sqlite_file(uri)
    return file is None or file.exists()


def database_kind(uri: str) -> Literal["sqlite", "postgresql"] | None:
    """Return the kind of database at ``uri``; None for a server or any other database."""
    scheme = uri.partition(":")[0].partition("+")[0]
    return "sqlite" if scheme == "sqlite" else "postgresql" if scheme == "postgresql" else None


def is_remote(uri: str) -> bool:
    """Whether ``uri`` is a tracking server, which has its own artifact store."""
    return uri.startswith(("http://", "https://", "databricks"))


@contextmanager
def tracking_errors(action: str) -> Iterator[None]:
    """Raise MLflow's errors as ours; ``action`` completes "cannot ..." in the message.

    Raises:
        TrackingRefusedError: the store rejects the request; a retry is useless.
        TrackingUnavailableError: any other error; a retry may succeed.
    """
    try:
        yield
    except (TrackingRefusedError, TrackingUnavailableError):
        raise
    except Exception as error:
        text = f"cannot {action}: {str(error).splitlines()[0] if str(error) else repr(error)}"
        if getattr(error, "error_code", None) in _REFUSALS:
            raise TrackingRefusedError(text) from error
        raise TrackingUnavailableError(text) from error


PAGE = 1000
"""Runs per request; MLflow allows 50,000."""


def search_runs(
    client: MlflowClient, experiment_ids: Sequence[str], query: str, page: int = PAGE
) -> Iterator[Run]:
    """Yield every run of the experiments that matches an MLflow filter."""
    token: str | None = None
    while experiment_ids:
        runs = client.search_runs(list(experiment_ids), query, max_results=page, page_token=token)
        yield from runs
        token = runs.token
        if not token:
            return


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
