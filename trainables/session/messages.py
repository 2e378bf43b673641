"""Tasks of lanes and the messages of their trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from search_spaces.domains import Value
    from trainables.config import DataConfig, TargetConfig, TeacherConfig, TrainingConfig

TrialState: TypeAlias = Literal["complete", "stopped", "infeasible", "preempted", "failed"]
"""How a trial ended: trained all epochs; stopped early; broke a constraint or did not fit; lost its
lane; raised an error."""


Interruption: TypeAlias = Literal["notice", "preemption", "node", "worker"]
"""What happened to a trial's lane. ``notice``: a preemption notice was received, and the trial
continues; ``preemption``: a node was preempted; ``node``: a node was lost, or a device banned;
``worker``: a process died."""


TRIAL = "trial_id"
"""Key of the details of a latency check's message: the trial of the metrics."""
REASON = "reason"
"""Key of the details of a latency check's message: why the trial could not be measured."""
UNDISTURBED = "latency_undisturbed"
"""Metric that is 1 where ``latency_ms`` was measured undisturbed, else 0."""
MICRO_BATCHES = "micro_batches"
"""Metric of a trial whose batches did not fit into memory: the largest number of micro-batches of a
rank's batch, >= 2. BatchNorm normalises each by its own statistics, so the mIoU depends on it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialTask:
    """The task of training one trial; survives pickling."""

    sweep_id: str
    """Sweep the trial belongs to."""
    trial_id: str
    """Identity of the trial, unique in the sweep; also the name of its folder."""
    config: dict[str, Value]
    """Point of the search space."""
    seed: int
    """Seed of all random generators of the trial."""
    epochs: int
    """Epochs to train, >= 1."""
    data: DataConfig
    """The data set."""
    training: TrainingConfig
    """Settings shared by all trials."""
    target: TargetConfig
    """Where latency is measured."""
    cache_dir: str
    """Folder of decoded images, soft labels and profiles."""
    output_dir: str
    """Folder of this trial's checkpoints and pictures."""
    soft_labels: str | None = None
    """Folder of the teacher's cached logits; None without a teacher."""
    measured: dict[str, float] = field(default_factory=dict)
    """Costs that were measured under the same signature; they are not measured again."""
    resume: bool = False
    """Whether to resume from the last valid checkpoint in ``output_dir``, if there is one."""
    memory_mb: float | None = None
    """Upper bound of the training's device memory, MB of 1e6 bytes; None where it is unknown."""
    fencing_token: tuple[int, int] | None = None
    """Driver and assignment, from 1: only the latest may write into ``output_dir``, see ``Claim``.
    None where no other process may write there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherTask:
    """The task of training a teacher, or finding a trained one, and writing its soft labels."""

    trial_id: str
    """Identity of its messages."""
    teacher: TeacherConfig
    """The teacher's settings."""
    data: DataConfig
    """The data set."""
    training: TrainingConfig
    """Settings shared with the trials."""
    target: TargetConfig
    """Where its latency is measured."""
    resolution: str
    """HEIGHTxWIDTH of its input where its settings have none."""
    cache_dir: str
    """Folder of decoded images, teachers and soft labels."""
    resume: bool = True
    """An interrupted teacher always resumes."""


FinalCheckKind: TypeAlias = Literal["latency", "test"]
"""What is measured of complete trials after the search: ``latency``, their latencies again, in
rounds; ``test``, a trial's score on the test split."""
FINAL_CHECK_KINDS: tuple[FinalCheckKind, ...] = get_args(FinalCheckKind)
"""In the order in which they run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalCheckTask:
    """The task of checking complete trials after the search."""

    trial_id: str
    """Identity of the task's messages; differs from every trial's."""
    kind: FinalCheckKind
    """What is measured."""
    folder: str
    """Folder of the trial's checkpoint."""
    data: DataConfig
    """The data set."""
    training: TrainingConfig
    """Settings under which trials are scored."""
    target: TargetConfig
    """Where latency is measured."""
    cache_dir: str
    """Folder of decoded images and profiles."""
    configs: dict[str, dict[str, Value]] = field(default_factory=dict)
    """``latency`` only: configurations of the measured trials, by identity."""
    num_classes: int = 0
    """``latency`` only: classes of the data set, >= 2."""
    resume: bool = True
    """A check has no state; after the loss of its lane it starts again."""


LaneTask: TypeAlias = TrialTask | TeacherTask | FinalCheckTask
"""Any task of a lane."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profiled:
    """The costs of the trial's model, measured before its first epoch."""

    trial_id: str
    metrics: dict[str, float]
    """``macs``, ``flops``, ``params``, ``latency_ms``, ``latency_iqr_ms``, ..."""
    details: dict[str, Value]
    """Device, runtime, precision, threads, batch size and repeats of the measurement."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochDone:
    """An epoch was trained and scored on the validation split."""

    trial_id: str
    epoch: int
    """Number of trained epochs, from 1."""
    metrics: dict[str, float]
    """``train_loss``, ``val_loss``, ``miou``, ``pixel_accuracy``, ``learning_rate``,
    ``epoch_seconds``, ..."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialDone:
    """The trial's end, its last message."""

    trial_id: str
    state: TrialState
    reason: str
    """Why it ended so; empty only for ``complete``."""
    metrics: dict[str, float]
    """Metrics of the best checkpoint: objectives, sizes, memory, energy, seconds."""
    artifacts: tuple[str, ...] = ()
    """Files for the tracker, relative to the trial's folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """The trial resumes from a checkpoint; training after it is repeated."""

    trial_id: str
    epoch: int
    """Whole epochs in the checkpoint, 0 without one."""
    trained_seconds: float
    """Seconds of training in the checkpoint, including those of a partial epoch."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interrupted:
    """The lane of the trial was lost, or will be preempted."""

    trial_id: str
    cause: Interruption
    reason: str
    """Ray's message; empty for a notice."""


TrialMessage: TypeAlias = Profiled | EpochDone | Restored | Interrupted | TrialDone
