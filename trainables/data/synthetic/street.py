"""Sky and ground of a scene: road, pavements, verges, markings and shadows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from trainables.data.synthetic import ids

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from trainables.data.synthetic.camera import Camera
    from trainables.data.synthetic.light import Light


@dataclass(frozen=True, kw_only=True, slots=True)
class Street:
    """A cross section of the street, in metres from the camera's line."""

    left: float
    """Left edge of the road, < 0."""
    right: float
    """Right edge of the road, > 0."""
    pavement: float
    """Width of both pavements."""
    verge: float
    """Width of the strips of grass beyond the pavements; 0 for none."""
    crossing: float | None
    """Distance of a zebra crossing; None for none."""
    roughness: float
    """Contrast of the surfaces."""

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Street:
        """Return a random street."""
        lane = rng.uniform(2.7, 3.6)
        return cls(
            left=-lane * rng.uniform(0.5, 1.7),
            right=lane * rng.uniform(0.5, 1.3),
            pavement=rng.uniform(1.4, 4.0),
            verge=rng.uniform(1.0, 6.0) if rng.random() < 0.5 else 0.0,
            crossing=rng.uniform(6, 22) if rng.random() < 0.3 else None,
            roughness=rng.uniform(0.5, 1.5),
        )

    def edge(self, side: int) -> float:
        """Return x of the road's edge on ``side`` (-1 left, 1 right)."""
        return self.right if side > 0 else self.left

    def front(self, side: int) -> float:
        """Return x of the building line on ``side``."""
        return self.edge(side) + side * (self.pavement + self.verge)


def background(
    rng: np.random.Generator, camera: Camera, light: Light, street: Street, step: int
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    """Return colours (H x W x 3, [0, 255]) and labels (H x W) of sky and ground.

    H and W are the camera's height and width over ``step``.
    """
    across, ahead = camera.ground(step)
    below = np.isfinite(ahead)
    colours, labels = _ground(rng, street, across, ahead)
    colours *= _shadows(rng, light, street, across, ahead)[..., None]
    lit = light.shade_field(colours, ahead)
    sky = _sky(rng, light, across.shape, camera.horizon / camera.height)
    return (
        np.where(below[..., None], lit, sky),
        np.where(below, labels, ids.SKY).astype(np.uint8),
    )


def clouds(rng: np.random.Generator, height: int, width: int, cells: int) -> NDArray[np.float64]:
    """Return smooth noise in about [-1, 1] with ``cells`` bumps across, H x W."""
    total = np.zeros((height, width))
    for octave in range(3):
        count = max(2, cells << octave)
        small = rng.normal(0, 1, (max(2, count * height // width), count)).astype(np.float32)
        smooth = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(smooth, dtype=np.float64) / 2 ** (octave + 1)
    return total


def _sky(
    rng: np.random.Generator, light: Light, shape: tuple[int, ...], horizon: float
) -> NDArray[np.float64]:
    height, width = shape
    rows = np.linspace(0, 1, height)[:, None, None] / horizon
    fade = np.clip(rows, 0, 1) ** rng.uniform(0.7, 1.6)
    sky = (1 - fade) * np.array(light.zenith) + fade * np.array(light.haze)
    bumps = clouds(rng, height, width, int(rng.integers(2, 5)))
    cover = np.clip((bumps + 2 * light.clouds - 1) * 0.8, 0, 0.8)[..., None]
    white = np.array(light.haze) * 0.6 + 95.0 * np.array(light.tint)
    covered: NDArray[np.float64] = (1 - cover) * sky + cover * white
    return covered


def _ground(
    rng: np.random.Generator,
    street: Street,
    across: NDArray[np.float64],
    ahead: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.uint8]]:
    height, width = across.shape
    outside = np.maximum(street.left - across, across - street.right)
    labels = np.full((height, width), ids.TERRAIN, dtype=np.uint8)
    labels[outside < street.pavement] = ids.SIDEWALK
    labels[outside < 0] = ids.ROAD
    if not street.verge:
        labels[labels == ids.TERRAIN] = ids.SIDEWALK
    grain = clouds(rng, height, width, 12) * street.roughness
    colours = np.empty((height, width, 3))
    grey = rng.uniform(62, 112)
    asphalt = np.array([grey, grey * rng.uniform(0.97, 1.03), grey * rng.uniform(0.98, 1.08)])
    stone = rng.uniform(118, 172) * np.array([1.0, rng.uniform(0.9, 1.0), rng.uniform(0.8, 1.0)])
    grass = np.array([rng.uniform(70, 135), rng.uniform(105, 150), rng.uniform(40, 70)])
    for label, colour, contrast in (
        (ids.ROAD, asphalt, 0.1),
        (ids.SIDEWALK, stone, 0.08),
        (ids.TERRAIN, grass, 0.22),
    ):
        where = labels == label
        colours[where] = colour * (1 + contrast * grain[where])[:, None]
    _draw_stones(rng, colours, labels == ids.SIDEWALK, across, ahead)
    _draw_markings(rng, street, colours, across, ahead)
    kerb = (np.abs(outside) < 0.12) & np.isfinite(ahead)
    colours[kerb] = stone * rng.uniform(0.75, 1.15)
    return colours, labels


def _draw_stones(
    rng: np.random.Generator,
    colours: NDArray[np.float64],
    where: NDArray[np.bool_],
    across: NDArray[np.float64],
    ahead: NDArray[np.float64],
) -> None:
    side = rng.uniform(0.6, 1.3)
    near = np.where(np.isfinite(ahead), ahead, 0)
    joint = ((across / side) % 1 < 0.08) | ((near / side) % 1 < 0.08)
    colours[where & joint & (near < 18)] *= rng.uniform(0.72, 0.9)


def _draw_markings(
    rng: np.random.Generator,
    street: Street,
    colours: NDArray[np.float64],
    across: NDArray[np.float64],
    ahead: NDArray[np.float64],
) -> None:
    near = np.where(np.isfinite(ahead), ahead, 0)
    middle = rng.uniform(0.6 * street.left, 0.2 * street.right)
    period, paint = rng.uniform(5, 10), rng.uniform(170, 235)
    dashes = (np.abs(across - middle) < 0.09) & ((near + rng.uniform(0, period)) % period < 3.2)
    edges = np.minimum(np.abs(across - street.left - 0.35), np.abs(across - street.right + 0.35))
    lines = dashes | ((edges < 0.07) if rng.random() < 0.6 else False)
    if street.crossing is not None:
        on_road = (across > street.left) & (across < street.right)
        lines |= on_road & (np.abs(near - street.crossing) < 1.6) & (across % 1.0 < 0.5)
    lines &= np.isfinite(ahead)
    colours[lines] = 0.25 * colours[lines] + 0.75 * paint


def _shadows(
    rng: np.random.Generator,
    light: Light,
    street: Street,
    across: NDArray[np.float64],
    ahead: NDArray[np.float64],
) -> NDArray[np.float64]:
    shade = np.ones(across.shape)
    if not light.sun:
        return shade
    # Objects between street and sun cast shadows of varying length on it.
    lengths = rng.uniform(0.0, 7.0, size=24) * (rng.random(24) < 0.75)
    block = np.minimum(np.where(np.isfinite(ahead), ahead, 0) / rng.uniform(4, 9), 23).astype(int)
    distance = (street.front(light.sun) - across) * light.sun
    shade[distance < lengths[block]] = rng.uniform(0.45, 0.65)
    return shade
