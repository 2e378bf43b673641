import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import FIELD_NAMES, TrialConfig, config_faults
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt, Value
from search_spaces.fields import ACTIVE_WHERE, FIELDS, FILLED, ChoiceField
from search_spaces.joint import Choice, JointChoices, TeacherIdentity, choices_faults, joint_space
from search_spaces.resolution import Resolution
from search_spaces.space import config_digest
from search_spaces.vocabulary import PRUNINGS

SEEDS = st.integers(0, 2**32 - 1)
TEACHER = TeacherIdentity(arch="deeplabv3", backbone="resnet50", output_stride=16)
EVERYTHING = JointChoices(
    arch=Categorical("deeplabv3", "deeplabv3plus", "lraspp", "deconvnet", "smp/Segformer"),
    backbone=Categorical("resnet50", "resnet18", "mobilenet_v2", "mobilenet_v3_small"),
    last_expansion=Categorical(True, False),
    width=Float(0.25, 1.0),
    output_stride=Categorical(8, 16, 32),
    decoder_convs=Categorical(1, 2),
    resolution=Categorical("64x96", "96x128"),
    dropout=Float(0.0, 0.5),
    batch_size=LogInt(4, 32),
    learning_rate=LogFloat(1e-4, 1e-2),
    optimizer=Categorical("adamw", "sgd"),
    momentum=Float(0.8, 0.99),
    schedule=Categorical("constant", "step", "poly"),
    schedule_step_epochs=Int(1, 30),
    distill_alpha=Categorical(0.0, 0.5),
    temperature=Float(1.0, 8.0),
)


def some(*values: Value) -> st.SearchStrategy[Choice]:
    """One of ``values`` for all configurations, or all of them to choose from."""
    return st.sampled_from([*values, Categorical(*values)])


CHOICES = st.builds(
    JointChoices,
    arch=some("deeplabv3", "deeplabv3plus"),
    backbone=some("resnet50", "resnet18", "mobilenet_v3_large"),
    optimizer=some("adamw", "sgd"),
    schedule=some("poly", "step"),
    output_stride=some(8, 16),
    distill_alpha=some(0.0, 0.5),
)


@given(CHOICES, st.sampled_from([None, TEACHER]), SEEDS)
def test_every_sample_is_a_valid_complete_configuration(
    choices: JointChoices, teacher: TeacherIdentity | None, seed: int
) -> None:
    config = joint_space(choices, teacher=teacher).sample(np.random.default_rng(seed))
    assert config_faults(config) == []
    typed = TrialConfig.from_mapping(config)
    distill = {"distill_alpha"} if "distill_alpha" not in config else set()
    assert set(typed.to_mapping()) == set(config) | distill
    assert typed.distill_alpha == config.get("distill_alpha", 0.0)


@settings(max_examples=100)
@given(SEEDS)
def test_a_dimension_is_absent_exactly_where_its_condition_is_false(seed: int) -> None:
    config = joint_space(EVERYTHING, teacher=TEACHER).sample(np.random.default_rng(seed))
    for name, when in ACTIVE_WHERE.items():
        assert (name in config) == when.holds(config)
    itself = (config["arch"], config["backbone"], config.get("output_stride"))
    assert ("distill_alpha" in config) == (itself != ("deeplabv3", "resnet50", 16))


@given(SEEDS)
def test_the_typed_value_keeps_the_digest(seed: int) -> None:
    config = joint_space(EVERYTHING, teacher=TEACHER).sample(np.random.default_rng(seed))
    again = TrialConfig.from_mapping(config).to_mapping()
    if "distill_alpha" not in config:
        del again["distill_alpha"]
    assert config_digest(again) == config_digest(config)


def test_choices_default_to_the_default_configuration() -> None:
    assert tuple(f.name for f in dataclasses.fields(JointChoices)) == FIELD_NAMES
    (config,) = joint_space(JointChoices()).points()
    assert TrialConfig.from_mapping(config) == TrialConfig()
    defaults = JointChoices()
    assert {name: getattr(defaults, name) for name in FILLED} == FILLED


def test_a_dimension_with_one_value_is_not_searched() -> None:
    space = joint_space(JointChoices(batch_size=Categorical(4, 8), dropout=Float(0.2, 0.2)))
    assert space.searched == ("batch_size",)
    assert space.fixed["dropout"] == 0.2
    assert space.count() == 2


def test_a_dimension_that_is_never_active_is_left_out() -> None:
    space = joint_space(JointChoices(arch="deconvnet", backbone="resnet18"))
    assert set(ACTIVE_WHERE).isdisjoint(space.names)
    assert "distill_alpha" not in space.names


def test_without_a_teacher_there_is_no_distillation() -> None:
    assert {"distill_alpha", "temperature"}.isdisjoint(joint_space(EVERYTHING).names)
    no_soft = dataclasses.replace(EVERYTHING, distill_alpha=0.0)
    assert "temperature" not in joint_space(no_soft, teacher=TEACHER).names


