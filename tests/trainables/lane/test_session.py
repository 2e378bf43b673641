from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import torch

from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.lane.preemption import PreemptionNotices
from trainables.lane.session import LaneSession, LeaveLane
from trainables.session.messages import EpochDone, FinalCheckTask, TrialDone
from trainables.session.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

TASK = FinalCheckTask(
    trial_id="t",
    kind="test",
    folder="",
    data=DataConfig(),
    training=TrainingConfig(),
    target=TargetConfig(),
    cache_dir="",
)
DONE = TrialDone(trial_id="t", state="complete", reason="", metrics={})


class Broker:
    """Records the calls of a session."""

    cancelled = False

    def __init__(self) -> None:
        self.calls: list[object] = []

    def cancellation(self, trial_id: str) -> Callable[[], bool]:
        assert trial_id == TASK.trial_id
        return lambda: self.cancelled

    def emit(self, message: object) -> None:
        self.calls.append(message)

    def flush(self) -> None:
        self.calls.append("flush")


class Quiet:
    """Records what a session does between measurements."""

    is_measuring = False

    def __init__(self) -> None:
        self.calls: list[str] = []

    @contextmanager
    def training(self) -> Iterator[None]:
        self.calls.append("enter")
        yield
        self.calls.append("leave")

    def yield_if_measuring(self, finish: Callable[[], None]) -> None:
        if self.is_measuring:
            finish()
        self.calls.append("yield")

    @contextmanager
    def measuring(self, *, pause: bool) -> Iterator[bool]:
        self.calls.append("measure")
        yield pause


class Monitor:
    """Reports one figure, and one unfit device once that is set."""

    reasons: dict[str, str]

    def __init__(self) -> None:
        self.reasons = {}

    def take(self) -> dict[str, float]:
        return {"system/gpu": 1.0}

    def combine(self, figures: Sequence[dict[str, float]]) -> dict[str, float]:
        assert len(figures) == 1
        return figures[0]

    def unfit(self) -> dict[str, str]:
        return self.reasons


class Fixture:
    def __init__(self, device: str = "cpu") -> None:
        self.broker, self.quiet, self.monitor = Broker(), Quiet(), Monitor()
        self.noticed, self.now = False, 0.0
        notices = PreemptionNotices(lambda: self.noticed, lambda: None, clock=lambda: self.now)
        parts: Any = (self.broker, self.quiet, self.monitor)
        self.session = LaneSession(
            TASK,
            parts[0],
            ranks=Ranks(0, 1),
            device=torch.device(device),
            quiet=parts[1],
            notices=notices,
            monitor=parts[2],
        )


@pytest.fixture
def lane() -> Fixture:
    return Fixture()


def test_a_cancellation_is_visible_only_after_synchronize(lane: Fixture) -> None:
    lane.broker.cancelled = True
    assert not lane.session.should_stop()
    lane.session.synchronize()
    assert lane.session.should_stop()
    lane.broker.cancelled = False
    lane.session.synchronize()
    assert lane.session.should_stop(), "a cancellation is final"


def test_should_stop_neither_blocks_nor_calls_anything(lane: Fixture) -> None:
    assert not lane.session.should_stop()
    assert lane.quiet.calls == []
    assert lane.broker.calls == []


def test_training_starts_at_the_first_synchronize_and_ends_at_close(lane: Fixture) -> None:
    lane.session.synchronize()
    lane.session.synchronize()
    lane.session.close(DONE)
    assert lane.quiet.calls == ["enter", "yield", "yield", "leave"]
    assert lane.broker.calls == [DONE, "flush"]


def test_an_epoch_carries_the_figures_of_the_devices(lane: Fixture) -> None:
    lane.session.report(EpochDone(trial_id="t", epoch=1, metrics={"miou": 0.5}))
    metrics = {"miou": 0.5, "system/gpu": 1.0}
    assert lane.broker.calls == [EpochDone(trial_id="t", epoch=1, metrics=metrics)]


def test_an_unfit_device_ends_the_trial_in_the_next_step(lane: Fixture) -> None:
    lane.session.synchronize()
    lane.monitor.reasons = {"GPU-a": "lost"}
    with pytest.raises(LeaveLane, match="GPU-a: lost") as raised:
        lane.session.synchronize()
    assert raised.value.unfit == {"GPU-a": "lost"}
    assert lane.quiet.calls[-1] == "leave"


def test_a_preemption_notice_is_polled_by_synchronize(lane: Fixture) -> None:
    lane.noticed = True
    lane.session.synchronize()
    assert not lane.session.preemption_noticed(), "the next poll is due in two seconds"
    lane.now = 2.0
    lane.session.synchronize()
    assert lane.session.preemption_noticed()


@pytest.fixture
def synchronized(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the devices that were synchronized, in order."""
    calls: list[str] = []
    monkeypatch.setattr("torch.cuda.synchronize", lambda device: calls.append(str(device)))
    return calls


def test_queued_steps_end_before_a_pause(synchronized: list[str]) -> None:
    lane = Fixture("cuda:1")
    lane.quiet.calls = synchronized
    lane.session.synchronize()
    assert synchronized == ["enter", "yield"], "no step waits for the device without a measurement"
    lane.quiet.is_measuring = True
    lane.session.synchronize()
    assert synchronized[2:] == ["cuda:1", "yield"]


def test_queued_steps_end_before_a_measurement_of_the_lane(synchronized: list[str]) -> None:
    lane = Fixture("cuda:1")
    lane.quiet.calls = synchronized
    with lane.session.measuring():
        assert synchronized == ["cuda:1", "measure"]
    with lane.session.measuring(pause=False):
        assert synchronized[2:] == ["measure"]


def test_a_lane_without_gpu_does_not_call_cuda(lane: Fixture, synchronized: list[str]) -> None:
    lane.quiet.is_measuring = True
    lane.session.synchronize()
    with lane.session.measuring():
        assert synchronized == []
