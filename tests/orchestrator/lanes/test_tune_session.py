"""Tune over lanes on a real local Ray, with trials that take no time."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from ray._private import state
from ray.air.execution._internal.actor_manager import RayActorManager
from ray.exceptions import OutOfMemoryError

from cluster.capacity.packing import LaneShape
from cluster.start.connection import connected
from orchestrator.lanes.pool import LanePlan, LanePool
from orchestrator.lanes.tune_adapters import LaneTrial
from orchestrator.lanes.tune_session import TuneSession
from orchestrator.ledger.events import EpochReported, TrialEnded
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.spec.objectives import Objective
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget
from orchestrator.sweep.make import SweepSetup, make_sweep
from search_spaces.domains import Float
from search_spaces.space import SearchSpace
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.session.messages import EpochDone, TrialDone, TrialTask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent, TrialAsked
    from orchestrator.sweep.sweep import Sweep
    from trainables.session.session import TrialSession


pytestmark = pytest.mark.ray

LANES, TRIALS, RUN = 2, 50, 20
SLOW_TRIALS, SLOW_EPOCHS, KILLS = 3, 8, 5
MANY_EPOCHS = 100
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
SPACE = SearchSpace.of(x=Float(0.0, 1.0))


class Tape:
    """Keeps the ends of trials, and the epochs of each in the order in which they came."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.epochs: dict[str, list[int]] = {}
        self._numbers = itertools.count(1)

    def append(self, event: SweepEvent) -> int:
        if isinstance(event, TrialEnded):
            self.ended.append(event.trial_id)
        elif isinstance(event, EpochReported):
            self.epochs.setdefault(event.trial_id, []).append(event.epoch)
        return next(self._numbers)


def at_once(task: TrialTask, session: TrialSession) -> TrialDone:
    """Report the epochs, without training."""
    metrics = {"miou": float(task.config["x"])}
    for epoch in range(1, task.epochs + 1):
        session.report(EpochDone(trial_id=task.trial_id, epoch=epoch, metrics=metrics))
    flops = {"flops": 1.0}
    return TrialDone(
        trial_id=task.trial_id, state="complete", reason="", metrics={**metrics, **flops}
    )


def slowly(task: TrialTask, session: TrialSession) -> TrialDone:
    """Report the epochs with a pause before each."""

    class Slow:
        def report(self, message: EpochDone) -> None:
            time.sleep(0.4)
            session.report(message)

    return at_once(task, Slow())  # type: ignore[arg-type] # nothing else is asked of it


def a_sweep(trials: int, epochs: int) -> tuple[Sweep, Tape]:
    tape = Tape()
    setup = SweepSetup(
        problem=SearchProblem(
            space=SPACE,
            objectives=OBJECTIVES,
            max_epochs=epochs,
            known_cost=lambda _: {"flops": 1.0},
        ),
        search=SearchConfig(searcher="random", scheduler="none", cost_gate="constraints"),
        budget=SweepBudget(trials=trials, epochs=epochs),
    )
    sweep = make_sweep(setup, journal=tape, clock=itertools.count().__next__)
    return sweep, tape


def run_on_lanes(
    tmp_path: Path,
    sweep: Sweep,
    runner: Any,
    *,
    lanes: int,
    epochs: int,
    trials_per_run: int = 5000,
) -> None:
    def task(asked: TrialAsked) -> TrialTask:
        return TrialTask(
            sweep_id="s",
            trial_id=asked.trial_id,
            config=asked.config,
            seed=asked.number,
            epochs=epochs,
            data=DataConfig(),
            training=TrainingConfig(),
            target=TargetConfig(),
            cache_dir=str(tmp_path),
            output_dir=str(tmp_path / asked.trial_id),
        )

    with LanePool(
        LanePlan(lanes=lanes, shape=LaneShape(cpus=0.1), max_trials=10**6),
        storage=str(tmp_path / "ray"),
        quiet_path=str(tmp_path / "quiet"),
        runner=runner,
    ) as pool:
        TuneSession(
            sweep,
            pool.broker,
            lanes=lambda: lanes,
            make_task=task,
            stop_requested=lambda: False,
            storage=tmp_path / "tune",
            trials_per_run=trials_per_run,
            trials_per_lane=1,
        ).run()


