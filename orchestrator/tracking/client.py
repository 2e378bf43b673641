"""MLflow's client with our settings and error classes."""

from __future__ import annotations

import logging
import os
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal

from orchestrator.spec.text.sqlite_uri import sqlite_file
from orchestrator.tracking.errors import TrackingRefusedError, TrackingUnavailableError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from mlflow import MlflowClient

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
