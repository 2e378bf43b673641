"""Packing of a trained model into files that predict without this package."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from trainables.data.transforms import IMAGENET_MEAN, IMAGENET_STD
from trainables.formats.program import save_program
from trainables.inference import predictor
from trainables.inference.predictor import DESCRIPTION, PROGRAM
from trainables.io.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trainables.inference.trained import TrainedModel

PREDICTOR = "predictor.py"
"""The code that runs a packed model, beside it."""
_MB = 10**6


@dataclass(frozen=True, kw_only=True, slots=True)
class PackedModel:
    """The files of a deployable model."""

    folder: Path
    """Folder of program, description and predictor."""
    digest: str
    """SHA-256 of the program."""
    size_mb: float
    """Size of the program, MB (10^6 bytes) as trials report it, > 0."""
    description: Mapping[str, Any]
    """Content of ``model.json``."""


def pack(trained: TrainedModel, folder: Path, facts: Mapping[str, Any]) -> PackedModel:
    """Write ``trained`` into ``folder`` and return the packed model.

    The program is a ``torch.export`` archive of plain tensors and a graph of torch's operators. So
    nothing is unpickled on load, and int8 models need no further library. The batch size is
    dynamic, the size of the images is fixed.

    Args:
        trained: The model.
        folder: Created if it is missing.
        facts: Further entries of the description, as JSON types: sweep, trial, costs, ...
    """
    folder.mkdir(parents=True, exist_ok=True)
    resolution = trained.config.resolution
    program = folder / PROGRAM
    digest = save_program(trained.module, resolution, program, plain=True)
    description = {
        **facts,
        "format": 1,
        "class_names": list(trained.class_names),
        "resolution": [resolution.height, resolution.width],
        "preprocessing": {
            "colour": "RGB",
            "resize": "stretched to the resolution, antialiased bilinear",
            "scale": 1 / 255,
            "mean": list(IMAGENET_MEAN),
            "std": list(IMAGENET_STD),
        },
        "ignore_index": 255,
        "config": trained.config.to_mapping(),
        "weights_sha256": trained.digest,
        "program_sha256": digest,
    }
    text = json.dumps(description, indent=2, sort_keys=True)
    write_atomically(folder / DESCRIPTION, text.encode())
    shutil.copyfile(predictor.__file__, folder / PREDICTOR)
    return PackedModel(
        folder=folder,
        digest=digest,
        size_mb=program.stat().st_size / _MB,
        description=description,
    )
