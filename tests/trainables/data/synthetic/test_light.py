from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.synthetic.light import Light

LIGHTS = st.integers(0, 1000).map(lambda seed: Light.draw(np.random.default_rng(seed)))
COLOURS = st.tuples(*[st.floats(0, 255)] * 3)


@settings(deadline=None, max_examples=50)
@given(LIGHTS, COLOURS)
def test_distant_surfaces_have_the_colour_of_haze(
    light: Light, colour: tuple[float, float, float]
) -> None:
    assert light.shade(colour, 1e6) == tuple(int(value) for value in light.haze)


@settings(deadline=None, max_examples=50)
@given(LIGHTS, COLOURS, st.floats(0, 200))
def test_the_shade_is_darker_and_colours_stay_in_range(
    light: Light, colour: tuple[float, float, float], z: float
) -> None:
    lit, shaded = light.shade(colour, z), light.shade(colour, z, 0.5)
    assert all(0 <= dark <= bright <= 255 for dark, bright in zip(shaded, lit, strict=True))


@settings(deadline=None, max_examples=50)
@given(LIGHTS, COLOURS, st.floats(0, 200))
def test_a_field_is_shaded_as_its_points_are(
    light: Light, colour: tuple[float, float, float], z: float
) -> None:
    field = light.shade_field(np.array([[colour]]), np.array([[z]]))[0, 0]
    clipped = np.clip(field, 0, 255)
    assert np.abs(clipped - np.array(light.shade(colour, z))).max() <= 1
