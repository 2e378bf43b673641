from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.ledger.events import TrialAsked, TrialEnded, TrialProfiled, TrialStarted
from orchestrator.ledger.folders import new_sweep
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.records import fold
from orchestrator.report.model import build_report
from orchestrator.spec.networks import scored_alike
from orchestrator.spec.parse import dump_spec, load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.objectives import Objective
    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config


@pytest.fixture
def make_report(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> Callable[..., SweepReport]:
    """Return a function from a seed to the report of a plausible sweep."""

    def make(seed: int = 0, trials: int = 12) -> SweepReport:
        events = demo_events(trials, seed=seed)
        return build_report(fold(events), objectives, sweep_id="demo-1")

    return make


@pytest.fixture(scope="session")
def train_one() -> Callable[..., tuple[SweepSpec, SweepFolder]]:
    """Return a function that trains a configuration and writes the ledger of a sweep of it."""
    from trainables.session.local import LocalSession
    from trainables.session.messages import Profiled, TrialTask
    from trainables.trial import run_trial

    def train(root: Path, config: Config, *overrides: str) -> tuple[SweepSpec, SweepFolder]:
        small = (
            f"storage.root={root}",
            "teacher=null",
            "data.synthetic_train_images=8",
            "data.synthetic_val_images=4",
            "budget.epochs=1",
            "training.threads=1",
            "training.sample_images=0",
        )
        spec = load_spec(None, overrides=[*small, *overrides])
        folder = new_sweep(root, "small")
        folder.spec.write_text(dump_spec(spec))
        session, name = LocalSession(), "t00000"
        task = TrialTask(
            sweep_id=folder.sweep_id,
            trial_id=name,
            config=config,
            seed=1,
            epochs=1,
            data=spec.data,
            training=scored_alike(spec),
            target=spec.target,
            cache_dir=str(spec.storage.cache_dir),
            output_dir=str(folder.trials / name),
        )
        done = run_trial(task, session)
        assert done.state == "complete", done.reason
        told = next(each for each in session.messages if isinstance(each, Profiled))
        events = (
            TrialAsked(trial_id=name, number=0, config=config),
            TrialStarted(trial_id=name),
            TrialProfiled(trial_id=name, metrics=told.metrics, details=told.details, seconds=1),
            TrialEnded(trial_id=name, state="complete", metrics=done.metrics, seconds=2),
        )
        with Ledger(folder.ledger) as ledger:
            for event in events:
                ledger.append(event)
        return spec, folder

    return train
