"""The light of a scene: time of day, weather, haze and sensor noise."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

Colour: TypeAlias = tuple[float, float, float]
"""Red, green, blue, 0 to 255."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Light:
    """Time of day and weather, as they change colours."""

    zenith: Colour
    """Colour of the sky overhead."""
    haze: Colour
    """Colour of the sky at the horizon and of distant objects."""
    tint: Colour
    """Factors of red, green and blue of lit surfaces, about 1."""
    fog: float
    """Share of haze gained per metre, >= 0."""
    sun: int
    """Side of the sun: -1 left, 1 right, 0 behind clouds."""
    clouds: float
    """Cover of the sky, [0, 1]."""
    noise: float
    """Standard deviation of the sensor's noise, in 1/255."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Light:
        """Return a random time of day and weather."""
        mood = _MOODS[int(rng.choice(len(_MOODS), p=_ODDS))]
        zenith, haze, tint, fog, sunny, clouds = mood
        power = rng.uniform(0.8, 1.2)
        shift = rng.normal(0, 0.03, size=3)
        lit = tuple(float(t * power * (1 + s)) for t, s in zip(tint, shift, strict=True))
        return cls(
            zenith=_vary(rng, zenith, 12),
            haze=_vary(rng, haze, 10),
            tint=(lit[0], lit[1], lit[2]),
            fog=fog * rng.uniform(0.6, 1.6),
            sun=int(rng.choice([-1, 1])) if sunny else 0,
            clouds=float(np.clip(clouds + rng.normal(0, 0.15), 0, 1)),
            noise=rng.uniform(1.5, 7.0),
        )

    def shade(self, colour: Colour, z: float, facing: float = 1.0) -> tuple[int, int, int]:
        """Return the colour of a surface of ``colour`` at ``z`` metres.

        ``facing`` scales its light: 1 in the sun, less in the shade.
        """
        veil = 1 - math.exp(-self.fog * z)
        mixed = [
            (1 - veil) * c * t * facing + veil * h
            for c, t, h in zip(colour, self.tint, self.haze, strict=True)
        ]
        red, green, blue = (int(min(max(value, 0), 255)) for value in mixed)
        return red, green, blue

    def shade_field(
        self, colours: NDArray[np.float64], z: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return ``shade`` of colours (H x W x 3) at distances ``z`` (H x W)."""
        veil = 1 - np.exp(-self.fog * np.minimum(z, 1e4))[..., None]
        shaded: NDArray[np.float64] = (1 - veil) * colours * self.tint + veil * self.haze
        return shaded


_MOODS: tuple[tuple[Colour, Colour, Colour, float, bool, float], ...] = (
    ((88, 138, 205), (196, 213, 230), (1.0, 1.0, 0.98), 0.004, True, 0.25),
    ((165, 174, 182), (208, 211, 213), (0.86, 0.88, 0.92), 0.006, False, 0.9),
    ((112, 128, 172), (238, 196, 150), (1.08, 0.93, 0.76), 0.006, True, 0.4),
    ((44, 52, 92), (150, 118, 120), (0.5, 0.5, 0.62), 0.007, False, 0.5),
    ((182, 187, 190), (198, 202, 204), (0.82, 0.84, 0.86), 0.025, False, 1.0),
)
"""Clear noon, overcast, low sun, dusk, fog: zenith, haze, tint, fog, sunny, clouds."""
_ODDS = (0.34, 0.24, 0.2, 0.12, 0.1)


def _vary(rng: np.random.Generator, colour: Colour, spread: float) -> Colour:
    red, green, blue = (float(np.clip(c + rng.normal(0, spread), 0, 255)) for c in colour)
    return red, green, blue
