"""The record of a trial's artifacts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from trainables.config import ArtifactFormat

FOLDER = "artifacts"
"""Folder of the artifacts in the folder of their trial."""
RECORD = "artifacts.json"
"""File of the record, beside the artifacts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """Comparison of an artifact with the model it was exported from, on the same images."""

    images: int
    """Number of images, >= 1."""
    agreement: float
    """Share of all pixels for which both predict the same class, [0, 1]."""
    miou: float
    """Dataset-level mIoU of the artifact over these images, [0, 1]."""
    model_miou: float
    """Dataset-level mIoU of the model over these images, [0, 1]."""
    largest_difference: float
    """Largest absolute difference of a logit, >= 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A model file for deployment."""

    path: Path
    """The file."""
    format: ArtifactFormat
    """Its format."""
    sha256: str
    """Digest of the file, 64 hex digits."""
    size_bytes: int
    """Size of the file, > 0."""
    source: str
    """Digest of the trial's file that it was exported from."""
    verification: Verification | None
    """Comparison with the trained model; None without images."""
    seconds: float = 0.0
    """Time that writing and checking it took, s, >= 0."""

    def to_mapping(self) -> dict[str, object]:
        """Return the artifact as JSON types, with the name of its file as the path."""
        return {**asdict(self), "path": self.path.name}

    def is_intact(self) -> bool:
        """Whether the file exists with the recorded size and digest."""
        if not self.path.is_file() or self.path.stat().st_size != self.size_bytes:
            return False
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def record_text(artifacts: Iterable[Artifact]) -> str:
    """Return the text of ``artifacts.json``."""
    return json.dumps([artifact.to_mapping() for artifact in artifacts], indent=1)


def read_artifacts(folder: Path) -> dict[str, Artifact]:
    """Return the artifacts by format from the record in ``folder``; none where it is unreadable.

    Their files are not checked.
    """
    try:
        facts = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        artifacts = [_artifact(folder, fact) for fact in facts]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {artifact.format: artifact for artifact in artifacts}


def read_all_artifacts(trials: Path) -> dict[str, tuple[Artifact, ...]]:
    """Return the artifacts of all trials with folders in ``trials``, by trial, sorted."""
    folders = sorted(path.parent for path in trials.glob(f"*/{FOLDER}/{RECORD}"))
    return {folder.parent.name: tuple(read_artifacts(folder).values()) for folder in folders}


def _artifact(folder: Path, fact: dict[str, object]) -> Artifact:
    values = fact["verification"]
    verification = Verification(**values) if isinstance(values, dict) else None
    path = folder / str(fact["path"])
    return Artifact(**{**fact, "path": path, "verification": verification})  # type: ignore[arg-type]
