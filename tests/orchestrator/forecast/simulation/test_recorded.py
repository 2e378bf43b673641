from __future__ import annotations

import numpy as np
import pytest

from orchestrator.forecast.simulation import Benchmark
from orchestrator.forecast.simulation.recorded import Recorded, Recording, camvid


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    return camvid()


def test_a_recording_survives_the_way_through_text(recorded: Recorded) -> None:
    again = Recording.read(recorded.recording.to_json())
    assert again.configs == recorded.recording.configs
    np.testing.assert_array_equal(again.miou, recorded.recording.miou)
    assert again.space == recorded.recording.space


@pytest.mark.slow
def test_it_is_a_benchmark_whose_trials_lie_in_its_space(recorded: Recorded) -> None:
    assert isinstance(recorded, Benchmark)
    searched = {dimension.name for dimension in recorded.space}
    for config in recorded.recording.configs:
        active = {name: value for name, value in config.items() if name in searched}
        assert recorded.space.faults(active) == []


@pytest.mark.slow
def test_what_was_recorded_is_nearly_what_it_says(recorded: Recorded) -> None:
    said = np.array([recorded.final(config) for config in recorded.recording.configs])
    seen = recorded.recording.miou[:, -1]
    assert float(np.corrcoef(said, seen)[0, 1]) > 0.9
    config = recorded.recording.configs[0]
    values, seconds = recorded.curve(config, 1)
    assert values.shape == seconds.shape == (recorded.max_epochs,)
    assert (np.diff(seconds) > 0).all()
    assert (values == recorded.curve(config, 1)[0]).all()
    assert recorded.known(config)["flops"] <= recorded.reference_point["flops"]
