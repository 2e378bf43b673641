from __future__ import annotations

import json

import pytest

from search_spaces.config import COMMON, TrialConfig
from trainables.models.shape import SHAPING_FIELDS, cost_shape, dense_architecture, shape_key


def key(**settings: object) -> str:
    return shape_key(TrialConfig.from_mapping(settings))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"quantization": "ptq_int8"}, {"quantization": "qat_int8"}),
        ({}, {"pruning": "unstructured", "pruning_ratio": 0.5}),
        ({"learning_rate": 0.1}, {"learning_rate": 0.2, "batch_size": 4, "dropout": 0.0}),
        (
            {"pruning": "structured", "pruning_ratio": 0.5, "pruning_importance": "magnitude"},
            {"pruning": "structured", "pruning_ratio": 0.5, "pruning_importance": "bn_scale"},
        ),
    ],
)
def test_configurations_of_equal_cost_have_one_key(
    one: dict[str, object], other: dict[str, object]
) -> None:
    assert key(**one) == key(**other)


@pytest.mark.parametrize(
    "settings",
    [
        {"quantization": "fp16"},
        {"quantization": "ptq_int8"},
        {"resolution": "64x64"},
        {"backbone": "resnet18"},
        {"pruning": "structured", "pruning_ratio": 0.5},
    ],
)
def test_configurations_of_other_cost_have_other_keys(settings: dict[str, object]) -> None:
    assert key(**settings) != key()


def test_a_key_is_json_of_the_shaping_fields() -> None:
    config = TrialConfig(arch="lraspp")
    assert json.loads(shape_key(config)) == cost_shape(config)
    assert tuple(cost_shape(config)) == SHAPING_FIELDS


def test_the_dense_architecture_has_no_compression_and_a_common_resolution() -> None:
    config = TrialConfig.from_mapping(
        {
            "arch": "lraspp",
            "width": 0.5,
            "resolution": "64x96",
            "quantization": "ptq_int8",
            "pruning": "structured",
            "pruning_ratio": 0.5,
        }
    )
    expected = TrialConfig.from_mapping({"arch": "lraspp", "width": 0.5, "resolution": str(COMMON)})
    assert dense_architecture(config) == expected
