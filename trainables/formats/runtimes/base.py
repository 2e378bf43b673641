"""The protocol of all runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class ArtifactRunner(Protocol):
    """A loaded artifact."""

    runtime: str
    """Library with its version."""

    def __call__(self, images: Tensor) -> Tensor:
        """Return logits (N x C x H x W, float32) of ``images`` (N x 3 x H x W, float32)."""


class ArtifactError(RuntimeError):
    """An artifact cannot be loaded or run."""
