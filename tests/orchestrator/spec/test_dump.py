from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.spec.dump import dump_spec, settle_spec
from orchestrator.spec.errors import SpecError
from orchestrator.spec.parse import load_spec, parse_spec
from orchestrator.spec.sweep_spec import SweepSpec
from orchestrator.spec.text.yaml_text import read_yaml
from search_spaces.domains import Categorical, Float
from search_spaces.joint import JointChoices, TeacherIdentity, joint_space
from search_spaces.presets import PRESETS
from search_spaces.space import SearchSpace
from trainables.config import DataConfig, TeacherConfig, TrainingConfig

if TYPE_CHECKING:
    from pathlib import Path

SPACES = st.sampled_from(
    [
        "demo",
        "kim",
        {"preset": "mobile", "resolution": ["64x64", 96]},
        {"learning_rate": {"low": "1e-4", "high": 0.1, "log": True}, "batch_size": [4, 8]},
        {"batch_size": {"low": 2, "high": 9}, "quantization": None},
    ]
)
SPECS = st.fixed_dictionaries(
    {"space": SPACES},
    optional={
        "name": st.text("abc äß'\":#", min_size=1, max_size=10),
        "teacher": st.none() | st.just({}) | st.just({"epochs": 2, "resolution": 64}),
        "objectives": st.sampled_from([{"miou": "max"}, ["miou", "params"]]),
        "constraints": st.lists(
            st.floats(0.001, 1e9).map(lambda bound: f"flops <= {bound!r}"), max_size=2
        ),
        "budget": st.fixed_dictionaries(
            {"trials": st.integers(1, 99)}, optional={"device_hours": st.floats(0.1, 9)}
        ),
        "data": st.just({"format": "folder", "root": "/d/ä b", "class_names": ["no", "1", "~"]}),
        "resources": st.fixed_dictionaries({"gpus_per_worker": st.none() | st.floats(0, 1)}),
        "storage": st.sampled_from([{"root": "/a"}, {"root": "/a", "cache": "/b: c"}]),
        "tracking": st.just({"uri": "https://tracking.example"}),
    },
)


@hypothesis_settings(deadline=None, max_examples=60)
@given(SPECS)
def test_a_dumped_spec_reads_back_equal(settings: dict[str, object]) -> None:
    spec = parse_spec(settings)
    assert parse_spec(read_yaml(dump_spec(spec), "dump")) == spec


@pytest.mark.parametrize("preset", sorted(PRESETS))
@pytest.mark.parametrize("distilled", [False, True])
def test_a_space_made_in_python_is_written_down_whole(preset: str, *, distilled: bool) -> None:
    teacher = TeacherConfig() if distilled else None
    identity = (
        TeacherIdentity(arch="deeplabv3", backbone="resnet50", output_stride=16)
        if distilled
        else None
    )
    space = joint_space(PRESETS[preset](), teacher=identity)
    spec = SweepSpec(space=space, teacher=teacher)
    assert settle_spec(spec) == spec
    assert parse_spec(read_yaml(dump_spec(spec), "dump")) == spec


def test_a_spec_made_in_python_keeps_the_rules() -> None:
    data = DataConfig(format="voc")
    with pytest.raises(SpecError, match=r"data\.root"):
        settle_spec(SweepSpec(space=joint_space(JointChoices()), data=data))
    odd = SearchSpace.of(arch=Categorical("deeplabv3"), dropout=Float(0, 0.5))
    with pytest.raises(SpecError, match="joint_space"):
        settle_spec(SweepSpec(space=odd))


def test_relative_paths_are_the_working_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = DataConfig(format="voc", root="voc")
    space = joint_space(JointChoices())
    settled = settle_spec(SweepSpec(space=space, data=data))
    assert settled.data.root == str(tmp_path / "voc")
    for weights, expected in (
        ("none", "none"),
        ("torchvision", "torchvision"),
        ("imagenet", str(tmp_path / "imagenet")),
    ):
        settled = settle_spec(SweepSpec(space=space, training=TrainingConfig(weights=weights)))
        assert settled.training.weights == expected


def test_the_demo_reads_back_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "demo.yaml"
    path.write_text(dump_spec(load_spec()), encoding="utf-8")
    assert load_spec(path) == load_spec()
