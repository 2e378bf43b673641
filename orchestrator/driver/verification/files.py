"""Reads a sweep's folder; contradictions between the ledger's trials and their files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from orchestrator.driver.retention import REMOVED
from orchestrator.driver.verification.ledger import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.ledger.records import SweepRecords, TrialRecord

Soundness: TypeAlias = Literal["absent", "sound", "torn"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TrialFiles:
    """Files of a trial's folder."""

    names: frozenset[str] = frozenset()
    """Files, relative to the folder."""
    best: Soundness = "absent"
    """Weights of the best epoch, compared with their digests."""
    last: Soundness = "absent"
    """Newest usable resume point; ``torn`` if all of them are torn."""
    removed: bool = False
    """Whether the weights were removed to keep within the disk budget."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepFiles:
    """Files of a sweep's folder."""

    trials: Mapping[str, TrialFiles] = field(default_factory=dict)
    """By the folder's name."""
    ray_checkpoints: tuple[str, ...] = ()
    """Files in Ray's storage with a trial's state, which belongs in the trial's folder."""


def file_findings(
    records: SweepRecords, files: SweepFiles, *, front: frozenset[str], driven: bool
) -> list[Finding]:
    """Return every way in which the folders differ from the trials.

    A complete trial has sound weights, unless they were removed for the disk budget. Weights of the
    front are never removed. Every recorded artifact exists. Every folder belongs to a trial.

    Args:
        records: Trials of the ledger.
        files: Files of the folders.
        front: Trials of the Pareto front.
        driven: Whether a driver is running, so that files may be ahead of the ledger.
    """
    known = {trial.trial_id: trial for trial in records.trials}
    findings = [
        _finding(name, "has a folder but is not in the ledger")
        for name in sorted(files.trials.keys() - known.keys())
    ]
    for trial_id, trial in known.items():
        trial_files = files.trials.get(trial_id, TrialFiles())
        messages = [
            *_weights(trial, trial_files, on_front=trial_id in front),
            *_leftovers(trial, trial_files),
        ]
        if not driven:
            messages += _states(trial, trial_files)
        findings += [_finding(trial_id, message) for message in messages]
    findings += [
        Finding(place="ray", subject=name, message="Ray keeps a state that no trial resumes from")
        for name in files.ray_checkpoints
    ]
    return findings


def _weights(trial: TrialRecord, files: TrialFiles, *, on_front: bool) -> Iterator[str]:
    if files.removed and on_front:
        yield "is on the front, but its weights were removed"
    if files.best == "torn":
        yield "its best weights are torn or altered"
    if trial.state != "complete" or files.removed:
        return
    if files.best == "absent":
        yield "is complete, but its best weights are lost"
    missing = sorted(set(trial.artifacts) - files.names)
    if missing:
        yield f"its files {', '.join(missing)} are lost"


def _states(trial: TrialRecord, files: TrialFiles) -> Iterator[str]:
    """Yield the faults of the resume point, which may be ahead of the ledger but not behind it.

    The first one is saved after the first epoch is reported, so one epoch without it is allowed.
    """
    if trial.state not in {"running", "preempted"}:
        return
    if files.last == "torn":
        yield "all its resume points are torn or altered; it would restart"
    elif files.last == "absent" and trial.epochs_done > 1:
        yield f"trained {trial.epochs_done} epochs, but has no resume point"


def _leftovers(trial: TrialRecord, files: TrialFiles) -> Iterator[str]:
    if trial.state == "complete" and files.last != "absent":
        yield "is complete, but still has a resume point"
    unfinished = sorted(name for name in files.names if name.startswith("."))
    if trial.ended and trial.state != "preempted" and unfinished:
        yield f"its folder holds incomplete files: {', '.join(unfinished)}"


def _finding(subject: str, message: str) -> Finding:
    return Finding(place="files", subject=subject, message=message)


def read_files(folder: SweepFolder) -> SweepFiles:
    """Return the files of the trials' folders and of Ray's storage; it reads every checkpoint."""
    trials = folder.trials.iterdir() if folder.trials.is_dir() else ()
    ray = folder.path / "ray"
    return SweepFiles(
        trials={trial.name: _trial(trial) for trial in trials if trial.is_dir()},
        ray_checkpoints=tuple(sorted(str(path.relative_to(ray)) for path in _ray_states(ray))),
    )


def _trial(folder: Path) -> TrialFiles:
    # Reading weights needs torch, which takes seconds to import.
    from trainables.training.checkpoint import best_soundness  # noqa: PLC0415
    from trainables.training.state import last_soundness  # noqa: PLC0415

    return TrialFiles(
        names=frozenset(
            path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
        ),
        best=best_soundness(folder),
        last=last_soundness(folder),
        removed=(folder / REMOVED).is_file(),
    )


def _ray_states(ray: Path) -> Iterator[Path]:
    for path in ray.rglob("*") if ray.is_dir() else ():
        if path.is_file() and path.suffix in {".pt", ".pth", ".safetensors", ".ckpt"}:
            yield path
