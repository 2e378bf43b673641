"""Writes an update to one run with MLflow's client."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from mlflow import MlflowClient
    from mlflow.entities import Metric

    from orchestrator.tracking.runs.updates import Point, RunUpdate

PARAM_LIMIT, TAG_LIMIT = 6000, 8000
"""Longest value of a param and of a tag, characters; MLflow's limits."""
_METRICS_PER_CALL = 800
_TAGS_PER_CALL = 100


def log(
    client: MlflowClient,
    run_id: str,
    points: Sequence[Point],
    *,
    params: Mapping[str, object] | None = None,
    tags: Mapping[str, str],
) -> None:
    """Log to a run in as few requests as MLflow's limits allow."""
    from mlflow.entities import Param, RunTag  # noqa: PLC0415 - takes two seconds

    metrics = list(_metrics(points))
    param_entities = [
        Param(key, plain(value, PARAM_LIMIT)) for key, value in (params or {}).items()
    ]
    tag_entities = [RunTag(key, plain(value, TAG_LIMIT)) for key, value in tags.items()]
    while metrics or param_entities or tag_entities:
        client.log_batch(
            run_id,
            metrics=metrics[:_METRICS_PER_CALL],
            params=param_entities[:_TAGS_PER_CALL],
            tags=tag_entities[:_TAGS_PER_CALL],
        )
        metrics = metrics[_METRICS_PER_CALL:]
        param_entities = param_entities[_TAGS_PER_CALL:]
        tag_entities = tag_entities[_TAGS_PER_CALL:]


def log_update(client: MlflowClient, run_id: str, update: RunUpdate) -> None:
    """Write everything of ``update`` except its files."""
    log(client, run_id, update.points, params=update.params, tags=update.tags)
    if update.status == "RUNNING":
        client.update_run(run_id, status="RUNNING")
    elif update.status is not None:
        client.set_terminated(run_id, update.status, update.ended_ms)


def plain(value: object, limit: int) -> str:
    """Return a value as text that every store accepts: no NUL, at most ``limit`` characters."""
    return str(value).replace("\0", "")[:limit]


def _metrics(points: Iterable[Point]) -> Iterator[Metric]:
    """Yield MLflow's metrics; infinities become NaN, because charts cannot show them."""
    from mlflow.entities import Metric  # noqa: PLC0415 - takes two seconds

    for point in points:
        value = point.value if math.isfinite(point.value) else math.nan
        yield Metric(point.key, value, point.at_ms, point.step)
