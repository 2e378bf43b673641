"""A tracking server that dies in the middle of a sweep and comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.request
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.tracking.runs.store import MlflowStore
from orchestrator.tracking.runs.writer import MlflowWriter, WriterSettings
from orchestrator.tracking.server import plan_server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.tracking.info import SweepInfo
    from orchestrator.tracking.server import ServerPlan

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


class GrowingSource:
    def __init__(self) -> None:
        self.kept: list[SweepEvent] = []

    def events(self, after: int = 0) -> Iterator[tuple[int, SweepEvent]]:
        yield from list(enumerate(self.kept, start=1))[after:]


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A PostgreSQL where one is installed, else SQLite."""
    try:
        return str(request.getfixturevalue("postgres"))
    except pytest.skip.Exception:
        return f"sqlite:///{tmp_path / 'mlflow.db'}"


def wait_until(fulfilled: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not fulfilled():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


@contextmanager
def killed_in_the_end(plan: ServerPlan, log: Path) -> Iterator[None]:
    """Run an MLflow server while the block runs; end it with SIGKILL."""

    def healthy() -> bool:
        assert process.poll() is None, log.read_text()
        address = f"{plan.address}/health"
        with suppress(OSError), urllib.request.urlopen(address, timeout=2) as told:  # noqa: S310
            return bool(told.status == 200)
        return False

    with log.open("ab") as output:
        process = subprocess.Popen(
            plan.command,
            stdout=output,
            stderr=output,
            env={**os.environ, **plan.environment},
            cwd=log.parent,
            start_new_session=True,
        )
    try:
        wait_until(healthy, 180)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_server_that_is_killed_and_comes_back_has_everything(
    publish: Callable[..., None],
    database: str,
    info: SweepInfo,
    demo_events: Callable[..., list[SweepEvent]],
    tmp_path: Path,
) -> None:
    info = replace(info, sweep_id="served", experiment="served")
    plan = plan_server(database, tmp_path / "artifacts")
    events = demo_events(6)
    for event in events:
        for name in getattr(event, "artifacts", ()):
            path = info.trials_dir / event.trial_id / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
    half = len(events) // 2
    source = GrowingSource()
    store = MlflowStore(plan.address, info)
    writer = MlflowWriter(
        info=info,
        events=source,
        store=store,
        cursor_path=tmp_path / "cursor.json",
        settings=WriterSettings(batch_events=5, pause_seconds=0.0, last_retry_seconds=1.0),
    )

    def happen(more: list[SweepEvent]) -> None:
        for event in more:
            source.kept.append(event)
            publish(writer, event)

    with killed_in_the_end(plan, tmp_path / "server.log"):
        writer.start()
        happen(events[:half])
        wait_until(lambda: writer.cursor > 0, 60)
    happen(events[half:])
    wait_until(lambda: bool(writer.problems), 60)
    assert writer.cursor < len(events)
    with killed_in_the_end(plan, tmp_path / "server.log"):
        assert writer.close(timeout=120)
        from mlflow import MlflowClient

        client = MlflowClient(plan.address, plan.address)
        wanted = f"tags.`mlflow.parentRunId` = '{store.parent_run_id}'"
        runs = client.search_runs([store.experiment_id], wanted)
        assert sorted(run.data.tags["trial.id"] for run in runs) == sorted(store.run_ids)
        assert len(runs) == 6
        for run in runs:
            if run.data.tags["trial_state"] != "complete":
                continue
            history = client.get_metric_history(run.info.run_id, "epoch/miou")
            assert [point.step for point in history] == [1, 2, 3, 4]
            files = {file.path for file in client.list_artifacts(run.info.run_id)}
            assert files == {"predictions.png", "per_class_iou.json"}
