from __future__ import annotations

from typing import get_args

from search_spaces.vocabulary import IMPLEMENTED_QUANTIZATION
from trainables.config import TargetConfig, TargetName
from trainables.cost.targets import RUNS, artifact_format, quantization_fault


def test_every_target_lists_what_it_runs() -> None:
    assert set(RUNS) == set(get_args(TargetName))
    assert {name for runs in RUNS.values() for name in runs} == set(IMPLEMENTED_QUANTIZATION)
    assert all("none" in runs for runs in RUNS.values())


def test_a_fault_names_the_targets_that_can() -> None:
    fault = quantization_fault(TargetConfig(name="executorch-xnnpack"), "fp16")
    assert fault is not None
    assert fault.startswith("quantization=fp16: executorch-xnnpack cannot run it")
    assert fault.endswith("torch-cpu, torch-cuda, onnxruntime-cpu, command")
    assert quantization_fault(TargetConfig(name="onnxruntime-cpu"), "fp16") is None


def test_targets_outside_torch_run_files() -> None:
    formats = {name: artifact_format(TargetConfig(name=name)) for name in get_args(TargetName)}
    assert formats == {
        "torch-cpu": None,
        "torch-cuda": None,
        "onnxruntime-cpu": "onnx",
        "executorch-xnnpack": "pte",
        "command": "pte",
    }
    assert artifact_format(TargetConfig(name="command", artifact="onnx")) == "onnx"
