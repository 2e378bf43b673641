"""Tune over lanes on a real local Ray, with trials that take no time."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from ray._private import state

from cluster.local import connected
from orchestrator import ray_tune
from orchestrator.events import Objective, TrialEnded
from orchestrator.gate import CostGate
from orchestrator.lanes.pool import LanePlan, LanePool
from orchestrator.schedulers.registry import make_scheduler
from orchestrator.searchers.registry import make_searcher
from orchestrator.sweep import Sweep, SweepBudget
from search_spaces.domains import Float
from search_spaces.space import SearchSpace
from trainables.config import DataConfig, TargetConfig, TrainingConfig
from trainables.messages import EpochDone, TrialDone, TrialTask

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.events import SweepEvent, TrialAsked
    from trainables.session import TrialSession

pytestmark = pytest.mark.ray

LANES, TRIALS, CHAPTER = 2, 50, 20
OBJECTIVES = (Objective("miou", "maximize"), Objective("flops", "minimize"))
SPACE = SearchSpace.of(x=Float(0.0, 1.0))


class Tape:
    def __init__(self) -> None:
        self.ended: list[str] = []
        self._numbers = itertools.count(1)

    def append(self, event: SweepEvent) -> int:
        if isinstance(event, TrialEnded):
            self.ended.append(event.trial_id)
        return next(self._numbers)


def at_once(task: TrialTask, session: TrialSession) -> TrialDone:
    """Report one epoch, without training."""
    metrics = {"miou": float(task.config["x"])}
    session.report(EpochDone(trial_id=task.trial_id, epoch=1, metrics=metrics))
    flops = {"flops": 1.0}
    return TrialDone(
        trial_id=task.trial_id, state="complete", reason="", metrics={**metrics, **flops}
    )


def test_actors_are_reused_by_trials_shorter_than_their_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several runs of Tune one after the other, every trial ends once, and few actors start."""
    monkeypatch.setattr(ray_tune, "_CHAPTER", CHAPTER)
    monkeypatch.setattr(ray_tune, "_CHAPTER_PER_LANE", 1)
    tape = Tape()
    sweep = Sweep(
        objectives=OBJECTIVES,
        budget=SweepBudget(trials=TRIALS, epochs=1),
        searcher=make_searcher("random", SPACE, OBJECTIVES, max_epochs=1),
        scheduler=make_scheduler("mo-asha", OBJECTIVES, max_epochs=1),
        gate=CostGate([], lambda _: {"flops": 1.0}),
        journal=tape,
        clock=itertools.count().__next__,
    )
    storage = str(tmp_path / "ray")

    def task(asked: TrialAsked) -> TrialTask:
        return TrialTask(
            sweep_id="s",
            trial_id=asked.trial_id,
            config=asked.config,
            seed=asked.number,
            epochs=1,
            data=DataConfig(),
            training=TrainingConfig(),
            target=TargetConfig(),
            cache_dir=str(tmp_path),
            output_dir=str(tmp_path / asked.trial_id),
        )

    with (
        connected(),
        LanePool(
            LanePlan(lanes=LANES, cpus_per_worker=0.1, max_trials=10**6),
            storage=storage,
            quiet_path=str(tmp_path / "quiet"),
            runner=at_once,  # type: ignore[arg-type] # trials alone are given to it
        ) as pool,
    ):
        ray_tune.run_trials(
            sweep,
            pool.switchboard,
            lanes=lambda: LANES,
            make_task=task,
            stop_requested=lambda: False,
            storage=tmp_path / "tune",
        )
        names = [each["ActorClassName"] for each in state.actors().values()]
    assert sorted(tape.ended) == [f"t{number:05d}" for number in range(TRIALS)]
    runs = -(-TRIALS // CHAPTER)
    assert runs <= sum("Trainable" in name for name in names) <= LANES * runs, names
