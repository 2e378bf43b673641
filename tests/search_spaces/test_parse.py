import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from search_spaces.config import config_faults
from search_spaces.describe import describe_space
from search_spaces.domains import Categorical, Float, Int, LogFloat, LogInt
from search_spaces.joint import TeacherIdentity, joint_space
from search_spaces.parse import parse_space
from search_spaces.presets import PRESETS

TEACHER = TeacherIdentity(arch="deeplabv3", backbone="resnet50", output_stride=16)
SPEC = """
arch: [deeplabv3, deeplabv3plus]
backbone: [resnet50, mobilenet_v3_small]
last_expansion: [true, false]
output_stride: [16, 32]
resolution: [96x128, 64]
learning_rate: {low: 1e-4, high: 1e-2, log: true}
batch_size: {low: 4, high: 16}
schedule_step_epochs: {low: 1, high: 30, log: true}
schedule: [step, poly]
dropout: {low: 0, high: 0.5}
weight_decay: 1e-4
distill_alpha: [0, 0.5]
temperature: 4
"""


def faults_of(text: str, *, teacher: TeacherIdentity | None = None) -> dict[str, str]:
    """Faults of a space in YAML by their paths."""
    space, found = parse_space(yaml.safe_load(text), teacher=teacher)
    assert (space is None) == bool(found)
    assert len({fault.path for fault in found}) == len(found)
    return {fault.path: fault.message for fault in found}


def test_every_form_of_a_domain_is_read() -> None:
    space, found = parse_space(yaml.safe_load(SPEC), teacher=TEACHER)
    assert found == []
    assert space is not None
    assert space["learning_rate"].domain == LogFloat(1e-4, 1e-2)
    assert space["batch_size"].domain == Int(4, 16)
    assert space["schedule_step_epochs"].domain == LogInt(1, 30)
    assert space["dropout"].domain == Float(0.0, 0.5)
    assert space["resolution"].domain == Categorical("96x128", "64x64")
    assert space["distill_alpha"].domain == Categorical(0.0, 0.5)
    assert space.fixed["weight_decay"] == 1e-4
    assert space["temperature"].domain == Categorical(4.0)
    assert "temperature" not in space.searched
    assert "learning_rate" in space.searched
    assert space.fixed["optimizer"] == "adamw"


@settings(max_examples=50)
@given(st.integers(0, 2**32 - 1))
def test_samples_of_a_parsed_space_are_valid(seed: int) -> None:
    space, _ = parse_space(yaml.safe_load(SPEC), teacher=TEACHER)
    assert space is not None
    config = space.sample(np.random.default_rng(seed))
    assert config_faults(config) == []
    assert space.faults(config) == []


@pytest.mark.parametrize("name", PRESETS)
def test_other_keys_override_a_preset(name: str) -> None:
    alone, found = parse_space(name)
    assert found == []
    assert alone == joint_space(PRESETS[name]()) == parse_space({"preset": name})[0]
    space, found = parse_space({"preset": name, "resolution": "32x64", "batch_size": [2, 4]})
    assert found == []
    assert space is not None
    assert space.fixed["resolution"] == "32x64"
    assert space["batch_size"].domain == Categorical(2, 4)
    assert alone is not None
    assert space["backbone"] == alone["backbone"]


def test_an_override_removes_inactive_dimensions_of_a_preset() -> None:
    space, found = parse_space({"preset": "mobile", "optimizer": "adamw"})
    assert found == []
    assert space is not None
    assert "momentum" not in space.names