def test_a_teacher_differs_from_a_network_without_last_expansion() -> None:
    teacher = TeacherIdentity(arch="deeplabv3plus", backbone="mobilenet_v3_large", output_stride=16)
    choices = JointChoices(
        backbone="mobilenet_v3_large", last_expansion=Categorical(True, False), decoder_convs=1
    )
    points = list(joint_space(choices, teacher=teacher).points())
    assert {p["last_expansion"]: "distill_alpha" in p for p in points} == {True: False, False: True}


def test_a_teacher_without_an_output_stride_is_recognized() -> None:
    teacher = TeacherIdentity(arch="deconvnet", backbone="resnet18", output_stride=16)
    assert (teacher.output_stride, teacher.width, teacher.decoder_convs) == (None, None, None)
    choices = JointChoices(
        arch=Categorical("lraspp", "deconvnet"), backbone="resnet18", resolution="64x64"
    )
    points = list(joint_space(choices, teacher=teacher).points())
    assert {p["arch"]: "distill_alpha" in p for p in points} == {"lraspp": True, "deconvnet": False}


def test_a_space_of_the_teacher_alone_has_no_distillation() -> None:
    choices = JointChoices(arch="deeplabv3", backbone="resnet50", output_stride=16)
    assert "distill_alpha" not in joint_space(choices, teacher=TEACHER).names


def test_pruning_adds_its_dimensions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FIELDS, "pruning", ChoiceField(PRUNINGS))
    choices = JointChoices(
        pruning=Categorical(*PRUNINGS),
        pruning_ratio=Categorical(0.25, 0.5),
        pruning_importance=Categorical("magnitude", "taylor", "bn_scale"),
    )
    points = list(joint_space(choices).points())
    by_kind = {kind: [p for p in points if p["pruning"] == kind] for kind in PRUNINGS}
    assert {kind: len(found) for kind, found in by_kind.items()} == {
        "none": 1,
        "structured": 6,
        "unstructured": 2,
    }
    assert all(config_faults(point) == [] for point in points)
    assert all("pruning_importance" not in p for p in by_kind["unstructured"])
    assert all("pruning_when" in p for p in by_kind["structured"])


def test_the_count_considers_conditions() -> None:
    choices = JointChoices(
        arch=Categorical("deeplabv3", "deeplabv3plus"),
        backbone=Categorical("resnet18", "mobilenet_v3_small"),
        last_expansion=Categorical(True, False),
        decoder_convs=Categorical(1, 2),
    )
    assert joint_space(choices).count() == (1 + 2) * (1 + 2)
    assert math.isinf(joint_space(EVERYTHING).count())


@pytest.mark.parametrize(
    ("choices", "path", "expected"),
    [
        (JointChoices(arch="unet"), "arch", "is not one of deeplabv3, deeplabv3plus"),
        (JointChoices(backbone=Categorical("resnet18", "vgg")), "backbone", "'vgg' is not one of"),
        (JointChoices(backbone=Categorical("resnet18", "vgg16")), "backbone", "vgg16 pools where"),
        (
            JointChoices(arch=Categorical("smp/Unet", "lraspp"), backbone="timm/resnet18"),
            "backbone",
            "goes with an arch smp/... only, not lraspp",
        ),
        (
            JointChoices(
                arch="deconvnet",
                backbone=Categorical("resnet18", "vgg16"),
                resolution="64x64",
                pruning=Categorical("none", "structured"),
            ),
            "pruning",
            "does not go with vgg16",
        ),
        (
            JointChoices(arch=Categorical("lraspp", "deconvnet"), resolution="48x48"),
            "resolution",
            "48x48 does not fit an output stride of 32",
        ),
        (
            JointChoices(arch=Float(0, 1)),
            "arch",
            "takes no range; give a list of items, each one of",
        ),
        (JointChoices(batch_size=Float(4, 8)), "batch_size", "whole numbers as bounds"),
        (JointChoices(dropout=Float(0, 1)), "dropout", "1 is not a number in [0, 1)"),
        (JointChoices(learning_rate=Float(0, 1)), "learning_rate", "0 is not a number > 0"),
        (
            JointChoices(quantization="dynamic_int8"),
            "quantization",
            "not available in this version",
        ),
        (JointChoices(resolution=Categorical(96, "96x96")), "resolution", "must differ"),
        (
            JointChoices(resolution=Categorical("96x128", "80x96"), output_stride=32),
            "resolution",
            "80x96 does not fit an output stride of 32",
        ),
    ],
)
def test_an_invalid_choice_is_named(choices: JointChoices, path: str, expected: str) -> None:
    (fault,) = choices_faults(choices)
    assert fault.path == path
    assert expected in fault.message
    with pytest.raises(ValueError, match=path):
        joint_space(choices)


def test_resolutions_are_normalized() -> None:
    choices = JointChoices(resolution=Categorical(64, "96x128", "32"))
    assert joint_space(choices)["resolution"].domain == Categorical("64x64", "96x128", "32x32")
    fixed = JointChoices(resolution=Resolution(96, 128))
    assert joint_space(fixed).fixed["resolution"] == "96x128"
