import pickle
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_spaces.config import FIELD_NAMES, TrialConfig, config_faults
from search_spaces.fields import ACTIVE_WHERE, FIELDS, FILLED
from search_spaces.resolution import Resolution

COMBINATIONS = st.fixed_dictionaries(
    {},
    optional={
        "arch": st.sampled_from(["deeplabv3", "deeplabv3plus", "lraspp"]),
        "backbone": st.sampled_from(["resnet18", "mobilenet_v2", "mobilenet_v3_large"]),
        "output_stride": st.sampled_from([8, 16, 32]),
        "resolution": st.sampled_from(["64x96", "224", "96x128", [32, 64], 320]),
        "learning_rate": st.floats(1e-6, 1.0),
        "optimizer": st.sampled_from(["adamw", "sgd"]),
        "schedule": st.sampled_from(["constant", "step", "cosine", "poly"]),
        "distill_alpha": st.floats(0, 1),
        "dropout": st.floats(0, 1, exclude_max=True),
        "batch_size": st.integers(1, 64),
    },
)


def test_the_fields_are_those_of_the_configuration() -> None:
    assert tuple(FIELDS) == FIELD_NAMES
    assert set(FILLED) == set(ACTIVE_WHERE)


def test_the_default_configuration_is_valid() -> None:
    assert config_faults(TrialConfig().to_mapping()) == []


@given(COMBINATIONS)
def test_a_configuration_survives_a_round_trip(mapping: dict[str, object]) -> None:
    config = TrialConfig.from_mapping(mapping)
    assert TrialConfig.from_mapping(config.to_mapping()) == config
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301


@given(COMBINATIONS)
def test_a_field_holds_a_value_exactly_where_it_is_active(mapping: dict[str, object]) -> None:
    config = TrialConfig.from_mapping(mapping)
    for name, when in ACTIVE_WHERE.items():
        assert (getattr(config, name) is not None) == when.holds(config.to_mapping())


