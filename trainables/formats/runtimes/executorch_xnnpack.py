"""ExecuTorch with XNNPACK's kernels on the processor."""

from __future__ import annotations

import signal
import subprocess
import sys
from importlib.metadata import version as distribution_version
from typing import TYPE_CHECKING, Any, cast

from trainables.compression.extras import need
from trainables.formats.runtimes.base import ArtifactError

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
_REFUSED = "XNN Runtime creation failed"
"""Before the status with which XNNPACK refused a program."""


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
            ArtifactError: XNNPACK refuses it, which is tried in another process.
        """
        runtime: Any = need("executorch.runtime", _PURPOSE)
        pool: Any = need("executorch.extension.pybindings.portable_lib", _PURPOSE)
        _try_loading(path)
        # ExecuTorch has one pool for the whole process, and no other way to set its size.
        pool._unsafe_reset_threadpool(threads)  # noqa: SLF001
        self.runtime = version()
        self._program = runtime.Runtime.get().load_program(path)
        self._method = self._program.load_method("forward")

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``."""
        return cast("Tensor", self._method.execute([images.contiguous()])[0])


def _try_loading(path: Path) -> None:
    """Load ``path`` in a process of its own, as what XNNPACK refuses may end the one that loads.

    Why it refuses is written to that process's standard error and told nowhere else. Any other
    error that Python would see is left to the load in this process.

    Source: executorch 1.5 frees a refused delegate's memory twice.
    """
    done = subprocess.run(  # noqa: S603 - this interpreter, with a path as its argument
        [sys.executable, "-c", _LOAD, str(path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        timeout=_LOAD_SECONDS,
        check=False,
    )
    said = [line.split("] ")[-1] for line in done.stderr.splitlines() if _REFUSED in line]
    if done.returncode < 0:
        reason = said[0] if said else "no reason given"
        name = signal.Signals(-done.returncode).name
        raise ArtifactError(f"XNNPACK refuses it, and executorch ends with {name}: {reason}")
    if done.returncode and said:
        raise ArtifactError(f"XNNPACK refuses it: {said[0]}")
