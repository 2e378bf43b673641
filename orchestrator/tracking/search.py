"""Searches the runs of a tracking store, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Run

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
