"""Jobs of the export worker."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from search_spaces.config import TrialConfig
    from trainables.config import ArtifactFormat, DataConfig, TargetConfig

NEEDS: Mapping[str, tuple[str, ...]] = {
    "pte": ("executorch",),
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "pt2": (),
}
"""Libraries besides torch that write and run each format; the order is that of listings."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportJob:
    """The artifacts of one trial; survives pickling."""

    trial_id: str
    """Identity of the trial."""
    folder: str
    """Folder of the trial."""
    formats: tuple[ArtifactFormat, ...]
    """Formats to export."""
    data: DataConfig
    """The data set."""
    cache_dir: str
    """Folder of decoded images."""
    scored_at: str | None
    """HEIGHTxWIDTH of the validation masks; None for the trial's own resolution."""
    images: int | None
    """Number of validation images for the comparison, >= 1; None for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostJob:
    """The cost of one configuration, with or without a trial; survives pickling."""

    config: TrialConfig
    """The configuration."""
    num_classes: int
    """Number of classes, >= 1."""
    target: TargetConfig
    """Where latency is measured."""
    cache_dir: str
    """Folder of profiles."""
    channels_last: bool
    """Store tensors in NHWC order, as in the training."""


Job: TypeAlias = ExportJob | CostJob


def installed_formats() -> tuple[ArtifactFormat, ...]:
    """Return the formats whose libraries are installed; ``pt2`` needs none."""
    return tuple(name for name in NEEDS if not missing_libraries([name]))  # type: ignore[misc]


def missing_libraries(formats: Sequence[str]) -> tuple[str, ...]:
    """Return the libraries of ``formats`` that are not installed."""
    libraries = dict.fromkeys(library for name in formats for library in NEEDS[name])
    return tuple(name for name in libraries if importlib.util.find_spec(name) is None)
