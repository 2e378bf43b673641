from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.data.synthetic import ids
from trainables.data.synthetic.camera import Camera
from trainables.data.synthetic.light import Light
from trainables.data.synthetic.street import Street, background, clouds


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 1000))
def test_the_ground_is_labelled_by_its_distance_from_the_road(seed: int) -> None:
    rng = np.random.default_rng(seed)
    camera, light, street = Camera.draw(rng, 60, 80), Light.draw(rng), Street.draw(rng)
    colours, labels = background(rng, camera, light, street, 1)
    across, ahead = camera.ground(1)
    assert (labels[np.isinf(ahead)] == ids.SKY).all()
    ground = np.isfinite(ahead)
    on_road = (across > street.left) & (across < street.right) & ground
    assert (labels[on_road] == ids.ROAD).all()
    assert np.isfinite(colours).all()
    assert ((labels == ids.TERRAIN).any() and street.verge > 0) or street.verge >= 0


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 1000), st.sampled_from([-1, 1]))
def test_houses_are_beyond_the_pavement(seed: int, side: int) -> None:
    street = Street.draw(np.random.default_rng(seed))
    assert street.left < 0 < street.right
    assert (street.front(side) - street.edge(side)) * side >= street.pavement - 1e-9


def test_clouds_are_smooth() -> None:
    field = clouds(np.random.default_rng(0), 64, 96, 3)
    assert field.shape == (64, 96)
    assert np.abs(np.diff(field, axis=1)).mean() < 0.25 * field.std()
