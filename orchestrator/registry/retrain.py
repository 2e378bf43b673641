"""Retrains a configuration with other seeds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from orchestrator.spec.networks import largest_resolution, scored_alike
from trainables.distillation.teacher_task import run_teacher
from trainables.session.local import LocalSession
from trainables.session.messages import TeacherTask, TrialTask
from trainables.training.seeds import derive_seed
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.report.model import ReportRow
    from orchestrator.spec.sweep_spec import SweepSpec


class RetrainingError(RuntimeError):
    """A training with another seed failed."""


def retrain(
    spec: SweepSpec,
    row: ReportRow,
    sweep_id: str,
    folder: Path,
    *,
    seeds: int,
    progress: Callable[[str], None],
) -> list[float]:
    """Return the mIoU of the trial's configuration for each of ``seeds`` >= 1 other seeds.

    The trainings run one after the other in this process, each in its own folder below ``folder``.
    An interrupted training resumes.

    Raises:
        RetrainingError: a training failed.
    """
    session = LocalSession(device=_device())
    soft_labels = _soft_labels(spec, row, sweep_id, session)
    scores = []
    for number in range(seeds):
        task = TrialTask(
            sweep_id=sweep_id,
            trial_id=f"{row.trial_id}-seed-{number}",
            config=dict(row.config),
            seed=derive_seed("promotion", spec.training.seed, row.number, number),
            epochs=spec.budget.epochs,
            data=spec.data,
            training=scored_alike(spec),
            target=spec.target,
            cache_dir=str(spec.storage.cache_dir),
            output_dir=str(folder / f"seed-{number}"),
            soft_labels=soft_labels,
            measured={name: row.metrics[name] for name in ("latency_ms",) if name in row.metrics},
            resume=True,
        )
        progress(f"retraining with seed {number + 1} of {seeds}")
        done = run_trial(task, session)
        if done.state != "complete":
            raise RetrainingError(f"seed {number + 1} of {seeds} {done.state}: {done.reason}")
        scores.append(done.metrics["miou"])
    return scores


def _device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def _soft_labels(
    spec: SweepSpec, row: ReportRow, sweep_id: str, session: LocalSession
) -> str | None:
    """Return the folder of the soft labels; None if the trial was not distilled."""
    if spec.teacher is None or not float(str(row.config.get("distill_alpha", 0))) > 0:
        return None
    task = TeacherTask(
        trial_id=f"{sweep_id}-teacher",
        teacher=spec.teacher,
        data=spec.data,
        training=spec.training,
        target=spec.target,
        resolution=str(largest_resolution(spec.space)),
        cache_dir=str(spec.storage.cache_dir),
    )
    done = run_teacher(task, session)
    if done.state != "complete":
        raise RetrainingError(f"the teacher {done.state}: {done.reason}")
    return done.artifacts[1]
