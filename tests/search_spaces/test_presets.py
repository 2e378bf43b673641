import math

import numpy as np
import pytest

from search_spaces.config import config_faults
from search_spaces.joint import TeacherIdentity, choices_faults, joint_space
from search_spaces.presets import PRESETS, preset_summaries

PAPERS = ("malyshev", "kim", "chouti", "renaud")
TEACHER = TeacherIdentity(arch="deeplabv3", backbone="resnet50", output_stride=32)


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("teacher", [None, TEACHER])
def test_samples_of_a_preset_are_valid(name: str, teacher: TeacherIdentity | None) -> None:
    assert choices_faults(PRESETS[name]()) == []
    space = joint_space(PRESETS[name](), teacher=teacher)
    rng = np.random.default_rng(0)
    for _ in range(50):
        assert config_faults(space.sample(rng)) == []
    assert space.count() > 8


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_has_a_one_line_summary(name: str) -> None:
    summary = preset_summaries()[name]
    assert summary.endswith(".")
    assert 20 < len(summary) < 100


def test_the_papers_networks_are_in_their_presets() -> None:
    rng = np.random.default_rng(0)
    seen = {
        name: {space.sample(rng)["backbone"] for _ in range(100)}
        for name, space in ((n, joint_space(PRESETS[n]())) for n in PAPERS)
    }
    assert seen == {
        "malyshev": {"resnet50", "resnet18", "mobilenet_v2"},
        "kim": {"mobilenet_v3_large", "mobilenet_v3_small"},
        "chouti": {"mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"},
        "renaud": {"vgg16", "mobilenet_v3_small"},
    }


def test_the_report_of_chouti_is_a_finite_space() -> None:
    assert joint_space(PRESETS["chouti"]()).count() == 3 * 2 * 2 * 2 * 2 * 2
    assert math.isinf(joint_space(PRESETS["mobile"]()).count())


def test_malyshev_does_not_distill_the_teacher() -> None:
    space = joint_space(PRESETS["malyshev"](), teacher=TEACHER)
    rng = np.random.default_rng(0)
    configs = [space.sample(rng) for _ in range(60)]
    assert {("distill_alpha" in c, c["backbone"] == "resnet50") for c in configs} == {
        (True, False),
        (False, True),
    }
