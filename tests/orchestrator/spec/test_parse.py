"""Specs read from text and written again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from orchestrator.spec.objectives import DEFAULT_OBJECTIVES, Objective
from orchestrator.spec.parse import (
    KEYS,
    demo_settings,
    dump_spec,
    load_spec,
    parse_spec,
    settle_spec,
    spec_settings,
)
from orchestrator.spec.sweep_spec import SweepSpec
from orchestrator.spec.text import SpecError, read_yaml
from search_spaces.domains import Categorical, Float
from search_spaces.joint import JointChoices, TeacherIdentity, joint_space
from search_spaces.presets import PRESETS
from search_spaces.space import SearchSpace
from trainables.config import DataConfig, TeacherConfig, TrainingConfig
from trainables.data.layouts.registry import class_names_of

FIVE_FAULTS = """
nam: five faults
data:
  format: folder
  root: images
  class_names: [sky, road]
  ignore_index: 1
space:
  resolution: [97x128]
  output_stride: 16
  distill_alpha: [0.3, 0.6]
budget: {trials: many, epochs: 3}
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "sweep.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _outcome(value: object) -> SweepSpec | SpecError:
    try:
        return parse_spec(value)
    except SpecError as error:
        return error


def _paths(error: SpecError) -> set[str]:
    return {fault.path for fault in error.faults}


def test_a_preset_brings_settings_of_the_training_that_a_spec_may_change() -> None:
    assert parse_spec({"space": "malyshev"}).training.vertical_flips
    other = parse_spec({"space": {"preset": "malyshev", "resolution": 64}, "training": {"seed": 3}})
    assert (other.training.vertical_flips, other.training.seed) == (True, 3)
    given = {"space": "malyshev", "training": {"vertical_flips": False}}
    assert not parse_spec(given).training.vertical_flips
    assert not parse_spec({"space": "kim"}).training.vertical_flips


def test_nothing_given_is_the_demo() -> None:
    spec = load_spec()
    assert spec == parse_spec(demo_settings())
    assert spec.data.format == "synthetic"
    assert spec.teacher is not None
    assert "distill_alpha" in spec.space.names
    assert spec.objectives == DEFAULT_OBJECTIVES


def test_five_faults_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(_write(tmp_path, FIVE_FAULTS))
    assert _paths(caught.value) == {
        "nam",
        "data.ignore_index",
        "space.resolution",
        "space.distill_alpha",
        "budget.trials",
    }
    assert "did you mean 'name'" in str(caught.value)


def test_a_sound_spec_is_read_whole(tmp_path: Path) -> None:
    text = """
name: parking lots
data: {format: cityscapes, root: ../city}
space: {preset: kim, batch_size: [4], learning_rate: {low: 1e-4, high: 1e-2, log: true}}
objectives: {miou: max, params: min}
constraints: [latency_ms <= 20, params < 3e6]
budget: {trials: 4}
"""
    folder = tmp_path / "specs"
    folder.mkdir()
    spec = load_spec(_write(folder, text))
    assert spec.name == "parking lots"
    assert spec.data.root == str(tmp_path / "city")
    assert spec.space["batch_size"].domain == Categorical(4)
    assert spec.objectives == (Objective("miou", "maximize"), Objective("params", "minimize"))
    assert [str(constraint) for constraint in spec.constraints] == [
        "latency_ms <= 20",
        "params < 3e+06",
    ]
    assert (spec.budget.trials, spec.budget.epochs) == (4, 10)


def test_overrides_lie_over_the_file_and_their_paths_are_the_shells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    path = _write(tmp_path, "data: {format: voc, root: a}\nstorage: {root: runs}\n")
    spec = load_spec(path, preset="chouti", overrides=["data.root=b", "budget.trials=3"])
    assert spec.data.root == str(elsewhere / "b")
    assert spec.storage.root == str(tmp_path / "runs")
    assert spec.budget.trials == 3
    assert spec.space_source == "chouti"


def test_an_override_inside_a_preset_keeps_the_rest_of_it() -> None:
    spec = load_spec(overrides=["space.batch_size=[2]"])
    assert spec.space["batch_size"].domain == Categorical(2)
    assert spec.space["backbone"] == load_spec().space["backbone"]


def test_storage_is_the_variables_where_the_spec_names_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEGSWEEP_STORAGE", str(tmp_path / "store"))
    spec = load_spec()
    assert spec.storage.root == str(tmp_path / "store")
    assert spec.tracking_uri == f"sqlite:///{tmp_path}/store/mlflow.db"
    assert spec.storage.cache_dir == tmp_path / "store" / "cache"
    named = load_spec(overrides=["storage.root=here", "storage.cache=/tmp/c"])
    assert named.storage.root == f"{Path.cwd()}/here"
    assert named.storage.cache_dir == Path("/tmp/c")  # noqa: S108 - never made


def test_no_teacher_means_no_distillation() -> None:
    spec = load_spec(overrides=["teacher=null"])
    assert spec.teacher is None
    assert "distill_alpha" not in spec.space.names


