"""A pinhole camera on a street, which projects metres to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point: TypeAlias = tuple[float, float]

NEAR = 1.5
"""Least distance of drawn objects, metres."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Camera:
    """Looks along the street; x to the right, y up from the ground, z ahead, all in metres."""

    width: int
    """Width of the canvas, pixels."""
    height: int
    """Height of the canvas, pixels."""
    focal: float
    """Focal length, pixels."""
    centre: float
    """Column of the vanishing point, pixels."""
    horizon: float
    """Row of the horizon, pixels."""
    above: float
    """Height of the lens above the ground, metres."""
    bend: float
    """Curvature of the street: metres to the right per squared metre ahead."""

    @classmethod
    def draw(cls, rng: np.random.Generator, height: int, width: int) -> Camera:
        """Return a random camera for a canvas of ``height`` x ``width`` pixels."""
        return cls(
            width=width,
            height=height,
            focal=width * rng.uniform(0.62, 0.85),
            centre=width * rng.uniform(0.38, 0.62),
            horizon=height * rng.uniform(0.4, 0.52),
            above=rng.uniform(1.3, 2.1),
            bend=rng.normal(0, 0.0016),
        )

    def project(self, x: float, y: float, z: float) -> Point:
        """Return column and row of the point (x, y, z), z at least ``NEAR``."""
        z = max(z, NEAR)
        column = self.centre + self.focal * (x + self.bend * z * z) / z
        return column, self.horizon + self.focal * (self.above - y) / z

    def quad(self, corners: list[tuple[float, float, float]]) -> list[Point]:
        """Return the projected ``corners`` of a surface."""
        return [self.project(*corner) for corner in corners]

    def scale(self, z: float) -> float:
        """Return the pixels per metre at distance ``z``."""
        return self.focal / max(z, NEAR)

    def ground(self, step: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and z, in metres, of the ground in every block of ``step`` x ``step`` pixels.

        Both have one entry per block, ``height // step`` x ``width // step``; z is infinite at the
        horizon and above.
        """
        rows = (np.arange(self.height // step, dtype=np.float64)[:, None] + 0.5) * step
        columns = (np.arange(self.width // step, dtype=np.float64)[None, :] + 0.5) * step
        below = np.maximum(rows - self.horizon, 0.0)
        with np.errstate(divide="ignore"):
            ahead = self.focal * self.above / below
        limited = np.minimum(ahead, 1e4)
        across = (columns - self.centre) * limited / self.focal - self.bend * limited**2
        return across, np.broadcast_to(ahead, across.shape)
