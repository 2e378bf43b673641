"""Objects in the street: cars, people, poles and signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trainables.data.synthetic import ids

if TYPE_CHECKING:
    import numpy as np

    from trainables.data.synthetic.camera import Camera
    from trainables.data.synthetic.canvas import Canvas
    from trainables.data.synthetic.light import Colour, Light

_PAINTS: tuple[Colour, ...] = (
    (200, 30, 32),
    (32, 62, 140),
    (228, 228, 230),
    (40, 42, 46),
    (150, 154, 160),
    (92, 98, 104),
    (40, 96, 70),
    (214, 176, 40),
)
_SKINS: tuple[Colour, ...] = ((232, 196, 170), (196, 150, 118), (140, 98, 72), (88, 60, 46))
_SIGNS: tuple[tuple[Colour, Colour], ...] = (
    ((206, 26, 34), (244, 244, 244)),
    ((28, 76, 168), (240, 244, 250)),
    ((246, 206, 40), (30, 30, 30)),
    ((244, 244, 244), (206, 26, 34)),
)
_TYRE: Colour = (22, 22, 24)
_GLASS: Colour = (48, 58, 70)
_STEEL: Colour = (118, 122, 124)


def draw_car(
    canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator, *, x: float, z: float
) -> None:
    """Draw a car seen from behind or in front, its near end at ``z``, its middle at ``x``."""
    half, length = rng.uniform(0.8, 0.98), rng.uniform(3.6, 4.8)
    waist, top = rng.uniform(0.8, 1.0), rng.uniform(1.4, 1.9)
    paint = _PAINTS[int(rng.integers(len(_PAINTS)))]
    scale = camera.scale(z)
    canvas.shadow(camera.project(x, 0, z + 0.4), (1.25 * half * scale, 0.3 * scale), 0.55)
    inner = x - half if x > 0 else x + half
    _draw_flank(canvas, camera, light, (inner, z, length, waist, top), paint)
    for wheel in (x - 0.72 * half, x + 0.72 * half):
        place = camera.project(wheel, 0.28, z)
        canvas.ellipse(place, (0.14 * scale, 0.3 * scale), light.shade(_TYRE, z), ids.CAR)
    body = [(x - half, 0.25), (x + half, 0.25), (x + half, waist), (x - half, waist)]
    cabin = [(x - half, waist), (x + half, waist), (x + 0.76 * half, top), (x - 0.76 * half, top)]
    window = [
        (x - 0.8 * half, waist + 0.06),
        (x + 0.8 * half, waist + 0.06),
        (x + 0.66 * half, top - 0.1),
        (x - 0.66 * half, top - 0.1),
    ]
    for outline, colour, facing in ((cabin, paint, 0.9), (body, paint, 1.0), (window, _GLASS, 1.0)):
        corners = camera.quad([(px, py, z) for px, py in outline])
        canvas.polygon(corners, light.shade(colour, z, facing), ids.CAR)
    lamps: Colour = (214, 24, 28) if x > -0.5 else (250, 244, 210)
    for lamp in (x - 0.78 * half, x + 0.78 * half):
        place = camera.project(lamp, waist - 0.15, z)
        canvas.ellipse(place, (0.12 * scale, 0.08 * scale), light.shade(lamps, z), ids.CAR)
    plate = camera.quad([(x + dx, 0.45 + dy, z) for dx, dy in _corners(0.26, 0.06)])
    canvas.polygon(plate, light.shade((225, 225, 215), z), ids.CAR)


def _draw_flank(
    canvas: Canvas,
    camera: Camera,
    light: Light,
    box: tuple[float, float, float, float, float],
    paint: Colour,
) -> None:
    x, z, length, waist, top = box
    far = z + length
    flank = [(x, 0.25, z), (x, 0.25, far), (x, waist, far), (x, waist, z)]
    canvas.polygon(camera.quad(flank), light.shade(paint, z, 0.72), ids.CAR)
    inset = x * 0.98
    cabin = [
        (x, waist, z),
        (x, waist, far - 0.9),
        (inset, top, far - 1.6),
        (inset, top, z + 0.2),
    ]
    canvas.polygon(camera.quad(cabin), light.shade(_GLASS, z, 0.85), ids.CAR)
    for place in (z + 0.7, far - 0.7):
        radius = 0.3 * camera.scale(place)
        centre = camera.project(x, 0.28, place)
        canvas.ellipse(centre, (radius * 0.5, radius), light.shade(_TYRE, place), ids.CAR)


def draw_person(
    canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator, *, x: float, z: float
) -> None:
    """Draw a standing or walking person at ``x``, ``z``."""
    tall = rng.uniform(1.5, 1.9)
    hip, shoulder, stride = 0.5 * tall, 0.83 * tall, rng.uniform(0.05, 0.32)
    half = rng.uniform(0.2, 0.3)
    scale = camera.scale(z)
    canvas.shadow(camera.project(x, 0, z), (0.5 * scale, 0.1 * scale), 0.4)
    trousers: Colour = tuple(rng.uniform(25, 110, 3))
    jacket: Colour = tuple(rng.uniform(25, 235, 3))
    for foot, dark in ((-stride, 0.85), (stride, 1.0)):
        leg = [(x - 0.12, hip), (x + 0.12, hip), (x + foot + 0.08, 0.0), (x + foot - 0.08, 0.0)]
        corners = camera.quad([(px, py, z) for px, py in leg])
        canvas.polygon(corners, light.shade(trousers, z, dark), ids.PERSON)
    torso = [
        (x - 0.7 * half, hip - 0.05),
        (x + 0.7 * half, hip - 0.05),
        (x + half, shoulder),
        (x - half, shoulder),
    ]
    corners = camera.quad([(px, py, z) for px, py in torso])
    canvas.polygon(corners, light.shade(jacket, z), ids.PERSON)
    for arm in (-1, 1):
        outline = [
            (x + arm * half, shoulder),
            (x + arm * (half + 0.1), shoulder - 0.08),
            (x + arm * (half + 0.06) + stride * 0.5 * arm, hip),
            (x + arm * (half - 0.06) + stride * 0.5 * arm, hip),
        ]
        corners = camera.quad([(px, py, z) for px, py in outline])
        canvas.polygon(corners, light.shade(jacket, z, 0.85), ids.PERSON)
    skin = _SKINS[int(rng.integers(len(_SKINS)))]
    head = camera.project(x, 0.92 * tall, z)
    canvas.ellipse(head, (0.1 * scale, 0.14 * scale), light.shade(skin, z), ids.PERSON)


def draw_lamp(
    canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator, *, x: float, z: float
) -> None:
    """Draw a lamp post at ``x``, ``z`` with its arm over the road."""
    tall, arm = rng.uniform(4.5, 8), rng.uniform(0.8, 2.2) * (-1 if x > 0 else 1)
    _draw_pole(canvas, camera, light, (x, z, tall, rng.uniform(0.07, 0.12)))
    beam = [(x, tall, z), (x + arm, tall + 0.1, z), (x + arm, tall - 0.04, z), (x, tall - 0.14, z)]
    canvas.polygon(camera.quad(beam), light.shade(_STEEL, z, 0.8), ids.POLE)


def draw_sign(
    canvas: Canvas, camera: Camera, light: Light, rng: np.random.Generator, *, x: float, z: float
) -> None:
    """Draw a traffic sign on its pole at ``x``, ``z``."""
    tall, size = rng.uniform(2.2, 3.2), rng.uniform(0.35, 0.6)
    _draw_pole(canvas, camera, light, (x, z, tall, 0.05))
    rim, plate = _SIGNS[int(rng.integers(len(_SIGNS)))]
    shape = rng.integers(3)
    for share, colour in ((1.0, rim), (0.68, plate)):
        shaded = light.shade(colour, z, 1.1)
        reach = size * share
        if shape == 0:
            radius = reach * camera.scale(z)
            canvas.ellipse(camera.project(x, tall, z), (radius, radius), shaded, ids.TRAFFIC_SIGN)
            continue
        outline = [(-reach, -reach * 0.8), (reach, -reach * 0.8), (0.0, reach)]
        if shape == 1:
            outline = _corners(reach, reach * 0.75)
        corners = camera.quad([(x + dx, tall + dy, z) for dx, dy in outline])
        canvas.polygon(corners, shaded, ids.TRAFFIC_SIGN)


def _draw_pole(
    canvas: Canvas, camera: Camera, light: Light, pole: tuple[float, float, float, float]
) -> None:
    x, z, tall, half = pole
    # A pole thinner than a pixel of the finished picture would add noise to the labels.
    half = max(half, 1.0 / camera.scale(z))
    corners = [(x - half, 0.0, z), (x + half, 0.0, z), (x + half, tall, z), (x - half, tall, z)]
    canvas.polygon(camera.quad(corners), light.shade(_STEEL, z, 0.85), ids.POLE)


def _corners(across: float, up: float) -> list[tuple[float, float]]:
    return [(-across, -up), (across, -up), (across, up), (-across, up)]
