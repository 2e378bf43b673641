from __future__ import annotations

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.capacity.resources import Resources
from orchestrator.spec.parse import SECTIONS
from orchestrator.spec.sections import NORMALIZERS, read_section
from orchestrator.spec.sweep_spec import SearchConfig, SweepBudget, Tracking
from search_spaces.faults import Fault
from trainables.config import DataConfig, TargetConfig, TeacherConfig, TrainingConfig


def _paths(result: object) -> list[str]:
    assert isinstance(result, list)
    return [fault.path for fault in result]


def test_every_normalizer_belongs_to_a_field() -> None:
    for place in NORMALIZERS:
        section, name = place.split(".")
        assert name in {field.name for field in fields(SECTIONS[section])}, place


def test_a_section_left_out_is_the_dataclass_default() -> None:
    assert read_section(DataConfig, None, "data") == DataConfig()
    assert read_section(TrainingConfig, {}, "training") == TrainingConfig()


def test_numbers_as_yaml_1_1_leaves_them_are_numbers() -> None:
    teacher = read_section(TeacherConfig, {"learning_rate": "1e-3", "resolution": 64}, "teacher")
    assert teacher == TeacherConfig(learning_rate=1e-3, resolution="64x64")


def test_all_faults_at_once_with_their_paths() -> None:
    result = read_section(
        DataConfig,
        {"formt": "voc", "format": "coco", "max_train_images": 0, "class_names": ["a", 1]},
        "data",
    )
    assert _paths(result) == [
        "data.format",
        "data.class_names.1",
        "data.max_train_images",
        "data.formt",
    ]
    assert "did you mean 'format'" in str(result[-1])  # type: ignore[index]


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (SweepBudget, {"trials": 0, "epochs": 1}),
        (SweepBudget, {"trials": True, "epochs": 1}),
        (SweepBudget, {"trials": 2.5, "epochs": 1}),
        (SweepBudget, {"trials": 3, "epochs": 1, "device_hours": float("nan")}),
        (SweepBudget, {"trials": 3, "epochs": 1, "device_hours": 0}),
        (TargetConfig, {"name": "tpu"}),
        (TargetConfig, {"threads": None}),
        (TrainingConfig, {"gradient_clip": -1}),
        (TrainingConfig, {"channels_last": "perhaps"}),
        (TrainingConfig, {"loader_workers": False}),
        (TeacherConfig, {"resolution": "big"}),
        (TrainingConfig, {"eval_resolution": "big"}),
        (TrainingConfig, {"seed": 2**32}),
        (DataConfig, {"class_colors": {"road": "red"}}),
        (TeacherConfig, {"learning_rate": float("inf")}),
        (SearchConfig, {"reduction_factor": 1}),
        (Resources, {"gpus_per_worker": -1}),
        (Tracking, {"experiment": ""}),
    ],
)
def test_one_wrong_value_is_one_fault(kind: type[object], settings: dict[str, object]) -> None:
    section = {kind: name for name, kind in SECTIONS.items()}[kind]
    assert len(_paths(read_section(kind, settings, section))) == 1


@pytest.mark.parametrize("value", [3, "x", [1], True, [("a", 1)]])
def test_what_is_no_mapping_is_one_fault(value: object) -> None:
    assert _paths(read_section(DataConfig, value, "data")) == ["data"]


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@settings(max_examples=50, deadline=None)
@given(st.data(), st.sampled_from(sorted(SECTIONS)))
def test_any_values_give_the_section_or_faults_below_it(data: st.DataObject, name: str) -> None:
    kind: type[object] = SECTIONS[name]
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    values = data.draw(st.dictionaries(st.sampled_from(names) | st.text(max_size=3), junk))
    result = read_section(kind, values, name)
    if isinstance(result, list):
        assert result
        assert all(isinstance(f, Fault) and f.path.startswith(f"{name}.") for f in result)
    else:
        assert isinstance(result, kind)


@pytest.mark.parametrize(
    ("given", "read"),
    [(True, True), (False, False), ("demo-1", ("demo-1",)), (["a", "b"], ("a", "b")), ([], ())],
)
def test_earlier_sweeps_are_named_or_all_taken(given: object, read: object) -> None:
    assert read_section(SearchConfig, {"warm_start": given}, "search") == SearchConfig(
        warm_start=read  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("given", [1, [1], [""], {"a": 1}])
def test_what_names_no_sweeps_is_one_fault(given: object) -> None:
    result = read_section(SearchConfig, {"warm_start": given}, "search")
    assert _paths(result) == ["search.warm_start"]


def test_unknown_names_are_told_with_the_section_s_other_faults() -> None:
    given = {"searcher": "magic", "scheduler": ["asha"], "grace_period": 0}
    faults = read_section(SearchConfig, given, "search")
    assert _paths(faults) == ["search.searcher", "search.scheduler", "search.grace_period"]
    assert isinstance(faults, list)
    assert faults[0].message == "must be one of random, cost-aware, nsga2, motpe, got 'magic'"


def test_the_cost_gate_has_two_modes() -> None:
    assert SearchConfig().cost_gate == "full"
    assert _paths(read_section(SearchConfig, {"cost_gate": "half"}, "search")) == [
        "search.cost_gate"
    ]
