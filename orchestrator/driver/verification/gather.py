"""What lies in a sweep's folder, read for comparison."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.driver.retention import REMOVED
from orchestrator.driver.verification.files import SweepFiles, TrialFiles

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.ledger.folders import SweepFolder


def read_files(folder: SweepFolder) -> SweepFiles:
    """Return what lies in the trials' folders and in Ray's; every checkpoint is read whole."""
    trials = folder.trials.iterdir() if folder.trials.is_dir() else ()
    ray = folder.path / "ray"
    return SweepFiles(
        trials={each.name: _trial(each) for each in trials if each.is_dir()},
        ray_checkpoints=tuple(sorted(str(path.relative_to(ray)) for path in _states(ray))),
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


def _states(ray: Path) -> Iterator[Path]:
    for path in ray.rglob("*") if ray.is_dir() else ():
        if path.is_file() and path.suffix in {".pt", ".pth", ".safetensors", ".ckpt"}:
            yield path
