"""ONNX Runtime on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from trainables.io.extras import need

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


def version() -> str:
    """Return the library with its version.

    Raises:
        MissingExtraError: it is not installed.
    """
    return f"onnxruntime {need('onnxruntime', 'the target onnxruntime-cpu').__version__}"


class OnnxRunner:
    """An ONNX file in its own session."""

    def __init__(self, path: Path, threads: int) -> None:
        """Load ``path`` to run on ``threads`` threads.

        Raises:
            MissingExtraError: onnxruntime is not installed.
        """
        library: Any = need("onnxruntime", "the target onnxruntime-cpu")
        options = library.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        # On CPUs without VNNI the fast int8 kernels accumulate in 16 bits, which overflows.
        # Measured errors: a sixth of the largest logit, 3 % of the pixels of a trained model.
        options.add_session_config_entry("session.x64quantprecision", "1")
        self.runtime = version()
        self._session = library.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self._input = self._session.get_inputs()[0].name

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``."""
        return torch.from_numpy(self._session.run(None, {self._input: images.numpy()})[0])
