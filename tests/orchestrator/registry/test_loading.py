"""MLflow's global store."""

from __future__ import annotations

import os

import pytest

from orchestrator.registry.loading import global_store

NAMES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("tracking", [None, "http://localhost:1"])
@pytest.mark.parametrize("registry", [None, "http://localhost:2"])
def test_the_global_store_is_as_before_afterwards(
    monkeypatch: pytest.MonkeyPatch, tracking: str | None, registry: str | None
) -> None:
    import mlflow

    for name, value in zip(NAMES, (tracking, registry), strict=True):
        monkeypatch.delenv(name, raising=False)
        if value is not None:
            monkeypatch.setenv(name, value)
    before = mlflow.get_tracking_uri(), mlflow.get_registry_uri()
    with global_store("sqlite:////nowhere/a.db"):
        assert mlflow.get_tracking_uri() == "sqlite:////nowhere/a.db"
        assert mlflow.get_registry_uri() == "sqlite:////nowhere/a.db"
    assert (mlflow.get_tracking_uri(), mlflow.get_registry_uri()) == before
    assert [os.environ.get(name) for name in NAMES] == [tracking, registry]
