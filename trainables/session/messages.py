"""What a running trial says to whoever started it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

if TYPE_CHECKING:
    from search_spaces.domains import Value
    from trainables.config import DataConfig, TargetConfig, TeacherConfig, TrainingConfig

TrialState: TypeAlias = Literal["complete", "stopped", "infeasible", "preempted", "failed"]
"""How a trial ended: trained to its end, stopped early, broke a constraint or did not fit, lost its
worker, or raised."""


Interruption: TypeAlias = Literal["notice", "preemption", "node", "worker"]
"""What came over a trial's lane: its machine was said to go; a machine that was said to go, or was
taken back, went; a machine was lost, or a device taken out; a process ended. The trial runs on
after the first."""


TRIAL = "trial_id"
"""Key of the details of a latency check's message: the trial that the figures belong to."""
REASON = "reason"
"""Key of the details of a latency check's message: why the trial could not be measured."""
UNDISTURBED = "latency_undisturbed"
"""Metric that is 1 where ``latency_ms`` is sound and 0 where it was measured under disturbance."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialTask:
    """Everything a train worker needs to run one trial; survives pickling."""

    sweep_id: str
    """Sweep the trial belongs to."""
    trial_id: str
    """Identity of the trial, unique in the sweep; also the name of its folder."""
    config: dict[str, Value]
    """Point of the search space."""
    seed: int
    """Seed of everything random in the trial."""
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
    """Costs measured before under the same signature, so that they are not measured again."""
    resume: bool = False
    """Go on from the last checkpoint in ``output_dir`` if there is a sound one."""
    memory_mb: float | None = None
    """Device memory that the training takes at most, as far as is known, MB of 1e6 bytes."""
    fencing_token: tuple[int, int] | None = None
    """Driver and assignment, from 1: only the latest may write into ``output_dir``, see ``Claim``.
    None where no other process may write there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherTask:
    """Everything a train worker needs to train a teacher, or to find one, with its soft labels."""

    trial_id: str
    """Name under which its messages come."""
    teacher: TeacherConfig
    """The teacher's settings."""
    data: DataConfig
    """The data set."""
    training: TrainingConfig
    """Settings shared with the trials."""
    target: TargetConfig
    """Where its latency is measured."""
    resolution: str
    """HEIGHTxWIDTH it sees where its settings do not say."""
    cache_dir: str
    """Folder of decoded images, teachers and soft labels."""
    resume: bool = True
    """An interrupted training of a teacher always goes on."""


FinalCheckKind: TypeAlias = Literal["latency", "test"]
"""What is found of complete trials after the search: ``latency``, their latencies measured again by
turns; ``test``, a trial's score on the test split."""
FINAL_CHECK_KINDS: tuple[FinalCheckKind, ...] = get_args(FinalCheckKind)
"""In the order in which they run."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FinalCheckTask:
    """Everything a train worker needs to examine a complete trial after the search."""

    trial_id: str
    """Name of the task, by which its messages are known; no trial's own."""
    kind: FinalCheckKind
    """What is found."""
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
    """``latency`` only: configuration of each trial that is measured, by its identity."""
    num_classes: int = 0
    """``latency`` only: classes of the data set, >= 2."""
    resume: bool = True
    """A check holds no state; one whose lane died starts again."""


LaneTask: TypeAlias = TrialTask | TeacherTask | FinalCheckTask
"""What a lane can be given."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Profiled:
    """The cost of the trial's model, known before its first epoch."""

    trial_id: str
    metrics: dict[str, float]
    """``macs``, ``flops``, ``params``, ``latency_ms``, ``latency_iqr_ms``, ..."""
    details: dict[str, Value]
    """How it was measured: device, runtime, precision, threads, batch size, repeats."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EpochDone:
    """One epoch trained and scored on the validation images."""

    trial_id: str
    epoch: int
    """Epochs finished, from 1."""
    metrics: dict[str, float]
    """``train_loss``, ``val_loss``, ``miou``, ``pixel_accuracy``, ``learning_rate``,
    ``epoch_seconds``, ..."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialDone:
    """The trial's end, the last thing it says."""

    trial_id: str
    state: TrialState
    reason: str
    """Why, for every state but complete; may be empty there."""
    metrics: dict[str, float]
    """Final figures of the best checkpoint: objectives, sizes, memory, energy, seconds."""
    artifacts: tuple[str, ...] = ()
    """Files for the tracker, relative to the trial's folder."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Restored:
    """The trial goes on from a state; what was trained after it is trained once more."""

    trial_id: str
    epoch: int
    """Whole epochs in the state, 0 where there is none."""
    trained_seconds: float
    """Seconds of training in the state, those of an epoch that is not whole with them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interrupted:
    """The lane of the trial is lost, or will be."""

    trial_id: str
    cause: Interruption
    reason: str
    """What was said of it; may be empty for a notice."""


TrialMessage: TypeAlias = Profiled | EpochDone | Restored | Interrupted | TrialDone
