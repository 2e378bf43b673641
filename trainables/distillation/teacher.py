"""The teacher: a large model, trained like a trial, in one file with its description."""

from __future__ import annotations

import math
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from search_spaces.config import TrialConfig
from search_spaces.fields import without_inactive
from search_spaces.resolution import Resolution
from search_spaces.space import config_digest
from trainables.data.cache import DECODING_VERSION
from trainables.data.digest import dataset_digest, join_digests
from trainables.data.layouts.base import SEARCH_ROLES
from trainables.data.layouts.registry import open_layout
from trainables.io.atomic import file_digest
from trainables.models.build import build_model
from trainables.session.messages import TrialTask
from trainables.session.ranks import Ranks
from trainables.training.checkpoint import (
    BEST_METADATA,
    BEST_WEIGHTS,
    CheckpointError,
    load_weights,
    save_weights,
)
from trainables.training.seeds import derive_seed
from trainables.trial import run_trial

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from search_spaces.domains import Value
    from trainables.config import DataConfig, TargetConfig, TeacherConfig, TrainingConfig
    from trainables.models.build import SegmentationModel
    from trainables.session.session import TrialSession

FILE = "teacher.safetensors"
"""Name of a teacher's file."""
_WAIT_SECONDS = 0.5
"""Time between two attempts to lock a teacher that another process trains, s."""


class TeacherError(Exception):
    """A teacher that could not be trained, or cannot be used."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherInfo:
    """The description in a teacher's file."""

    path: str
    """The file."""
    digest: str
    """SHA-256 of the file."""
    config: dict[str, Value]
    """Its configuration; ``arch``, ``backbone``, ``output_stride``, ..."""
    resolution: str
    """HEIGHTxWIDTH of its training images."""
    class_names: tuple[str, ...]
    """Names of its classes by label."""
    miou: float
    """Its mIoU on the validation images, [0, 1]."""
    dataset: str
    """Digest of its training data set."""


def train_teacher(
    teacher: TeacherConfig,
    session: TrialSession,
    *,
    data: DataConfig,
    training: TrainingConfig,
    target: TargetConfig,
    resolution: Resolution,
    cache_dir: str | Path,
    trial_id: str = "teacher",
) -> TeacherInfo:
    """Return the teacher of the settings, trained first where it is missing.

    It is trained like a trial: with the same loop, messages, early stopping and checkpoints. So an
    interrupted training resumes. The teacher is stored in ``cache_dir`` under a digest of
    everything it depends on. Of several sweeps that need the same teacher one trains it, and the
    others wait.

    Args:
        teacher: The settings; their ``checkpoint``, if any, is read instead of a training.
        session: Receives the messages of the training.
        data: The data set.
        training: Settings shared with the trials.
        target: Where its latency is measured, for comparison with its students'.
        resolution: Resolution of its images where ``teacher.resolution`` is None.
        cache_dir: Folder of teachers and decoded images.
        trial_id: Identity of the training in its messages.

    Raises:
        TeacherError: the training did not complete, or the checkpoint cannot be used.
        DataError: the data set cannot be used.
    """
    if teacher.checkpoint is not None:
        return read_teacher(Path(teacher.checkpoint))
    layout = open_layout(data, cache_dir)
    digest = dataset_digest(layout, cache_dir, roles=SEARCH_ROLES)
    config = teacher_config(teacher, resolution)
    values = config.to_mapping()
    decoding = f"{DECODING_VERSION} {layout.labels.digest_text()}"
    facts = (config_digest(values), digest, decoding, str(teacher.epochs), str(asdict(training)))
    key = join_digests(facts)
    task = TrialTask(
        sweep_id="teacher",
        trial_id=trial_id,
        config=values,
        seed=derive_seed("teacher", training.seed),
        epochs=teacher.epochs,
        data=data,
        training=training,
        target=target,
        cache_dir=str(cache_dir),
        output_dir=str(Path(cache_dir) / "teachers" / key),
        resume=True,
    )
    path = Path(task.output_dir) / FILE
    ranks = Ranks(session.rank, session.world_size)
    try:
        if not ranks.on_first(lambda: _is_usable(path)):
            with _locked(path.parent.with_suffix(".lock"), session, ranks):
                if not ranks.on_first(lambda: _is_usable(path)):
                    _train(task, session, ranks)
                    ranks.on_first(lambda: _export(Path(task.output_dir), digest))
        return ranks.on_first(lambda: read_teacher(path))
    finally:
        ranks.close()


