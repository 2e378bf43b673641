from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.synthetic.camera import Camera

SEEDS = st.integers(0, 1000)


@settings(deadline=None, max_examples=50)
@given(SEEDS, st.floats(-5, 5), st.floats(3, 40))
def test_farther_points_are_nearer_to_the_horizon(seed: int, x: float, z: float) -> None:
    camera = Camera.draw(np.random.default_rng(seed), 100, 150)
    rows = [camera.project(x, 0, distance)[1] for distance in (z, 2 * z, 4 * z)]
    assert rows[0] > rows[1] > rows[2] > camera.horizon
    assert camera.scale(z) > camera.scale(2 * z)


@settings(deadline=None, max_examples=50)
@given(SEEDS)
def test_the_ground_under_a_pixel_projects_back_to_it(seed: int) -> None:
    camera = Camera.draw(np.random.default_rng(seed), 100, 150)
    across, ahead = camera.ground(2)
    assert across.shape == ahead.shape == (50, 75)
    for row, column in ((49, 10), (40, 60)):
        place = camera.project(float(across[row, column]), 0, float(ahead[row, column]))
        assert np.allclose(place, ((column + 0.5) * 2, (row + 0.5) * 2))


def test_there_is_no_ground_above_the_horizon() -> None:
    camera = Camera.draw(np.random.default_rng(0), 100, 150)
    across, ahead = camera.ground(1)
    assert np.isinf(ahead[0]).all()
    assert np.isfinite(across).all()
