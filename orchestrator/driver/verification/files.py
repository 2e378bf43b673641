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
    """What lies in a trial's folder."""

    names: frozenset[str] = frozenset()
    """Files, relative to the folder."""
    best: Soundness = "absent"
    """The best epoch's weights, held against their digests."""
    last: Soundness = "absent"
    """The newest state to go on from that can be used; ``torn`` where there are only torn ones."""
    removed: bool = False
    """Whether the weights were removed to keep within the disk budget."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepFiles:
    """What lies in a sweep's folder."""

    trials: Mapping[str, TrialFiles] = field(default_factory=dict)
    """By the folder's name."""
    ray_checkpoints: tuple[str, ...] = ()
    """Files below Ray's own storage that hold a trial's state, which belongs into its folder."""


def file_findings(
    records: SweepRecords, files: SweepFiles, *, front: frozenset[str], driven: bool
) -> list[Finding]:
    """Return every way in which the folders differ from the trials.

    A trial that is complete has sound weights, unless they were removed for the disk budget, which
    never happens to one on the front; what a trial names as its files is there; no folder belongs
    to a trial that does not exist.

    Args:
        records: The trials as the ledger has them.
        files: The folders.
        front: The trials on the Pareto front.
        driven: Whether a driver is at work, so that files may be ahead of the ledger.
    """
    known = {trial.trial_id: trial for trial in records.trials}
    found = [
        _finding(name, "has a folder but is not in the ledger")
        for name in sorted(files.trials.keys() - known.keys())
    ]
    for trial_id, trial in known.items():
        its = files.trials.get(trial_id, TrialFiles())
        messages = [*_weights(trial, its, on_front=trial_id in front), *_leftovers(trial, its)]
        if not driven:
            messages += _states(trial, its)
        found += [_finding(trial_id, message) for message in messages]
    found += [
        Finding(place="ray", subject=name, message="Ray keeps a state that no trial resumes from")
        for name in files.ray_checkpoints
    ]
    return found


def _weights(trial: TrialRecord, its: TrialFiles, *, on_front: bool) -> Iterator[str]:
    if its.removed and on_front:
        yield "is on the front, but its weights were removed"
    if its.best == "torn":
        yield "its best weights are torn or altered"
    if trial.state != "complete" or its.removed:
        return
    if its.best == "absent":
        yield "is complete, but its best weights are lost"
    missing = sorted(set(trial.artifacts) - its.names)
    if missing:
        yield f"its files {', '.join(missing)} are lost"


def _states(trial: TrialRecord, its: TrialFiles) -> Iterator[str]:
    """Yield what is wrong with the state to go on from; it may be ahead of the ledger, not behind.

    The first state is saved after the first epoch is told, so one epoch without it may be.
    """
    if trial.state not in {"running", "preempted"}:
        return
    if its.last == "torn":
        yield "all its resume points are torn or altered; it would restart"
    elif its.last == "absent" and trial.epochs_done > 1:
        yield f"trained {trial.epochs_done} epochs, but has no state to go on from"


def _leftovers(trial: TrialRecord, its: TrialFiles) -> Iterator[str]:
    if trial.state == "complete" and its.last != "absent":
        yield "is complete, but still has a state to go on from"
    unfinished = sorted(name for name in its.names if name.startswith("."))
    if trial.ended and trial.state != "preempted" and unfinished:
        yield f"its folder holds half-written files: {', '.join(unfinished)}"


def _finding(subject: str, message: str) -> Finding:
    return Finding(place="files", subject=subject, message=message)


def read_files(folder: SweepFolder) -> SweepFiles:
    """Return what lies in the trials' folders and in Ray's; every checkpoint is read whole."""
    trials = folder.trials.iterdir() if folder.trials.is_dir() else ()
    ray = folder.path / "ray"
    return SweepFiles(
        trials={each.name: _trial(each) for each in trials if each.is_dir()},
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
