from __future__ import annotations

import pytest

from orchestrator.spec.parse import parse_spec
from orchestrator.spec.text import SpecError

SPACE = {"resolution": ["64x96"], "quantization": ["none", "ptq_int8"]}


def test_a_target_that_cannot_run_the_space_is_named_before_anything_runs() -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({"space": SPACE})
    (fault,) = caught.value.faults
    assert fault.path == "target.name"
    assert "ptq_int8: torch-cpu times float models only" in fault.message
    assert parse_spec({"space": SPACE, "target": {"name": "onnxruntime-cpu"}}).space.names


def test_a_command_target_needs_its_command() -> None:
    settings: dict[str, object] = {"name": "command"}
    with pytest.raises(SpecError, match="the program that times an artifact"):
        parse_spec({"target": settings})
    settings["command"] = "./time_it {artifact}"
    assert parse_spec({"target": settings}).target.command == "./time_it {artifact}"


@pytest.mark.parametrize("name", ["a\nb", " a", "a ", "\x1b[31m"])
def test_an_experiment_that_cannot_be_shown_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match=r"tracking\.experiment") as caught:
        parse_spec({"tracking": {"experiment": name}})
    assert "one printable line" in str(caught.value)


@pytest.mark.parametrize("name", ["/Shared/seg", "../../x", "night/drive: v1.0", "Straße"])
def test_an_experiment_keeps_the_name_that_was_written(name: str) -> None:
    assert parse_spec({"tracking": {"experiment": name}}).tracking.experiment == name


@pytest.mark.parametrize("root", ["/runs\n", "/ru\x00ns", "/\udcff"])
def test_a_storage_root_of_characters_that_no_path_has_is_refused(root: str) -> None:
    with pytest.raises(SpecError, match=r"storage\.root"):
        parse_spec({"storage": {"root": root}})


@pytest.mark.parametrize("root", ["/a%25b", "/a%2Fb", "/x/%2e%2e/y"])
def test_a_storage_root_that_mlflow_would_decode_is_refused(root: str) -> None:
    with pytest.raises(SpecError, match=r"storage\.root: must not have % before two hexadecimal"):
        parse_spec({"storage": {"root": root}})


@pytest.mark.parametrize("root", ["/100%", "/a?b", "/a#b", "/a b", "/$HOME", "/a'b\"c;d"])
def test_the_usual_store_lies_in_any_storage_root(root: str) -> None:
    from pathlib import Path

    from orchestrator.spec.text import sqlite_file

    spec = parse_spec({"storage": {"root": root}})
    assert sqlite_file(spec.tracking_uri) == Path(root) / "mlflow.db"


@pytest.mark.parametrize(
    ("resources", "divides", "remedy"),
    [
        (
            {"gpus_per_worker": 0.5},
            "resources.gpus_per_worker: 0.5",
            "resources.gpus_per_worker: 1",
        ),
        ({"packing": "memory"}, "resources.packing: memory", "resources.packing: fixed"),
    ],
)
def test_several_ranks_on_shares_of_a_gpu_are_refused(
    resources: dict[str, object], divides: str, remedy: str
) -> None:
    with pytest.raises(SpecError) as caught:
        parse_spec({"resources": {**resources, "train_workers": 2}})
    (fault,) = caught.value.faults
    assert fault.path == "resources.train_workers"
    assert f"NCCL refuses two ranks on one GPU, and {divides} divides GPUs" in fault.message
    assert f"got 2 train workers; set resources.train_workers: 1, or {remedy} " in fault.message
    assert parse_spec({"resources": resources}).resources.train_workers == 1


@pytest.mark.parametrize("gpus", [None, 0, 1, 2])
def test_several_ranks_on_whole_gpus_or_cpus_are_accepted(gpus: float | None) -> None:
    resources = {"gpus_per_worker": gpus, "train_workers": 2}
    assert parse_spec({"resources": resources}).resources.train_workers == 2


@pytest.mark.parametrize(
    ("resources", "divides"),
    [
        ({"gpus_per_worker": 0.25}, "resources.gpus_per_worker: 0.25"),
        ({"packing": "memory"}, "resources.packing: memory"),
    ],
)
def test_energy_on_shares_of_a_gpu_is_refused(resources: dict[str, object], divides: str) -> None:
    metrics = {"objectives": ["miou", "energy_j"], "constraints": ["energy_j <= 1e6"]}
    with pytest.raises(SpecError) as caught:
        parse_spec({**metrics, "resources": resources})
    faults = caught.value.faults
    assert [fault.path for fault in faults] == ["objectives.energy_j", "constraints.energy_j"]
    assert all(f"{divides} divides GPUs among lanes" in fault.message for fault in faults)
    assert all("or remove energy_j" in fault.message for fault in faults)
    assert parse_spec({"resources": resources}).objectives


@pytest.mark.parametrize("gpus", [None, 0, 1, 2])
def test_energy_on_whole_gpus_is_an_objective(gpus: float | None) -> None:
    settings = {"objectives": ["miou", "energy_j"], "resources": {"gpus_per_worker": gpus}}
    assert "energy_j" in {objective.name for objective in parse_spec(settings).objectives}
