"""ExecuTorch with XNNPACK's kernels on the CPU."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import version as distribution_version
from typing import TYPE_CHECKING, Any, cast

from trainables.formats.runtimes.base import ArtifactError
from trainables.io.extras import need

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

_PURPOSE = "the target executorch-xnnpack"
_LOAD = """
import sys
from executorch.runtime import Runtime
Runtime.get().load_program(sys.argv[1]).load_method("forward")
"""
_LOAD_SECONDS = 600
_REJECTED = "XNN Runtime creation failed"
"""Text that precedes the status with which XNNPACK rejects a program."""


def version() -> str:
    """Return the library with its version.

    Raises:
        MissingExtraError: it is not installed.
    """
    need("executorch", _PURPOSE)
    return f"executorch {distribution_version('executorch')} xnnpack"


class ExecutorchRunner:
    """A ``.pte`` file; its batch size is fixed."""

    def __init__(self, path: Path, threads: int) -> None:
        """Load ``path``; all programs of this process then run on ``threads`` threads.

        Raises:
            MissingExtraError: executorch is not installed.
            ArtifactError: XNNPACK rejects it, which another process tests first.
        """
        runtime: Any = need("executorch.runtime", _PURPOSE)
        pool: Any = need("executorch.extension.pybindings.portable_lib", _PURPOSE)
        _try_loading(path)
        # ExecuTorch has one thread pool per process, and this is the only way to set its size.
        pool._unsafe_reset_threadpool(threads)  # noqa: SLF001
        self.runtime = version()
        self._program = runtime.Runtime.get().load_program(path)
        self._method = self._program.load_method("forward")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``."""
        return cast("Tensor", self._method.execute([images.contiguous()])[0])


def _try_loading(path: Path) -> None:
    """Load ``path`` in a separate process first: a program that XNNPACK rejects may crash it.

    executorch 1.5 frees a rejected delegate's memory twice. The reason appears only on the standard
    error of that process. Other errors are raised by the load in this process.
    """
    process = subprocess.run(  # noqa: S603 - this interpreter, with a path as its argument
        [sys.executable, "-c", _LOAD, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=_LOAD_SECONDS,
        check=False,
    )
    reasons = [line.split("] ")[-1] for line in process.stderr.splitlines() if _REJECTED in line]
    if process.returncode < 0:
        reason = reasons[0] if reasons else "no reason given"
        name = signal.Signals(-process.returncode).name
        raise ArtifactError(f"XNNPACK rejects it, and executorch ends with {name}: {reason}")
    if process.returncode and reasons:
        raise ArtifactError(f"XNNPACK rejects it: {reasons[0]}")