@pytest.mark.parametrize(
    ("given", "field", "value"),
    [
        ({"backbone": "mobilenet_v3_large"}, "last_expansion", True),
        ({"backbone": "resnet18"}, "last_expansion", None),
        ({"arch": "deeplabv3plus"}, "decoder_convs", 1),
        ({"arch": "deeplabv3"}, "decoder_convs", None),
        ({}, "output_stride", 16),
        ({"arch": "deconvnet"}, "output_stride", None),
        ({"arch": "smp/Unet"}, "output_stride", None),
        ({"arch": "smp/Unet"}, "width", None),
        ({"arch": "smp/Unet"}, "last_expansion", None),
        ({"arch": "smp/Unet", "backbone": "timm/resnet18.a1_in1k"}, "dropout", 0.1),
        ({"backbone": "mobilenet_v2"}, "width", 1.0),
        ({"backbone": "mobilenet_v2", "width": "0.5"}, "width", 0.5),
        ({"backbone": "resnet18"}, "width", None),
        ({"optimizer": "sgd"}, "momentum", 0.9),
        ({"distill_alpha": 0.5}, "temperature", 2.0),
        ({"schedule": "step"}, "schedule_step_epochs", 30),
        ({"resolution": 64}, "resolution", Resolution(64, 64)),
        ({"resolution": [64, 96]}, "resolution", Resolution(64, 96)),
        ({"learning_rate": "1e-4"}, "learning_rate", 1e-4),
        ({"weight_decay": 0}, "weight_decay", 0.0),
        ({"batch_size": 4.0}, "batch_size", 4),
        ({"output_stride": "32"}, "output_stride", 32),
        ({"momentum": None}, "momentum", None),
    ],
)
def test_missing_and_differently_written_values_are_read(
    given: dict[str, object], field: str, value: object
) -> None:
    found = getattr(TrialConfig.from_mapping(given), field)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"archh": "deeplabv3"}, "archh: unknown field 'archh'; did you mean 'arch'?"),
        ({"arch": "unet"}, "arch: 'unet' is not one of deeplabv3, deeplabv3plus"),
        ({"backbone": "mobilenetv2"}, "did you mean 'mobilenet_v2'?"),
        ({"backbone": "timm/../x"}, "is not one of resnet50"),
        ({"backbone": "timm/resnet18"}, "goes with an arch smp/... only, not deeplabv3plus"),
        ({"arch": "lraspp", "backbone": "vgg16"}, "vgg16 pools where lraspp needs strides"),
        ({"backbone": "resnet18", "width": 0.5}, "width: 0.5 applies only where backbone is"),
        ({"width": 0}, "width: 0 is not a number in [0.1, 2]"),
        ({"arch": "deconvnet", "output_stride": 16}, "applies only where arch is deeplabv3"),
        (
            {"arch": "deconvnet", "backbone": "vgg16", "resolution": 64, "pruning": "structured"},
            "whose decoder unpools each channel",
        ),
        ({"arch": "deconvnet", "resolution": 48}, "nearest allowed: 32x32 or 64x64"),
        ({"last_expansion": 1}, "last_expansion: 1 is not true or false"),
        ({"output_stride": 4}, "output_stride: 4 is not one of 8, 16, 32"),
        ({"output_stride": True}, "output_stride: True is not"),
        ({"resolution": "wide"}, "resolution: 'wide' is no resolution"),
        ({"resolution": "0x32"}, "positive sides"),
        ({"resolution": "97x128"}, "nearest allowed: 96x128 or 112x128"),
        ({"arch": "smp/PAN", "resolution": "96x128"}, "which needs 128 pixels on both sides"),
        ({"resolution": 7}, "nearest allowed: 16x16"),
        ({"dropout": 1.0}, "dropout: 1.0 is not a number in [0, 1)"),
        ({"dropout": float("nan")}, "dropout: nan is not"),
        ({"batch_size": 0}, "batch_size: 0 is not a whole number >= 1"),
        ({"batch_size": 2.5}, "batch_size: 2.5 is not a whole number"),
        ({"learning_rate": "fast"}, "learning_rate: 'fast' is not a number > 0"),
        ({"learning_rate": float("inf")}, "learning_rate: inf is not"),
        ({"learning_rate": [0.1]}, "learning_rate: [0.1] is not a number"),
        ({"momentum": 0.9}, "momentum: 0.9 applies only where optimizer is sgd"),
        ({"arch": "deeplabv3", "decoder_convs": 1}, "only where arch is deeplabv3plus"),
        ({"backbone": "resnet50", "last_expansion": False}, "last_expansion: False applies only"),
        ({"schedule_step_epochs": 3}, "applies only where schedule is step"),
        ({"distill_alpha": 0.0, "temperature": 2}, "where distill_alpha is above 0"),
        ({"pruning_ratio": 0.5}, "where pruning is structured or unstructured"),
        (
            {"quantization": "dynamic_int8"},
            "not available in this version yet; available: none, fp",
        ),
        ({"pruning_ratio": 0.5}, "pruning_ratio: 0.5 applies only where pruning is structured"),
        (
            {"pruning": "unstructured", "pruning_importance": "taylor"},
            "applies only where pruning is structured",
        ),
    ],
)
def test_a_fault_has_the_given_and_the_allowed_values(
    given: dict[str, object], expected: str
) -> None:
    found = config_faults(given)
    assert len(found) == 1
    assert expected in found[0]
    assert found[0].startswith(f"{list(given)[-1]}: ")
    with pytest.raises(ValueError, match=re.escape(found[0])):
        TrialConfig.from_mapping(given)


def test_all_faults_are_named_at_once() -> None:
    config = {"arch": "x", "batch_size": -1, "momentum": 0.9, "resolution": 97, "speed": 3}
    names = [fault.split(":")[0] for fault in config_faults(config)]
    assert sorted(names) == sorted(config)


def test_an_invalid_parent_hides_faults_of_its_children() -> None:
    assert [f.split(":")[0] for f in config_faults({"optimizer": "sdg", "momentum": 0.9})] == [
        "optimizer"
    ]


def test_the_constructor_and_the_parser_refuse_alike() -> None:
    with pytest.raises(ValueError, match=r"momentum: 0\.9 applies only"):
        TrialConfig(optimizer="adamw", momentum=0.9)


def test_only_builtin_architectures_are_pruned_by_channels() -> None:
    config = {"arch": "smp/Unet", "backbone": "resnet18"}
    assert config_faults({**config, "pruning": "unstructured"}) == []
    (fault,) = config_faults({**config, "pruning": "structured"})
    assert fault.startswith("pruning: structured goes with deeplabv3, deeplabv3plus, lraspp")
    assert config_faults({"arch": "deconvnet", "pruning": "structured"}) == []
