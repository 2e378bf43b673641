from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import TrialConfig
from trainables.compression.stages import Stage, stages


@pytest.mark.parametrize(
    ("config", "epochs", "expected"),
    [
        ({}, 10, []),
        ({"quantization": "ptq_int8"}, 10, []),
        ({"pruning": "structured", "pruning_when": "before"}, 10, [Stage("prune", 0)]),
        ({"pruning": "unstructured"}, 10, [Stage("prune", 5)]),
        ({"pruning": "structured"}, 1, [Stage("prune", 0)]),
        ({"quantization": "qat_int8"}, 10, [Stage("quantize", 8)]),
        ({"quantization": "qat_int8"}, 1, [Stage("quantize", 0)]),
        (
            {"quantization": "qat_int8", "pruning": "structured"},
            2,
            [Stage("prune", 1), Stage("quantize", 1)],
        ),
    ],
)
def test_stages_are_at_the_configured_epochs(
    config: dict[str, object], epochs: int, expected: list[Stage]
) -> None:
    assert list(stages(TrialConfig.from_mapping(config), epochs)) == expected


@given(epochs=st.integers(1, 500), when=st.sampled_from(["before", "halfway"]))
def test_pruning_comes_first_and_every_stage_leaves_an_epoch(epochs: int, when: str) -> None:
    config = {"quantization": "qat_int8", "pruning": "structured", "pruning_when": when}
    changes = stages(TrialConfig.from_mapping(config), epochs)
    assert [stage.kind for stage in changes] == ["prune", "quantize"]
    assert 0 <= changes[0].after_epoch <= changes[1].after_epoch < epochs