def test_empty_settings_are_the_default_configuration() -> None:
    space, found = parse_space({"dropout": None})
    assert found == []
    assert space is not None
    assert space.count() == 1


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ("[arch]", "space", "must be a mapping"),
        ("preset: dmeo", "space.preset", "did you mean 'demo'?"),
        ("preset: [demo]", "space.preset", "unknown preset"),
        ("bakcbone: resnet18", "space.bakcbone", "did you mean 'backbone'?"),
        ("1: resnet18", "space.1", "unknown dimension 1"),
        ("backbone: [resnet18, vgg19]", "space.backbone.1", "'vgg19' is not one of"),
        ("backbone: []", "space.backbone", "the list is empty"),
        ("backbone: [resnet18, resnet18]", "space.backbone.1", "resnet18 is repeated"),
        ("resolution: [96, 96x96, 64]", "space.resolution.1", "96x96 is repeated"),
        ("resolution: [96, 128]", "space.resolution", "write 96x128 for one"),
        ("resolution: {low: 64, high: 96}", "space.resolution", "takes no range"),
        ("resolution: 97x128", "space.resolution", "nearest allowed: 96x128 or 112x128"),
        ("arch: smp/PAN\nresolution: 64", "space.resolution", "64x64 is too small"),
        (
            "arch: {low: 1}",
            "space.arch",
            "takes no range; give a list of items, each one of deeplabv3",
        ),
        ("dropout: {low: 0.1}", "space.dropout.high", "is missing"),
        ("dropout: {low: 0.1, high: 1}", "space.dropout.high", "1 is not a number in [0, 1)"),
        ("dropout: {low: 0.3, high: 0.1}", "space.dropout", "low must not be above high"),
        ("dropout: {low: 0, high: 0.1, log: true}", "space.dropout", "low > 0"),
        ("dropout: {low: 0, high: 0.1, log: 3}", "space.dropout.log", "3 is not true or false"),
        (
            "dropout: {low: 0, high: 0.1, lgo: true}",
            "space.dropout.lgo",
            "allowed are low, high, log",
        ),
        ("batch_size: {low: 1.5, high: 8}", "space.batch_size.low", "whole number"),
        ("learning_rate: {low: a, high: 1e-2}", "space.learning_rate.low", "'a' is not a number"),
        ("learning_rate: .nan", "space.learning_rate", "nan is not a number"),
        ("momentum: 0.9", "space.momentum", "only where optimizer is sgd"),
        ("distill_alpha: 0.5", "space.distill_alpha", "needs a teacher"),
        ("temperature: 2", "space.temperature", "needs a teacher"),
        (
            "quantization: [none, dynamic_int8]",
            "space.quantization.1",
            "not available in this version",
        ),
        ("dropout: [[0.1]]", "space.dropout.0", "[0.1] is not a number"),
    ],
)
def test_invalid_input_is_named_with_its_path(text: str, path: str, expected: str) -> None:
    found = faults_of(text)
    assert list(found) == [path]
    assert expected in found[path]


def test_all_faults_are_reported_together() -> None:
    text = """
    preset: nothing
    archh: deeplabv3
    backbone: vgg
    learning_rate: {low: -1, hihg: 2}
    momentum: 0.9
    distill_alpha: [0, 0.5]
    resolution: 97
    """
    assert set(faults_of(text)) == {
        "space.preset",
        "space.archh",
        "space.backbone",
        "space.learning_rate.low",
        "space.learning_rate.high",
        "space.learning_rate.hihg",
        "space.momentum",
        "space.distill_alpha",
        "space.resolution",
    }


def test_an_invalid_parent_hides_faults_of_its_children() -> None:
    assert list(faults_of("{optimizer: sdg, momentum: 0.9}")) == ["space.optimizer"]


def test_no_distillation_needs_no_teacher() -> None:
    assert faults_of("distill_alpha: 0") == {}


def test_a_temperature_without_soft_loss_is_a_fault() -> None:
    found = faults_of("{distill_alpha: 0, temperature: 3}", teacher=TEACHER)
    assert "distill_alpha is above 0" in found["space.temperature"]


def test_distilling_the_teacher_from_itself_is_a_fault() -> None:
    text = "{arch: deeplabv3, backbone: resnet50, output_stride: 16, distill_alpha: 0.5}"
    found = faults_of(text, teacher=TEACHER)
    assert "not (arch is deeplabv3 and backbone is resnet50" in found["space.distill_alpha"]


def test_faults_begin_with_the_path_given() -> None:
    _, found = parse_space({"dropout": 2}, path="sweep.space")
    assert [fault.path for fault in found] == ["sweep.space.dropout"]


def test_a_space_is_described_as_text() -> None:
    space, _ = parse_space(yaml.safe_load(SPEC), teacher=TEACHER)
    assert space is not None
    rows = {row.name: (row.domain, row.condition) for row in describe_space(space)}
    assert tuple(rows) == space.names
    assert rows["arch"] == ("deeplabv3, deeplabv3plus", "always")
    v3 = "backbone is mobilenet_v3_large or mobilenet_v3_small"
    assert rows["last_expansion"] == ("true, false", v3)
    assert rows["learning_rate"] == ("0.0001 to 0.01, logarithmic", "always")
    assert rows["batch_size"] == ("whole numbers 4 to 16", "always")
    assert rows["schedule_step_epochs"][1] == "schedule is step"
    assert rows["temperature"] == ("4", "distill_alpha is above 0")
