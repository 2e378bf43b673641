"""Baselines of a spec."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.spec.baselines import ALL, read_baselines, system_names
from orchestrator.spec.papers import PAPERS
from orchestrator.spec.parse import load_spec, parse_spec, spec_settings
from orchestrator.spec.text import SpecError
from search_spaces.config import TrialConfig
from search_spaces.joint import JointChoices, TeacherIdentity, joint_space
from search_spaces.presets import PRESETS

if TYPE_CHECKING:
    from orchestrator.spec.baselines import Baseline

SPACES = [
    joint_space(PRESETS[name](), teacher=teacher)
    for name in PRESETS
    for teacher in (None, TeacherIdentity(arch="deeplabv3", backbone="resnet50", output_stride=32))
]
PLAIN = joint_space(JointChoices())


def read(value: object, space: Any = PLAIN) -> dict[str, Baseline]:
    found = read_baselines(value, space)
    assert isinstance(found, tuple), found
    return {each.name: each for each in found}


@given(st.sampled_from(SPACES), st.integers(0, 2**32))
def test_a_point_of_the_space_is_itself(space: Any, seed: int) -> None:
    point = space.sample(np.random.default_rng(seed))
    assert read({"own": point}, space)["own"].config == point


@given(st.sampled_from(SPACES), st.sampled_from(sorted(system_names())))
def test_a_papers_system_is_a_sound_configuration_that_reads_back(space: Any, word: str) -> None:
    found = read(word, space)
    assert found
    for each in found.values():
        TrialConfig.from_mapping(each.config)
    assert read({name: each.config for name, each in found.items()}, space) == found


def test_what_is_not_given_is_the_spaces_one_value_else_the_default() -> None:
    space = joint_space(
        JointChoices(batch_size=6, learning_rate=PRESETS["demo"]().learning_rate, dropout=0.3)
    )
    config = read({"wide": {"backbone": "mobilenet_v2", "width": 2}}, space)["wide"].config
    default = TrialConfig()
    assert (config["batch_size"], config["dropout"], config["width"]) == (6, 0.3, 2.0)
    assert config["learning_rate"] == default.learning_rate
    assert "last_expansion" not in config
    assert "distill_alpha" not in config


def test_the_largest_resolution_of_the_space_is_taken() -> None:
    space = joint_space(PRESETS["demo"]())
    assert read({"plain": {}}, space)["plain"].config["resolution"] == "96x128"
    given = read({"small": {"resolution": "32x32"}}, space)["small"].config
    assert given["resolution"] == "32x32"


def test_all_papers_are_every_system_of_theirs() -> None:
    systems = read(ALL)
    assert len(systems) == sum(model.system for paper in PAPERS for model in paper.models) == 15
    assert set(systems) == {name for paper in PAPERS for name in read(paper.key)}
    assert "chouti-large-os16" not in systems
    assert read("chouti-large-os16")["chouti-large-os16"].config["output_stride"] == 16


def test_a_paper_fixes_its_network_and_the_sweep_its_training() -> None:
    space = joint_space(PRESETS["chouti"]())
    kim = read("kim-large-cut", space)["kim-large-cut"].config
    assert (kim["decoder_convs"], kim["last_expansion"], kim["output_stride"]) == (2, False, 16)
    assert (kim["optimizer"], kim["momentum"], kim["resolution"]) == ("sgd", 0.9, "224x224")


def test_students_are_distilled_where_there_is_a_teacher() -> None:
    teacher = TeacherIdentity(arch="deeplabv3", backbone="resnet50", output_stride=32)
    space = joint_space(PRESETS["malyshev"](), teacher=teacher)
    found = read("malyshev", space)
    assert found["malyshev-resnet18"].config["distill_alpha"] == 0.5
    assert "distill_alpha" not in found["malyshev-resnet50"].config
    assert read("kim-small", space)["kim-small"].config["distill_alpha"] == 0


def test_a_mapping_changes_systems_leaves_them_out_and_adds_others() -> None:
    found = read({"preset": ["renaud", "kim"], "renaud-vgg16": None, "kim-small": {"dropout": 0.4}})
    assert next(iter(found)) == "renaud-small"
    assert len(found) == 7
    assert found["kim-small"].config["dropout"] == 0.4
    assert found["kim-large"].config["dropout"] == 0.1


def test_all_faults_are_named_at_once() -> None:
    given = {
        "preset": ["kimm"],
        "a": {"width": 9, "widht": 1},
        "b": 3,
        "c": None,
        "d": {"distill_alpha": 0.5},
        "e": {},
        "f": {"width": 1.0},
        "g" * 61: {},
    }
    found = read_baselines(given, PLAIN)
    assert isinstance(found, list)
    assert {fault.path for fault in found} >= {
        "baselines.preset",
        "baselines.a.width",
        "baselines.a.widht",
        "baselines.b",
        "baselines.c",
        "baselines.d.distill_alpha",
        "baselines.f",
        "baselines." + "g" * 61,
    }
    assert "did you mean 'kim'?" in str(found[0])


@pytest.mark.parametrize("value", [3, True, [], {"preset": 5}, {"preset": []}])
def test_what_is_no_baseline_is_a_fault(value: object) -> None:
    assert isinstance(read_baselines(value, PLAIN), list)


def test_a_spec_has_them_from_its_text_and_from_the_command_line() -> None:
    spec = load_spec(
        preset="mobile",
        overrides=[
            "space.resolution=64x96",
            "teacher=null",
            "baselines=papers",
            "baselines.renaud-vgg16=null",
            "baselines.mine={arch: lraspp, backbone: mobilenet_v3_small}",
            "budget.trials=20",
        ],
    )
    assert len(spec.baselines) == 15
    assert spec.baselines[-1].name == "mine"
    assert parse_spec(spec_settings(spec)) == spec


def test_a_spec_names_what_keeps_them_from_being_trained() -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(
            overrides=[
                "baselines=kim",
                "baselines.kim-small={batch_size: 1, quantization: ptq_int8}",
                "budget.trials=3",
                "resources.train_workers=2",
                "target.name=torch-cuda",
            ]
        )
    paths = [fault.path for fault in caught.value.faults]
    assert paths == [
        "budget.trials",
        "baselines.kim-small.batch_size",
        "baselines.kim-small.quantization",
    ]
