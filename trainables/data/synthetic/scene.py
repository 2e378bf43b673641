"""One generated street scene: a picture with its labels."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from trainables.data.synthetic import ids
from trainables.data.synthetic.backdrop import draw_building, draw_skyline, draw_tree
from trainables.data.synthetic.camera import Camera
from trainables.data.synthetic.canvas import Canvas
from trainables.data.synthetic.light import Light
from trainables.data.synthetic.street import Street, background, clouds
from trainables.data.synthetic.things import draw_car, draw_lamp, draw_person, draw_sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

OVERSAMPLING = 2
"""Canvas pixels per pixel of the finished picture, on each axis."""

_GRAIN = {ids.ROAD: 0.05, ids.SIDEWALK: 0.05, ids.BUILDING: 0.06, ids.SKY: 0.0}
_GRAIN |= {ids.VEGETATION: 0.24, ids.TERRAIN: 0.14}


def draw_scene(
    rng: np.random.Generator, height: int, width: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return a picture (H x W x 3, RGB) and its Cityscapes ids (H x W), both uint8.

    Camera, street, weather and objects are drawn from ``rng``. Objects are painted from far to
    near, so near ones occlude far ones in picture and labels.
    """
    camera = Camera.draw(rng, height * OVERSAMPLING, width * OVERSAMPLING)
    light, street = Light.draw(rng), Street.draw(rng)
    canvas = Canvas(*background(rng, camera, light, street, OVERSAMPLING), OVERSAMPLING)
    draw_skyline(canvas, camera, light, rng)
    for _, draw in sorted(_contents(rng, street), key=lambda item: -item[0]):
        draw(canvas, camera, light, rng)
    if rng.random() < 0.3:
        _draw_bonnet(canvas, camera, light, rng)
    picture, labels = canvas.finish(OVERSAMPLING)
    return _expose(rng, light, _textured(rng, picture, labels)), labels


def _contents(rng: np.random.Generator, street: Street) -> list[tuple[float, Callable[..., None]]]:
    objects: list[tuple[float, Callable[..., None]]] = []
    for side in (-1, 1):
        built = rng.uniform(0.45, 0.95)
        objects += _houses(rng, street, side, built)
        kerb, front = street.edge(side) + side * 0.4, street.front(side)
        between = partial(rng.uniform, *sorted((kerb + side * 0.4, front - side * 0.2)))
        for draw, most, nearest, farthest, place in (
            (draw_tree, 5, 5, 60, lambda s=side, f=front: f - s * rng.uniform(0.2, 1.2)),
            (draw_lamp, 3, 5, 45, lambda k=kerb: k),
            (draw_sign, 3, 5, 28, lambda k=kerb: k),
            (draw_person, 4, 4.5, 26, between),
        ):
            for _ in range(int(rng.integers(0, most + 1))):
                z = rng.uniform(nearest, farthest)
                objects.append((z, partial(draw, x=place(), z=z)))
    objects += _traffic(rng, street)
    return objects


def _houses(
    rng: np.random.Generator, street: Street, side: int, built: float
) -> list[tuple[float, Callable[..., None]]]:
    objects: list[tuple[float, Callable[..., None]]] = []
    z = rng.uniform(-6, 6)
    while z < 110:
        end = z + rng.uniform(7, 20)
        if end > 4:
            x = street.front(side) + side * rng.uniform(0, 1.5)
            if rng.random() < built:
                draw = partial(draw_building, x=x, side=side, start=z, end=end)
                objects.append((end, draw))
            else:
                for _ in range(4):
                    place = rng.uniform(max(z, 4.0), end)
                    inside = x + side * rng.uniform(0.5, 7)
                    objects.append((place, partial(draw_tree, x=inside, z=place)))
        z = end + (rng.uniform(0, 5) if rng.random() < 0.5 else 0)
    return objects


def _traffic(rng: np.random.Generator, street: Street) -> list[tuple[float, Callable[..., None]]]:
    objects: list[tuple[float, Callable[..., None]]] = []
    lanes = [street.right * 0.45, street.left * 0.5]
    parked = [street.left + 1.05, street.right - 1.05]
    for lane, chance in ((lanes[0], 0.6), (lanes[1], 0.7), (parked[0], 0.6), (parked[1], 0.6)):
        z = rng.uniform(5, 14)
        while z < 60:
            if rng.random() < chance * 0.6:
                objects.append((z, partial(draw_car, x=lane + rng.normal(0, 0.12), z=z)))
            z += rng.uniform(6.0, 14)
    if rng.random() < 0.35:
        z = rng.uniform(7, 20)
        x = rng.uniform(street.left, street.right)
        objects.append((z, partial(draw_person, x=x, z=z)))
    return objects


def _draw_bonnet(canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator) -> None:
    rise, colour = rng.uniform(0.05, 0.11) * camera.height, tuple(rng.uniform(20, 190, 3))
    centre = (camera.width * rng.uniform(0.45, 0.55), camera.height + 0.4 * rise)
    shaded = light.shade((colour[0], colour[1], colour[2]), 0)
    canvas.ellipse(centre, (camera.width * 0.55, 1.4 * rise), shaded, ids.EGO_VEHICLE)


def _textured(
    rng: np.random.Generator, picture: NDArray[np.float64], labels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    height, width = labels.shape
    table = np.full(256, 0.03)
    for label, contrast in _GRAIN.items():
        table[label] = contrast
    grain = 0.6 * rng.normal(0, 1, (height, width)) + clouds(rng, height, width, 32)
    # Bright pixels are mostly distant and hazy, where textures fade as colours do.
    depth = np.minimum(picture, 255 - picture) * (table[labels] * grain)[..., None]
    return np.clip(picture + depth, 0, 255)


def _expose(
    rng: np.random.Generator, light: Light, picture: NDArray[np.float64]
) -> NDArray[np.uint8]:
    height, width, _ = picture.shape
    rows, columns = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    vignette = 1 - rng.uniform(0, 0.22) * (rows**2 + columns**2) / 2
    gamma, gain = rng.uniform(0.85, 1.2), rng.uniform(0.9, 1.1)
    exposed = 255 * (picture * vignette[..., None] / 255) ** gamma * gain
    noisy = exposed + rng.normal(0, light.noise, picture.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
