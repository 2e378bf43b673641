"""PyTorch as the runtime of exported programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import torch

from trainables.formats.program import load_program

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor


class ProgramRunner:
    """A ``.pt2`` file; int8 programs are simulated, slower than float programs."""

    def __init__(self, path: Path) -> None:
        """Load ``path``."""
        self.runtime = f"torch {torch.__version__}"
        self._program = load_program(path)

    def __call__(self, images: Tensor) -> Tensor:
        """Return the logits of ``images``."""
        with torch.inference_mode():
            return cast("Tensor", self._program(images))