def trial_actors() -> list[dict[str, Any]]:
    """Return every actor of Tune, dead ones included."""
    actors = state.actors().values()
    return [each for each in actors if each["ActorClassName"] == LaneTrial.__name__]


@contextmanager
def killing_actors(kills: int) -> Iterator[list[int]]:
    """Kill the actor of a running trial now and then; yield the growing list of their processes."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < kills and not over.wait(1.0):
            alive = [each["Pid"] for each in trial_actors() if each["State"] == "ALIVE"]
            for pid in set(alive) - {0, *killed}:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                    killed.append(pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield killed
    finally:
        over.set()
        killer.join()


def test_actors_are_reused_by_trials_shorter_than_their_start(tmp_path: Path) -> None:
    """In consecutive Tune runs every trial ends once, and few actors start."""
    sweep, tape = a_sweep(TRIALS, epochs=1)
    with connected():
        run_on_lanes(tmp_path, sweep, at_once, lanes=LANES, epochs=1, trials_per_run=RUN)
        actors = trial_actors()
    assert sorted(tape.ended) == [f"t{number:05d}" for number in range(TRIALS)]
    runs = -(-TRIALS // RUN)
    assert runs <= len(actors) <= LANES * runs, actors


def test_messages_in_quick_succession_keep_their_order(tmp_path: Path) -> None:
    sweep, tape = a_sweep(1, epochs=MANY_EPOCHS)
    with connected():
        run_on_lanes(tmp_path, sweep, at_once, lanes=1, epochs=MANY_EPOCHS)
    assert tape.ended == ["t00000"]
    assert tape.epochs["t00000"] == list(range(1, MANY_EPOCHS + 1))


def test_no_message_is_lost_or_doubled_when_tune_actors_die(tmp_path: Path) -> None:
    sweep, tape = a_sweep(SLOW_TRIALS, epochs=SLOW_EPOCHS)
    with connected(), killing_actors(KILLS) as killed:
        run_on_lanes(tmp_path, sweep, slowly, lanes=1, epochs=SLOW_EPOCHS)
    assert killed
    trials = [f"t{number:05d}" for number in range(SLOW_TRIALS)]
    assert tape.ended == trials
    assert tape.epochs == {trial: list(range(1, SLOW_EPOCHS + 1)) for trial in trials}


def test_trials_continue_after_ray_kills_actors_for_lack_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Raises the error of Ray's memory monitor where Tune receives it."""
    lost: list[object] = []
    usual = RayActorManager._actor_task_failed

    def short_of_memory(
        manager: RayActorManager, *, tracked_actor_task: Any, exception: Exception
    ) -> None:
        if lost:
            usual(manager, tracked_actor_task, exception)
            return
        lost.append(exception)
        said = OutOfMemoryError("6 worker(s) were killed\nand a page more")  # type: ignore[no-untyped-call]
        raise RuntimeError("Caught unexpected exception") from said

    monkeypatch.setattr(RayActorManager, "_actor_task_failed", short_of_memory)
    sweep, tape = a_sweep(SLOW_TRIALS, epochs=SLOW_EPOCHS)
    with connected(), killing_actors(1):
        run_on_lanes(tmp_path, sweep, slowly, lanes=2, epochs=SLOW_EPOCHS)
    assert lost
    assert "6 worker(s) were killed; the sweep continues" in caplog.text
    assert "a page more" not in caplog.text
    trials = [f"t{number:05d}" for number in range(SLOW_TRIALS)]
    assert sorted(tape.ended) == trials
    assert tape.epochs == {trial: list(range(1, SLOW_EPOCHS + 1)) for trial in trials}