def teacher_config(teacher: TeacherConfig, resolution: Resolution) -> TrialConfig:
    """Return the configuration that the teacher is trained with.

    Raises:
        ValueError: a setting is impossible.
    """
    resolution = Resolution.parse(teacher.resolution) if teacher.resolution else resolution
    values = {
        "arch": teacher.arch,
        "backbone": teacher.backbone,
        "output_stride": teacher.output_stride,
        "resolution": str(resolution),
        "batch_size": teacher.batch_size,
        "learning_rate": teacher.learning_rate,
        "optimizer": "adamw",
        "schedule": "poly",
    }
    return TrialConfig.from_mapping(without_inactive(values))


def read_teacher(path: Path) -> TeacherInfo:
    """Return the description in a teacher's file.

    Raises:
        TeacherError: it is no teacher's file, or its weights or mIoU are not finite.
    """
    return _read(path)[0]


def load_teacher(path: Path) -> tuple[TeacherInfo, SegmentationModel]:
    """Return a teacher's description and its model, in evaluation mode on the CPU.

    Raises:
        TeacherError: it is no teacher's file, its weights or mIoU are not finite, or its weights
            do not fit its configuration.
    """
    info, weights = _read(path)
    model = build_model(TrialConfig.from_mapping(info.config), len(info.class_names))
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise TeacherError(f"the weights in {path} do not fit its model: {error}") from error
    return info, model.eval()


def _read(path: Path) -> tuple[TeacherInfo, dict[str, Tensor]]:
    try:
        weights, facts = load_weights(path)
        info = TeacherInfo(
            path=str(path),
            digest=file_digest(path),
            config=facts["config"],
            resolution=facts["config"]["resolution"],
            class_names=tuple(facts["class_names"]),
            miou=facts["miou"],
            dataset=facts["dataset"],
        )
    except CheckpointError as error:
        raise TeacherError(str(error)) from error
    except KeyError as error:
        raise TeacherError(
            f"{path} is a trial's checkpoint, not a teacher: its header has no {error}; give a "
            "file that `segsweep teacher train` wrote"
        ) from error
    if not math.isfinite(info.miou):
        raise TeacherError(f"{path} is a teacher with the mIoU {info.miou}; train it again")
    return info, weights


def _is_usable(path: Path) -> bool:
    """Whether ``path`` is a usable teacher; any other is trained again."""
    try:
        _read(path)
    except TeacherError:
        return False
    return True


@contextmanager
def _locked(path: Path, session: TrialSession, ranks: Ranks) -> Iterator[None]:
    """Hold the lock of ``path``, which the operating system releases when the process ends.

    Raises:
        TeacherError: the session was asked to stop while another process held the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)

    def locked() -> bool:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        return True

    while not ranks.on_first(locked):
        session.synchronize()
        if session.should_stop():
            raise TeacherError("stopped while another sweep trained the same teacher")
        time.sleep(_WAIT_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _train(task: TrialTask, session: TrialSession, ranks: Ranks) -> None:
    """Train the teacher; a failed training leaves no weights."""
    folder = Path(task.output_dir)
    ranks.on_first(lambda: (folder / FILE).unlink(missing_ok=True))
    done = run_trial(task, session)
    if done.state == "failed":
        ranks.on_first(lambda: _remove_weights(folder))
    if done.state != "complete":
        raise TeacherError(f"the teacher's training ended {done.state}: {done.reason}")


def _remove_weights(folder: Path) -> None:
    for name in (BEST_WEIGHTS, BEST_METADATA):
        (folder / name).unlink(missing_ok=True)


def _export(folder: Path, digest: str) -> None:
    weights, metadata = load_weights(folder / BEST_WEIGHTS)
    save_weights(folder / FILE, weights, {**metadata, "dataset": digest})
    (folder / BEST_WEIGHTS).unlink()
