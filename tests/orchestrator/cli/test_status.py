from __future__ import annotations

import io
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from cluster.jobs.request import Job
from orchestrator.cli.main import main
from orchestrator.cli.status import time_left

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.orchestrator.cli.conftest import Outcome

JOB = Job(
    job_id="street-1",
    state="running",
    message="",
    labels={"segsweep.sweep": "street-1", "segsweep.storage": "/shared"},
    started=1.0,
    ended=None,
)
LOG = "t0 class Straße: IoU 0.2\nt0 complete: Straße | 1/9 trials, 42 s, about 3 min 05 s left\n"


@pytest.fixture
def _server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in for the Jobs server of a cluster with one running sweep."""
    server = SimpleNamespace(jobs=lambda: [JOB], logs=lambda _: LOG, address="http://head:8265")
    monkeypatch.setattr("orchestrator.cli.status.connect", lambda _: server)


@pytest.mark.usefixtures("_server")
def test_the_state_of_a_sweep_has_time_left_and_last_line(
    segsweep: Callable[..., Outcome],
) -> None:
    outcome = segsweep("status", "--address", "http://head:8265")
    assert outcome.code == 0
    rows = dict(line.split("  ", 1) for line in outcome.out.splitlines())
    assert rows["state"].strip() == "running"
    assert rows["time_left"].strip() == "about 3 min 05 s"
    assert rows["last line"].strip().startswith("t0 complete: Straße")
    assert "segsweep logs street-1 --follow" in outcome.err


@pytest.mark.usefixtures("_server")
@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_status_in_ascii_escapes_class_names(
    monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with pytest.raises(SystemExit) as caught:
        main(("status", *options))
    assert caught.value.code == 0
    out.flush()
    text = out.buffer.getvalue().decode("ascii")
    assert ("Stra\\u00dfe" if options else "Stra\\xdfe") in text


def test_the_time_left_is_the_last_one_that_the_sweep_printed() -> None:
    log = """warming 2 lanes
t0 complete: mIoU 0.2 | 1/9 trials, 42 s, about 1 h 02 min left
t1 complete: mIoU 0.3 | 2/9 trials, 50 s, about 3 min 05 s left unless the front grows
t2 started: deeplabv3
"""
    assert time_left(log) == "about 3 min 05 s"
    assert time_left("t2 started: deeplabv3\n") is None
    assert time_left("") is None
