"""Buildings and trees along the street, and a distant skyline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.data.synthetic import ids
from trainables.data.synthetic.camera import NEAR

if TYPE_CHECKING:
    import numpy as np

    from trainables.data.synthetic.camera import Camera
    from trainables.data.synthetic.canvas import Canvas
    from trainables.data.synthetic.light import Colour, Light

_WALLS: tuple[Colour, ...] = (
    (178, 92, 72),
    (202, 184, 150),
    (158, 154, 150),
    (222, 216, 204),
    (136, 112, 96),
    (196, 160, 104),
    (120, 134, 150),
    (208, 172, 156),
)


def draw_skyline(canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator) -> None:
    """Draw houses and trees along the horizon, 130 m away."""
    z, column = 130.0, 0.0
    while column < camera.width:
        width = rng.uniform(0.03, 0.12) * camera.width
        height = rng.uniform(2.5, 22) * camera.scale(z)
        bottom = camera.horizon + 2
        corners = [
            (column, bottom),
            (column + width, bottom),
            (column + width, bottom - height),
            (column, bottom - height),
        ]
        if rng.random() < 0.55:
            colour = light.shade(_WALLS[int(rng.integers(len(_WALLS)))], z)
            canvas.polygon(corners, colour, ids.BUILDING)
        else:
            centre = (column + width / 2, bottom - height * 0.3)
            colour = light.shade((70, 100, 55), z)
            canvas.ellipse(centre, (width * 0.6, height * 0.6), colour, ids.VEGETATION)
        column += width


def draw_building(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
    *,
    x: float,
    side: int,
    start: float,
    end: float,
) -> None:
    """Draw a house at the building line ``x`` from ``start`` to ``end`` metres ahead."""
    near = max(start, NEAR)
    floors = int(rng.integers(2, 8))
    height = floors * rng.uniform(2.8, 3.4) + 0.8
    wall = _WALLS[int(rng.integers(len(_WALLS)))]
    # The sun lights the walls on the opposite side of the street.
    facing = 1.0 if light.sun == 0 else (1.12 if light.sun != side else 0.62)
    facing *= rng.uniform(0.88, 1.08)
    deep = x + side * rng.uniform(6, 14)
    gable = [(x, 0.0, near), (deep, 0.0, near), (deep, height, near), (x, height, near)]
    canvas.polygon(camera.quad(gable), light.shade(wall, near, facing * 0.8), ids.BUILDING)
    facade = [(x, 0.0, near), (x, 0.0, end), (x, height, end), (x, height, near)]
    middle = (near + end) / 2
    canvas.polygon(camera.quad(facade), light.shade(wall, middle, facing), ids.BUILDING)
    if rng.random() < 0.4:
        base = [(x, 0.0, near), (x, 0.0, end), (x, 1.0, end), (x, 1.0, near)]
        canvas.polygon(camera.quad(base), light.shade(wall, middle, facing * 0.7), ids.BUILDING)
    _draw_windows(canvas, camera, light, rng, (x, near, end, height, floors, facing))


def _draw_windows(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
    wall: tuple[float, float, float, float, int, float],
) -> None:
    x, near, end, height, floors, facing = wall
    step = rng.uniform(1.8, 3.2)
    share = rng.uniform(0.4, 0.65)
    glass: Colour = (70, 84, 100) if rng.random() < 0.7 else (150, 170, 190)
    lamps = light.tint[1] < 0.65
    storey = (height - 0.8) / floors
    for floor in range(floors):
        low = 0.8 + floor * storey + 0.2 * storey
        z = near + 0.5
        while z + step * share < end:
            lit = lamps and rng.random() < 0.4
            corners = [
                (x, low, z),
                (x, low, z + step * share),
                (x, low + 0.55 * storey, z + step * share),
                (x, low + 0.55 * storey, z),
            ]
            colour = (244, 214, 140) if lit else light.shade(glass, z, facing)
            canvas.polygon(camera.quad(corners), colour, ids.BUILDING)
            z += step


def draw_tree(
    canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator, *, x: float, z: float
) -> None:
    """Draw a tree with its trunk at ``x``, ``z``."""
    trunk, leaves = rng.uniform(1.2, 2.6), rng.uniform(1.2, 2.6)
    half = rng.uniform(0.1, 0.22)
    if rng.random() < 0.2:
        trunk, leaves = 0.3, rng.uniform(0.6, 1.1)
    canvas.shadow(camera.project(x, 0, z), (leaves * camera.scale(z), 0.2 * camera.scale(z)), 0.3)
    stem = [(x - half, 0.0, z), (x + half, 0.0, z), (x + half, trunk + 0.5, z)]
    stem.append((x - half, trunk + 0.5, z))
    canvas.polygon(camera.quad(stem), light.shade((92, 70, 52), z), ids.VEGETATION)
    green: Colour = (rng.uniform(50, 125), rng.uniform(88, 135), rng.uniform(30, 62))
    for _ in range(16 if z < 40 else 8):
        dx, dy = rng.normal(0, 0.42, 2) * leaves
        place = camera.project(x + dx, trunk + leaves + dy, z)
        size = leaves * rng.uniform(0.3, 0.6) * camera.scale(z)
        bright = 0.85 + 0.3 * dy / leaves - 0.15 * light.sun * -dx / leaves + rng.normal(0, 0.08)
        colour = light.shade(green, z, float(bright))
        canvas.ellipse(place, (size, size * rng.uniform(0.7, 1.0)), colour, ids.VEGETATION)
