from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.capacity.resources import ResourceError, Resources, gpus_per_worker, plan_lanes

cores = st.integers(1, 64)


@pytest.mark.parametrize(
    ("resources", "cpus", "gpus", "lanes"),
    [
        (Resources(), 2, 0, 2),
        (Resources(train_workers=2), 2, 0, 1),
        (Resources(cpus_per_worker=0.5), 2, 0, 4),
        (Resources(lanes=1), 8, 0, 1),
        (Resources(), 16, 4, 4),
        (Resources(gpus_per_worker=0), 16, 4, 16),
        (Resources(gpus_per_worker=0.5), 16, 4, 8),
        (Resources(gpus_per_worker=0.6), 16, 4, 4),
        (Resources(gpus_per_worker=0.1), 64, 1, 10),
        (Resources(gpus_per_worker=2, train_workers=2), 64, 8, 2),
        (Resources(cpus_per_worker=4), 16, 8, 4),
    ],
)
def test_numbers_of_lanes_of_examples(
    resources: Resources, cpus: float, gpus: float, lanes: int
) -> None:
    assert plan_lanes(resources, available_cpus=cpus, available_gpus=gpus) == lanes


@pytest.mark.parametrize(
    ("resources", "gpus"),
    [
        (Resources(train_workers=3), 0),
        (Resources(lanes=3), 0),
        (Resources(gpus_per_worker=1), 0),
        (Resources(gpus_per_worker=2), 1),
    ],
)
def test_lanes_that_do_not_fit_are_refused_with_settings_to_change(
    resources: Resources, gpus: float
) -> None:
    with pytest.raises(ResourceError, match=r"lower resources\.lanes") as caught:
        plan_lanes(resources, available_cpus=2, available_gpus=gpus)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301
    assert str(again) == str(caught.value)


def test_unset_gpus_are_one_where_available() -> None:
    assert gpus_per_worker(Resources(), available_gpus=0) == 0
    assert gpus_per_worker(Resources(), available_gpus=3) == 1
    assert gpus_per_worker(Resources(gpus_per_worker=0), available_gpus=3) == 0


@given(cpus=cores, gpus=st.integers(0, 16), workers=st.integers(1, 4), each=st.integers(1, 8))
def test_planned_lanes_fit_and_no_further_one_does(
    cpus: int, gpus: int, workers: int, each: int
) -> None:
    resources = Resources(train_workers=workers, cpus_per_worker=each)
    share = gpus_per_worker(resources, available_gpus=gpus)
    try:
        lanes = plan_lanes(resources, available_cpus=cpus, available_gpus=gpus)
    except ResourceError:
        lanes = 0
    assert lanes * workers * each <= cpus
    assert lanes * workers * share <= gpus
    more = lanes + 1
    assert more * workers * each > cpus or more * workers * share > gpus
