"""MLflow's client, quiet and with failures told apart."""

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
    # the writer tries again by itself, and must not hang in one call when a sweep ends
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
_CHATTY = ("alembic", "mlflow.utils.validation", "urllib3.connectionpool")
_TALKATIVE = "mlflow.store.db.utils"
"""Prints a traceback of what it raises anyway."""


def connect(uri: str) -> MlflowClient:
    """Return a client of the tracking store at ``uri``; settings of the user's shell win.

    Nothing global changes but MLflow's environment variables where they are unset, and the level of
    its noisiest loggers. A SQLite store's folder is made.

    Raises:
        TrackingRefusedError: the database's driver is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for logger in _CHATTY:
        logging.getLogger(logger).setLevel(logging.ERROR)
    logging.getLogger(_TALKATIVE).setLevel(logging.CRITICAL)
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
    """Return the folder of a SQLite store's file; None for any other store."""
    file = sqlite_file(uri)
    return None if file is None else file.parent


def store_exists(uri: str) -> bool:
    """Whether there may be anything at ``uri``: not in a SQLite store whose file is not there."""
    file = sqlite_file(uri)
    return file is None or file.exists()


def database_kind(uri: str) -> Literal["sqlite", "postgresql"] | None:
    """Return which kind of database ``uri`` names; None for a server, or one that is not known."""
    scheme = uri.partition(":")[0].partition("+")[0]
    return "sqlite" if scheme == "sqlite" else "postgresql" if scheme == "postgresql" else None


def is_remote(uri: str) -> bool:
    """Whether ``uri`` names a server, which has its own place for artifacts."""
    return uri.startswith(("http://", "https://", "databricks"))


@contextmanager
def told_apart(what: str) -> Iterator[None]:
    """Turn MLflow's failures while doing ``what`` into those that may pass, or will not.

    Raises:
        TrackingRefusedError: the request itself is not acceptable.
        TrackingUnavailableError: anything else.
    """
    try:
        yield
    except (TrackingRefusedError, TrackingUnavailableError):
        raise
    except Exception as error:
        text = f"cannot {what}: {str(error).splitlines()[0] if str(error) else repr(error)}"
        if getattr(error, "error_code", None) in _REFUSALS:
            raise TrackingRefusedError(text) from error
        raise TrackingUnavailableError(text) from error
