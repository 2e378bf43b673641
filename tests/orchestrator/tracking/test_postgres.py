"""A sweep in a real PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.registry.store import ModelRegistry
from orchestrator.registry.versions import ModelRef
from orchestrator.tracking.history import History
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from mlflow import MlflowClient
    from mlflow.entities import Run

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.info import SweepInfo

pytestmark = pytest.mark.slow


class ListSource:
    def __init__(self, events: Sequence[SweepEvent]) -> None:
        self._events = list(events)

    def events(self, after: int = 0) -> Iterator[tuple[int, SweepEvent]]:
        yield from list(enumerate(self._events, start=1))[after:]


def children(client: MlflowClient, store: MlflowStore, extra: str = "") -> Mapping[str, Run]:
    wanted = f"tags.`mlflow.parentRunId` = '{store.parent_run_id}'{extra}"
    runs = client.search_runs([store.experiment_id], wanted)
    found = {run.data.tags["trial.id"]: run for run in runs}
    assert len(found) == len(runs), "a trial has two runs"
    return found


def test_a_sweep_is_written_to_the_database_itself(
    postgres: str, info: SweepInfo, demo_events: Callable[..., list[SweepEvent]], tmp_path: Path
) -> None:
    from mlflow import MlflowClient

    events = demo_events(8)
    for event in events:
        for name in getattr(event, "artifacts", ()):
            path = info.trials_dir / event.trial_id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    source = ListSource(events)
    cursor = tmp_path / "cursor.json"
    for _ in range(2):  # the second time after the cursor was lost
        store = MlflowStore(postgres, info, artifact_root=tmp_path / "artifacts")
        writer = MlflowWriter(info=info, events=source, store=store, cursor_path=cursor)
        writer.start()
        assert writer.close(timeout=120), writer.problems
        assert writer.problems == []
        assert store._trials._bulk is not None
        cursor.unlink()
    client = MlflowClient(postgres, postgres)
    runs = children(client, store)
    assert len(runs) == 8
    assert runs["t00000"].info.status == "FINISHED"
    history = client.get_metric_history(runs["t00000"].info.run_id, "epoch/miou")
    assert [point.step for point in history] == [1, 2, 3, 4]
    front = children(client, store, " AND tags.pareto = 'true' AND metrics.latency_ms < 1000")
    assert front
    assert all(run.data.tags["pareto_rank"] == "0" for run in front.values())
    again = MlflowStore(postgres, info)
    again.open()
    assert dict(again.run_ids) == {trial: run.info.run_id for trial, run in runs.items()}
    (past,) = History(postgres).sweeps()
    assert past.sweep_id == info.sweep_id


def test_aliases_move_in_it(postgres: str, info: SweepInfo, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    store = MlflowStore(
        postgres, replace(info, experiment="models"), artifact_root=tmp_path / "artifacts"
    )
    run_id = store.open()
    client = MlflowClient(postgres, postgres)
    client.create_registered_model("street")
    for _ in range(2):
        client.create_model_version(
            "street", f"{client.get_run(run_id).info.artifact_uri}/model", run_id=run_id
        )
    registry = ModelRegistry(postgres)
    first, second = (registry.find(ModelRef("street", None, number)) for number in (1, 2))
    registry.set_champion(first, expected=None)
    registry.set_champion(second, expected=first)
    assert registry.roll_back("street") == (2, 1)
    assert registry.find(ModelRef("street", "previous")).version == 2
