"""What is known of the artifacts of a trial."""

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
"""Folder of the artifacts below that of their trial."""
RECORD = "artifacts.json"
"""What was written, beside the artifacts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Verification:
    """How an artifact does beside the model it was made from, on the same images."""

    images: int
    """Images that were looked at, >= 1."""
    agreement: float
    """Share of all pixels for which both name the same class, [0, 1]."""
    miou: float
    """Dataset-level mIoU of the artifact over these images, [0, 1]."""
    model_miou: float
    """That of the model."""
    largest_difference: float
    """Largest difference of a logit, >= 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artifact:
    """A file that ships."""

    path: Path
    """Where it lies."""
    format: ArtifactFormat
    """What it is written in."""
    sha256: str
    """Digest of the file, 64 hex digits."""
    size_bytes: int
    """Size of the file, > 0."""
    source: str
    """Digest of the trial's file that it was made from."""
    verification: Verification | None
    """How it compares with the trained model; None where no images were given."""
    seconds: float = 0.0
    """Time that writing and checking it took, >= 0."""

    def to_mapping(self) -> dict[str, object]:
        """Return the artifact as JSON types, its path as a name."""
        return {**asdict(self), "path": self.path.name}

    def is_whole(self) -> bool:
        """Return whether the file is there with the size and the digest that were written down."""
        if not self.path.is_file() or self.path.stat().st_size != self.size_bytes:
            return False
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == self.sha256


def record_text(artifacts: Iterable[Artifact]) -> str:
    """Return the text of ``artifacts.json``."""
    return json.dumps([artifact.to_mapping() for artifact in artifacts], indent=1)


def read_artifacts(folder: Path) -> dict[str, Artifact]:
    """Return the artifacts by format that the record in ``folder`` tells of; none where it is torn.

    Their files are not looked at.
    """
    try:
        facts = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        found = [_artifact(folder, fact) for fact in facts]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}
    return {artifact.format: artifact for artifact in found}


def read_all_artifacts(trials: Path) -> dict[str, tuple[Artifact, ...]]:
    """Return the artifacts of all trials whose folders are in ``trials``, by trial, sorted."""
    folders = sorted(path.parent for path in trials.glob(f"*/{FOLDER}/{RECORD}"))
    return {folder.parent.name: tuple(read_artifacts(folder).values()) for folder in folders}


def _artifact(folder: Path, fact: dict[str, object]) -> Artifact:
    verified = fact["verification"]
    known = Verification(**verified) if isinstance(verified, dict) else None
    path = folder / str(fact["path"])
    return Artifact(**{**fact, "path": path, "verification": known})  # type: ignore[arg-type]
