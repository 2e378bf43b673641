"""The runtime of each artifact format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.formats.runtimes.base import ArtifactError
from trainables.formats.runtimes.executorch_xnnpack import ExecutorchRunner
from trainables.formats.runtimes.onnxruntime_cpu import OnnxRunner
from trainables.formats.runtimes.torch_program import ProgramRunner

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.formats.runtimes.base import ArtifactRunner


def open_artifact(path: Path, *, threads: int = 1) -> ArtifactRunner:
    """Return the artifact at ``path``, loaded by the runtime of its suffix.

    ``threads`` has no effect on ``.pt2``, which uses torch's threads.

    Raises:
        ValueError: the suffix is not one of ``.pt2``, ``.onnx``, ``.pte``.
        MissingExtraError: the runtime is not installed.
        ArtifactError: the runtime cannot load it.
    """
    if path.suffix not in (".pt2", ".onnx", ".pte"):
        raise ValueError(f"{path.name}: the suffix must be .pt2, .onnx or .pte")
    try:
        if path.suffix == ".pt2":
            return ProgramRunner(path)
        if path.suffix == ".onnx":
            return OnnxRunner(path, threads)
        return ExecutorchRunner(path, threads)
    except ImportError:
        raise
    except Exception as error:
        raise ArtifactError(f"{path} cannot be loaded: {error}") from error
