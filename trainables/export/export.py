"""The artifacts of a finished trial."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.compression.deployed import build_pruned
from trainables.data.transforms import network_inputs
from trainables.export.record import RECORD, Artifact, read_artifacts, record_text
from trainables.export.verify import verify
from trainables.formats.artifact import FORMATS, write_artifact
from trainables.formats.program import PROGRAM, PROGRAM_DIGEST, load_program
from trainables.formats.runtimes.base import ArtifactError
from trainables.formats.runtimes.registry import open_artifact
from trainables.io.atomic import file_digest, write_atomically
from trainables.training.checkpoint import (
    BEST_WEIGHTS,
    CheckpointError,
    load_weights,
)
from trainables.training.finite import NotFiniteError
from trainables.training.results import spread

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor, nn

    from trainables.config import ArtifactFormat
    from trainables.data.dataset import SegmentationDataset

STEM = "model"
"""File name of an artifact without its suffix."""


def export_trial(
    checkpoint: Path,
    formats: Sequence[ArtifactFormat],
    out_dir: Path,
    *,
    val: SegmentationDataset | None = None,
    images: int | None = None,
    begin: Callable[[ArtifactFormat], None] = lambda _: None,
) -> tuple[Artifact, ...]:
    """Return the artifacts of a finished trial, written into ``out_dir`` with their figures.

    They are exported from the model that the objectives were measured on: the int8 or
    half-precision program of a quantized trial, else the best weights without pruned channels. The
    figures are in ``artifacts.json``. A ``.pte`` takes one image at a time. Intact artifacts of the
    same model are not written again, so that an interrupted export resumes.

    Args:
        checkpoint: The trial's ``best.safetensors``, or its folder.
        formats: Any of ``pt2``, ``onnx``, ``pte``.
        out_dir: Created if it is missing.
        val: Validation images at the trial's resolution, on which each artifact is compared with
            the trained model; None skips the comparison.
        images: Number of these images to use, spread over the set, >= 1; None for all.
        begin: Called with each format before its export.

    Raises:
        CheckpointError: the trial's files are missing or torn.
        ValueError: a format is unknown.
        MissingExtraError: an exporter or a runtime is not installed.
        ArtifactError: an artifact cannot be loaded, or its logits are not finite.
    """
    if unknown := [name for name in formats if name not in FORMATS]:
        raise ValueError(f"formats {unknown} are unknown; allowed are {', '.join(FORMATS)}")
    source = file_digest(deployed_file(checkpoint))
    artifacts = {
        name: artifact
        for name, artifact in read_artifacts(out_dir).items()
        if artifact.source == source
        and artifact.is_intact()
        and (val is None or artifact.verification is not None)
    }
    missing = [name for name in formats if name not in artifacts]
    if missing:
        model, config, num_classes = load_deployed(checkpoint)
        out_dir.mkdir(parents=True, exist_ok=True)
        for name in missing:
            begin(name)
            start = time.monotonic()
            artifact = _write(model, config, out_dir / f"{STEM}.{name}", source)
            if val is not None:
                samples = _samples(val, images)
                try:
                    verification = verify(open_artifact(artifact.path), model, samples, num_classes)
                except NotFiniteError as error:
                    artifact.path.unlink()
                    raise ArtifactError(f"{artifact.path.name} is unusable: {error}") from error
                artifact = replace(artifact, verification=verification)
            artifacts[name] = replace(artifact, seconds=time.monotonic() - start)
            ordered = [artifacts[each] for each in FORMATS if each in artifacts]
            write_atomically(out_dir / RECORD, record_text(ordered).encode())
    return tuple(artifacts[name] for name in formats)


def deployed_file(checkpoint: Path) -> Path:
    """Return the file of a trial that its artifacts are exported from.

    Args:
        checkpoint: The trial's ``best.safetensors``, or its folder.

    Raises:
        CheckpointError: the trial has no model.
    """
    path = checkpoint / BEST_WEIGHTS if checkpoint.is_dir() else checkpoint
    program = path.with_name(PROGRAM)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist; only a completed trial has a model")
    return program if program.is_file() else path


def load_deployed(checkpoint: Path) -> tuple[nn.Module, TrialConfig, int]:
    """Return a trial's deployed model in evaluation mode, its configuration, its class count.

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
                f"{program} does not exist: quantization={config.quantization} deploys a program, "
                "which a trial writes when it completes"
            )
        _check_program(program)
        return load_program(program), config, num_classes
    model = build_pruned(config, num_classes)
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit its configuration: {error}") from error
    return model.eval(), config, num_classes


def _check_program(program: Path) -> None:
    """Refuse a program whose digest is not the recorded one."""
    recorded = program.with_name(PROGRAM_DIGEST)
    digest = file_digest(program)
    if recorded.is_file() and recorded.read_text(encoding="ascii") != digest:
        raise CheckpointError(
            f"{program} is not the program that was saved: its SHA-256 is {digest}, not that in "
            f"{recorded.name}"
        )


def _write(model: nn.Module, config: TrialConfig, path: Path, source: str) -> Artifact:
    digest = write_artifact(model, config.resolution, path)
    return Artifact(
        path=path,
        format=path.suffix.removeprefix("."),  # type: ignore[arg-type]
        sha256=digest,
        size_bytes=path.stat().st_size,
        source=source,
        verification=None,
    )


def _samples(val: SegmentationDataset, images: int | None) -> Iterator[tuple[Tensor, Tensor]]:
    for index in spread(len(val), images or len(val)):
        inputs = network_inputs(val.batch([index]))
        yield inputs["image"][0].contiguous(), inputs["mask"][0]
