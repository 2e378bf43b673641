from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch

from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.lane import worker
from trainables.lane.setup import LaneSetup
from trainables.session.messages import FinalCheckTask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trainables.session.messages import LaneTask, TrialDone
    from trainables.session.session import TrialSession

TASK = FinalCheckTask(
    trial_id="t",
    kind="test",
    folder="",
    data=DataConfig(),
    training=TrainingConfig(),
    target=TargetConfig(),
    cache_dir="",
)


class Broker:
    """Hands out one task."""

    def __init__(self, *_: object) -> None:
        pass

    def take(self, *_: object) -> FinalCheckTask:
        return TASK

    def cancellation(self, _: str) -> Callable[[], bool]:
        return lambda: False


def run(error: Exception, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a lane whose trial raises ``error``."""

    def runner(task: LaneTask, session: TrialSession) -> TrialDone:
        del task, session
        raise error

    monkeypatch.setattr(worker, "BrokerClient", Broker)
    monkeypatch.setattr(worker, "rank_and_world_size", lambda: (0, 1))
    monkeypatch.setattr(worker, "worker_device", lambda: torch.device("cpu"))
    monkeypatch.setattr("gc.freeze", lambda: None)  # it would keep the objects of other tests
    setup = LaneSetup(lane="l", broker=None, quiet_path=str(path / "quiet"), runner=runner)
    worker.lane_loop({"setup": setup})


def test_a_lost_device_ends_the_lane_with_a_reason_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = torch.AcceleratorError("CUDA error: unspecified launch failure\nCompile with `X`.\n")
    with pytest.raises(worker.DeviceFaultError, match="unspecified launch failure") as raised:
        run(lost, tmp_path, monkeypatch)
    assert "\n" not in str(raised.value)
    assert raised.value.__cause__ is lost


def test_another_fault_ends_the_lane_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConnectionResetError, match="gone"):
        run(ConnectionResetError("gone"), tmp_path, monkeypatch)
