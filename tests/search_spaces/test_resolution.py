import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.resolution import Resolution

sides = st.integers(1, 4096)


@given(sides, sides)
def test_a_resolution_reads_its_own_text(height: int, width: int) -> None:
    resolution = Resolution(height, width)
    assert Resolution.parse(str(resolution)) == resolution
    assert Resolution.parse([height, width]) == Resolution.parse(resolution) == resolution


@pytest.mark.parametrize("value", [224, "224", "224x224", (224, 224)])
def test_one_number_is_a_square(value: object) -> None:
    assert Resolution.parse(value) == Resolution(224, 224)


@pytest.mark.parametrize("value", [True, 1.5, "x", "96x", "-1x5", "1x2x3", [1], None, "0x5", 0])
def test_anything_else_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="resolution"):
        Resolution.parse(value)


@given(sides, sides, st.sampled_from([8, 16, 32]))
def test_the_nearest_multiples_enclose_the_resolution(height: int, width: int, stride: int) -> None:
    resolution = Resolution(height, width)
    nearest = resolution.nearest(stride)
    assert all(other.divides_by(stride) for other in nearest)
    assert resolution.divides_by(stride) == (nearest == (resolution,))
    assert 0 <= nearest[-1].height - height < stride
    assert 0 <= nearest[-1].width - width < stride
    if len(nearest) == 2:
        assert 0 <= height - nearest[0].height < stride
        assert 0 <= width - nearest[0].width < stride
