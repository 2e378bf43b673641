"""The artifacts of a finished trial."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.artifacts.formats import FORMATS, write_artifact
from trainables.artifacts.program import PROGRAM, load_program
from trainables.artifacts.verify import Verification, verify
from trainables.compression.deployed import build_pruned
from trainables.cost.runtimes.registry import open_artifact
from trainables.training.checkpoint import (
    BEST_WEIGHTS,
    CheckpointError,
    load_weights,
    write_atomically,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from trainables.config import ArtifactFormat
    from trainables.data.dataset import SegmentationDataset

ARTIFACTS = "artifacts.json"
"""What was written, beside the artifacts."""
STEM = "model"
"""Name of an artifact without its suffix."""


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
    verification: Verification | None
    """How it compares with the trained model; None where no images were given."""


def export_trial(
    checkpoint: Path,
    formats: Sequence[ArtifactFormat],
    out_dir: Path,
    *,
    val: SegmentationDataset | None = None,
    images: int | None = None,
) -> tuple[Artifact, ...]:
    """Return the artifacts of a finished trial, written into ``out_dir`` with their figures.

    They are made of what the trial's objectives were measured on: the int8 or half-precision
    program of a quantized trial, else its best weights, pruned channels gone. Beside them
    ``artifacts.json`` keeps the figures. A ``.pte`` takes one image at a time.

    Args:
        checkpoint: The trial's ``best.safetensors``, or its folder.
        formats: Any of ``pt2``, ``onnx``, ``pte``.
        out_dir: Made if it is not there; files of the same names are replaced.
        val: Validation images at the trial's resolution, on which each artifact is compared with
            the trained model; None does not compare.
        images: Use the first so many of them, >= 1; None for all.

    Raises:
        CheckpointError: the trial's files are missing or torn.
        ValueError: a format is unknown.
        MissingExtraError: an exporter or a runtime is not installed.
        ArtifactError: an artifact cannot be loaded.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ValueError(f"formats {unknown} are unknown; allowed are {', '.join(FORMATS)}")
    model, config, num_classes = load_deployed(checkpoint)
    out_dir.mkdir(parents=True, exist_ok=True)
    made = []
    for name in formats:
        path = out_dir / f"{STEM}.{name}"
        digest = write_artifact(model, config.resolution, path)
        found = None
        if val is not None:
            found = verify(open_artifact(path), model, _samples(val, images), num_classes)
        size = path.stat().st_size
        made.append(
            Artifact(path=path, format=name, sha256=digest, size_bytes=size, verification=found)
        )
    facts = [{**asdict(artifact), "path": artifact.path.name} for artifact in made]
    write_atomically(out_dir / ARTIFACTS, json.dumps(facts, indent=1).encode())
    return tuple(made)


def load_deployed(checkpoint: Path) -> tuple[nn.Module, TrialConfig, int]:
    """Return what ships of a trial in evaluation mode, its configuration, its number of classes.

    Args:
        checkpoint: The trial's ``best.safetensors``, or its folder.

    Raises:
        CheckpointError: files are missing or torn, or do not fit each other.
        MissingExtraError: the model is pruned or int8, and a library is not installed.
    """
    path = checkpoint / BEST_WEIGHTS if checkpoint.is_dir() else checkpoint
    weights, facts = load_weights(path)
    config = TrialConfig.from_mapping(facts["config"])
    num_classes = len(facts["class_names"])
    if config.quantization != "none":
        program = path.with_name(PROGRAM)
        if not program.is_file():
            raise CheckpointError(
                f"{program} is not there: quantization={config.quantization} ships a program that "
                "a trial writes when it is complete"
            )
        return load_program(program), config, num_classes
    model = build_pruned(config, num_classes)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit its configuration: {error}") from error
    return model.eval(), config, num_classes


def _samples(val: SegmentationDataset, images: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    for index in range(min(len(val), images or len(val))):
        sample = val[index]
        yield sample["image"], sample["mask"]
