"""MLflow's global store, for the calls that look at no other."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NO_BAR = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


@contextmanager
def global_store(uri: str) -> Iterator[None]:
    """Make ``uri`` the store of MLflow's global functions inside, as it was before afterwards."""
    os.environ.setdefault(NO_BAR, "false")
    import mlflow  # noqa: PLC0415 - takes two seconds

    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before[0])
        mlflow.set_registry_uri(before[1])