@pytest.mark.parametrize(
    ("override", "path"),
    [
        ("target.name=cuda", "target.name"),
        ("training.precision=fp8", "training.precision"),
        ("search.searcher=grid", "search.searcher"),
        ("search.scheduler=hyperband", "search.scheduler"),
        ("search.grace_period=0", "search.grace_period"),
        ("constraints=[latency <= 3]", "constraints.0"),
        ("constraints=[latency_ms 3]", "constraints.0"),
        ("constraints={a: 1}", "constraints"),
        ("objectives={latency_ms: min}", "objectives"),
        ("objectives={miou: min}", "objectives.miou"),
        ("objectives={miou: up}", "objectives.miou"),
        ("objectives=[miou, mious]", "objectives.mious"),
        ("objectives=[miou, miou]", "objectives"),
        ("resources.train_workers=5", "space.batch_size"),
        ("resources.gpus_per_worker=1.5", "resources.gpus_per_worker"),
        ("data.format=voc", "data.root"),
        ("teacher.backbone=vgg", "teacher.backbone"),
        ("teacher.resolution=100x100", "teacher.resolution"),
        ("space.resolution=97x128", "space.resolution"),
        ("space.backbon=resnet18", "space.backbon"),
        ("name=", "name"),
        ("spaces=demo", "spaces"),
    ],
)
def test_what_cannot_be_run_is_named_with_its_path(override: str, path: str) -> None:
    if path == "name":
        assert load_spec(overrides=[override]).name == "sweep"
        return
    with pytest.raises(SpecError) as caught:
        load_spec(overrides=[override])
    assert path in _paths(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"class_names": None},
        {"class_names": ["sky"]},
        {"class_names": ["sky", "sky"]},
        {"class_names": ["sky", "road"], "ignore_index": 0},
    ],
)
def test_a_folder_needs_classes_that_can_be_told_apart(settings: dict[str, object]) -> None:
    data = {"format": "folder", "root": "/data", **settings}
    with pytest.raises(SpecError):
        parse_spec({"data": data})
    sound = {**data, "class_names": ["sky", "road"], "ignore_index": 2}
    assert parse_spec({"data": sound}).data.class_names == ("sky", "road")


@pytest.mark.parametrize("ignored", [0, 1, 2])
def test_the_ignored_label_may_be_any_position_of_the_names(ignored: int) -> None:
    names = ["a", "b"]
    names.insert(ignored, "void")
    data = {"format": "folder", "root": "/d", "class_names": names, "ignore_index": ignored}
    assert class_names_of(parse_spec({"data": data}).data) == ("a", "b")


def test_class_colors_are_read_written_and_checked() -> None:
    data = {"format": "folder", "root": "/d", "class_names": ["a", "b"]}
    colors = {"a": [255, 0, 0], "b": "#00FF00", "void": [0, 0, 0]}
    spec = parse_spec({"data": {**data, "class_colors": colors}})
    assert spec.data.class_colors == {"a": "#ff0000", "b": "#00ff00", "void": "#000000"}
    assert parse_spec(spec_settings(spec)) == spec
    for wrong in ({**colors, "b": None}, {**colors, "b": [255, 0, 0]}, {**colors, "c": "#010101"}):
        with pytest.raises(SpecError, match=r"data\.class_colors"):
            parse_spec({"data": {**data, "class_colors": wrong}})


def test_a_file_that_is_not_there_is_a_spec_error(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="No such file"):
        load_spec(tmp_path / "none.yaml")
    with pytest.raises(SpecError, match="cannot be read"):
        load_spec(tmp_path)
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00a")
    with pytest.raises(SpecError, match="UTF-8"):
        load_spec(tmp_path / "bytes.yaml")


@pytest.mark.parametrize("text", ["[1, 2]", "hello", "3", "true"])
def test_a_file_that_is_no_mapping_is_a_spec_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(SpecError, match="must be a mapping"):
        load_spec(_write(tmp_path, text), overrides=["budget.trials=3"])


def test_an_empty_file_is_all_defaults(tmp_path: Path) -> None:
    assert load_spec(_write(tmp_path, "")) == parse_spec({})


words = st.sampled_from(
    [*KEYS, "preset", "demo", "trials", "root", "format", "voc", "miou", "max", "latency_ms <= 3"]
)
leaves = st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=4)
junk = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.integers(), inner),
    max_leaves=8,
)


@settings(deadline=None)
@example({"space": {"resolution": [[]]}, "constraints": [None], "objectives": [[]]})
@example({"teacher": {"arch": [1]}, "data": {"root": "a\0b"}, "tracking": {"uri": "sqlite:///x"}})
@given(junk | st.dictionaries(st.sampled_from(KEYS), junk))
def test_any_values_give_a_spec_or_named_faults(value: object) -> None:
    outcome = _outcome(value)
    if isinstance(outcome, SpecError):
        assert outcome.faults
        assert all(fault.message for fault in outcome.faults)
    else:
        assert outcome.space.names


def test_a_home_folder_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    spec = load_spec(overrides=["data.format=voc", "data.root=~/voc"])
    assert spec.data.root == f"{os.sep}home{os.sep}someone{os.sep}voc"


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
