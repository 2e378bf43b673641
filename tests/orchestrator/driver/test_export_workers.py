"""Export jobs in processes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from orchestrator.driver import export_workers as workers
from orchestrator.driver.export_workers import run_jobs
from trainables.config import DataConfig
from trainables.export.jobs import ExportJob

if TYPE_CHECKING:
    from pathlib import Path

WORKER = """
import json, os, pickle, sys, time
while True:
    try:
        job = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    print(json.dumps({"begin": "pt2"}), flush=True)
    if job.trial_id == "dies":
        print("the last words", file=sys.stderr, flush=True)
        os._exit(7)
    if job.trial_id == "sleeps":
        time.sleep(60)
    if job.trial_id == "fails":
        print(json.dumps({"error": "broken"}), flush=True)
    else:
        print(json.dumps({"done": {"macs": 3.0}}), flush=True)
"""


@pytest.fixture
def light_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a process that needs no torch in the place of the real one."""
    (tmp_path / "light_worker.py").write_text(WORKER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(workers, "MODULE", "light_worker")


def jobs(*names: str) -> list[ExportJob]:
    return [
        ExportJob(
            trial_id=name,
            folder="",
            formats=("pt2",),
            data=DataConfig(),
            cache_dir="",
            scored_at=None,
            images=None,
        )
        for name in names
    ]


@pytest.mark.usefixtures("light_worker")
def test_a_job_that_kills_its_process_does_not_affect_the_others() -> None:
    started: list[int] = []
    done = run_jobs(
        jobs("a", "dies", "fails", "b"),
        processes=1,
        on_start=lambda index, _: started.append(index),
    )
    assert started == [0, 1, 2, 3]
    assert done[0].figures == done[3].figures == {"macs": 3.0}
    assert done[1].error is not None
    assert "exited with 7: the last words" in done[1].error
    assert done[2].error == "broken"


@pytest.mark.usefixtures("light_worker")
def test_a_stop_returns_at_once_with_the_finished_jobs() -> None:
    started: list[int] = []
    began = time.monotonic()
    done = run_jobs(
        jobs("a", "sleeps", "b"),
        processes=1,
        on_start=lambda index, _: started.append(index),
        stop_requested=lambda: 1 in started,
    )
    assert time.monotonic() - began < 30
    assert list(done) == [0]


@pytest.mark.slow
def test_the_real_process_reports_its_error() -> None:
    (done,) = run_jobs(jobs("nothing"), processes=1).values()
    assert done.error is not None
