import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.search.schedulers.rungs import rung_epochs


@pytest.mark.parametrize(
    ("grace", "factor", "epochs", "rungs"),
    [(1, 3, 30, (1, 3, 9, 27)), (2, 2, 8, (2, 4)), (5, 3, 5, ()), (1, 1.2, 4, (1, 2, 3))],
)
def test_rungs(grace: int, factor: float, epochs: int, rungs: tuple[int, ...]) -> None:
    found = rung_epochs(grace_period=grace, reduction_factor=factor, max_epochs=epochs)
    assert found == rungs


@given(st.integers(1, 9), st.floats(1.1, 9), st.integers(1, 300))
def test_rungs_rise_from_the_grace_period_and_stay_below_the_end(
    grace: int, factor: float, epochs: int
) -> None:
    rungs = rung_epochs(grace_period=grace, reduction_factor=factor, max_epochs=epochs)
    assert list(rungs) == sorted(set(rungs))
    assert all(grace <= rung < epochs for rung in rungs)
    assert bool(rungs) == (grace < epochs)


@pytest.mark.parametrize(("grace", "factor", "epochs"), [(0, 3, 5), (1, 1, 5), (1, 3, 0)])
def test_impossible_settings_are_refused(grace: int, factor: float, epochs: int) -> None:
    with pytest.raises(ValueError, match=r"at least 1 epoch|above 1"):
        rung_epochs(grace_period=grace, reduction_factor=factor, max_epochs=epochs)
