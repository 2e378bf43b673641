"""ExecuTorch with XNNPACK's kernels on the processor."""

from __future__ import annotations

from importlib.metadata import version as distribution_version
from typing import TYPE_CHECKING, Any, cast

from trainables.compression.extras import need

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_PURPOSE = "the target executorch-xnnpack"


def version() -> str:
    """Return the library with its version.

    Raises:
        MissingExtraError: it is not installed.
    """
    need("executorch", _PURPOSE)
    return f"executorch {distribution_version('executorch')} xnnpack"


class ExecutorchRunner:
    """A ``.pte`` file; it takes as many images at once as it was made for."""

    def __init__(self, path: Path, threads: int) -> None:
        """Load ``path``; all programs of this process run on ``threads`` threads from now on.

        Raises:
            MissingExtraError: executorch is not installed.
        """
        runtime: Any = need("executorch.runtime", _PURPOSE)
        pool: Any = need("executorch.extension.pybindings.portable_lib", _PURPOSE)
        # ExecuTorch has one pool for the whole process, and no other way to set its size.
        pool._unsafe_reset_threadpool(threads)  # noqa: SLF001
        self.runtime = version()
        self._program = runtime.Runtime.get().load_program(path)
        self._method = self._program.load_method("forward")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``."""
        return cast("Tensor", self._method.execute([images.contiguous()])[0])
