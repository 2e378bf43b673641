"""What a process that writes artifacts is asked for."""

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
"""Libraries beside torch that write and run each format, in the order formats are listed in."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportJob:
    """The artifacts of one trial; survives pickling."""

    trial_id: str
    """Identity of the trial."""
    folder: str
    """Folder of the trial."""
    formats: tuple[ArtifactFormat, ...]
    """What is to be there."""
    data: DataConfig
    """The data set."""
    cache_dir: str
    """Folder of decoded images."""
    scored_at: str | None
    """HEIGHTxWIDTH of the validation masks; None takes the trial's own resolution."""
    images: int | None
    """Validation images to compare on, >= 1; None for all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CostJob:
    """The cost of one configuration that no trial may have had; survives pickling."""

    config: TrialConfig
    """The configuration."""
    num_classes: int
    """Number of classes, >= 1."""
    target: TargetConfig
    """Where latency is measured."""
    cache_dir: str
    """Folder of profiles."""
    channels_last: bool
    """As in the training."""


Job: TypeAlias = ExportJob | CostJob


def installed_formats() -> tuple[ArtifactFormat, ...]:
    """Return the formats whose libraries are installed; ``pt2`` always is."""
    return tuple(name for name in NEEDS if not missing_libraries([name]))  # type: ignore[misc]


def missing_libraries(formats: Sequence[str]) -> tuple[str, ...]:
    """Return the libraries that ``formats`` need and that are not installed."""
    wanted = dict.fromkeys(library for name in formats for library in NEEDS[name])
    return tuple(name for name in wanted if importlib.util.find_spec(name) is None)
