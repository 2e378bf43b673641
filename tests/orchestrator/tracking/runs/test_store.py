from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.client import TrackingRefusedError
from orchestrator.tracking.runs import store as store_module
from orchestrator.tracking.runs.projection import Point, Projector, RunUpdate, merge
from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
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


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for all tests of this file; each has a sweep of its own in it."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def own(info: SweepInfo, request: pytest.FixtureRequest) -> SweepInfo:
    return replace(info, sweep_id=request.node.name, experiment="shared")


@pytest.fixture
def store(uri: str, own: SweepInfo, tmp_path: Path) -> MlflowStore:
    return MlflowStore(uri, own, artifact_root=tmp_path / "artifacts")


@pytest.fixture
def client(uri: str) -> MlflowClient:
    from mlflow import MlflowClient

    return MlflowClient(uri, uri)


def children(client: MlflowClient, store: MlflowStore, extra: str = "") -> dict[str, Run]:
    wanted = f"tags.`mlflow.parentRunId` = '{store.parent_run_id}'{extra}"
    runs = client.search_runs([store.experiment_id], wanted)
    found = {run.data.tags["trial.id"]: run for run in runs}
    assert len(found) == len(runs), "a trial has two runs"
    return found


def write(store: MlflowStore, info: SweepInfo, events: Sequence[SweepEvent], cursor: Path) -> None:
    for event in events:
        for name in getattr(event, "artifacts", ()):
            path = info.trials_dir / event.trial_id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    writer = MlflowWriter(info=info, events=ListSource(events), store=store, cursor_path=cursor)
    writer.start()
    assert writer.close(timeout=300)
    assert writer.problems == []


def test_a_repeated_write_changes_nothing(
    store: MlflowStore,
    client: MlflowClient,
    own: SweepInfo,
    demo_events: Callable[..., list[SweepEvent]],
    tmp_path: Path,
) -> None:
    import mlflow

    before = mlflow.get_tracking_uri()
    events = demo_events(8)
    write(store, own, events, tmp_path / "cursor.json")
    runs = children(client, store)
    assert len(runs) == 8
    complete = runs["t00000"]
    assert complete.info.status == "FINISHED"
    assert complete.info.start_time == own.started_ms
    assert complete.data.params["backbone"] == events[0].config["backbone"]  # type: ignore[union-attr]
    assert runs["t00003"].info.status == "KILLED"
    assert runs["t00005"].info.status == "FAILED"
    assert runs["t00005"].data.tags["reason"].startswith("params")
    assert complete.data.tags["dataset.digest"] == "d1g35t"
    steps = client.get_metric_history(complete.info.run_id, "epoch/miou")
    assert [point.step for point in steps] == [1, 2, 3, 4]
    assert {file.path for file in client.list_artifacts(complete.info.run_id)} == {
        "predictions.png",
        "per_class_iou.json",
    }
    parent = client.get_run(store.parent_run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.metrics["ended"] == 8
    fast = children(client, store, " AND tags.pareto = 'true' AND metrics.latency_ms < 1000")
    assert fast
    assert all(run.data.tags["pareto_rank"] == "0" for run in fast.values())

    (tmp_path / "cursor.json").unlink()
    again = MlflowStore(store.uri, own)
    write(again, own, events, tmp_path / "cursor.json")
    assert again.parent_run_id == store.parent_run_id
    assert {k: r.info.run_id for k, r in children(client, again).items()} == {
        k: r.info.run_id for k, r in runs.items()
    }
    for key in ("epoch/miou", "miou", "flops", "pareto_rank"):
        history = client.get_metric_history(complete.info.run_id, key)
        assert len({(p.step, p.timestamp) for p in history}) == len(history)
    assert len(client.get_metric_history(complete.info.run_id, "epoch/miou")) == 4
    assert len(client.get_metric_history(store.parent_run_id, "ended")) == 8
    for trial, run in children(client, again).items():
        for tag in ("pareto", "mlflow.runColor", "trial_state"):
            assert run.data.tags[tag] == runs[trial].data.tags[tag]
    assert mlflow.active_run() is None
    assert mlflow.get_tracking_uri() == before


def test_bulk_writes_equal_those_of_the_client(
    uri: str,
    own: SweepInfo,
    tmp_path: Path,
    demo_events: Callable[..., list[SweepEvent]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from mlflow import MlflowClient

    def fail(error: Exception) -> None:
        raise AssertionError("a bulk write fell back to the client") from error

    monkeypatch.setattr(store_module, "_fall_back", fail)
    found = []
    for way in ("in-bulk-way", "by-client-way"):
        info = replace(own, experiment=way)
        store = MlflowStore(uri, info, artifact_root=tmp_path / way)
        store.open()
        if way == "by-client-way":
            store._trials._bulk = None
        projector = Projector(info)
        events = demo_events(9)
        for part in (events[:20], events[20:], events[15:25], demo_events(9)):
            updates = [update for update, _ in map(projector.observe, part) if update]
            assert not [p for p in store.push_all(merge(updates)) if "do not exist" not in p]
        assert store.push_all(projector.rank_updates({})) == []
        client = MlflowClient(uri, uri)
        runs = children(client, store)
        found.append(
            {
                trial: (
                    {k: v for k, v in run.data.tags.items() if k != "mlflow.parentRunId"},
                    run.data.params,
                    run.data.metrics,
                    run.info.status,
                    (run.info.start_time, run.info.end_time, run.info.run_name, run.info.user_id),
                    run.info.artifact_uri.replace(run.info.run_id, "RUN").replace(way, "WAY"),
                    [p.value for p in client.get_metric_history(run.info.run_id, "epoch/miou")],
                )
                for trial, run in runs.items()
            }
        )
    assert found[0] == found[1]


def test_points_beyond_the_limit_of_one_request_are_written(
    store: MlflowStore, client: MlflowClient
) -> None:
    store.open()
    points = tuple(Point("epoch/miou", step / 5000, step, step) for step in range(2000))
    params = {f"p{number}": number for number in range(150)}
    assert store.push_all([RunUpdate(trial_id="a", points=points, params=params)]) == []
    run = children(client, store)["a"]
    assert len(run.data.params) == 150
    assert len(client.get_metric_history(run.info.run_id, "epoch/miou")) == 2000


def test_a_missing_file_is_reported_after_the_rest_is_written(
    store: MlflowStore, client: MlflowClient
) -> None:
    store.open()
    update = RunUpdate(trial_id="a", status="FINISHED", ended_ms=9, artifacts=("lost.png",))
    (problem,) = store.push_all([update])
    assert "lost.png" in problem
    assert children(client, store)["a"].info.status == "FINISHED"


def test_the_runs_of_another_sweep_are_unchanged(
    store: MlflowStore, client: MlflowClient, own: SweepInfo
) -> None:
    store.open()
    store.push_all([RunUpdate(trial_id="a")])
    other = MlflowStore(store.uri, replace(own, sweep_id=own.sweep_id + "-other"))
    assert other.open() != store.parent_run_id
    assert other.run_ids == {}
    assert set(children(client, store)) == {"a"}


def test_a_deleted_experiment_is_reported(
    uri: str, own: SweepInfo, client: MlflowClient, tmp_path: Path
) -> None:
    gone = replace(own, experiment="gone")
    client.delete_experiment(client.create_experiment("gone", tmp_path.as_uri()))
    with pytest.raises(TrackingRefusedError, match="restore"):
        MlflowStore(uri, gone).open()
