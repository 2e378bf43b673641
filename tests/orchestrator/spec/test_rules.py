from __future__ import annotations

import pytest

from orchestrator.spec.errors import SpecError
from orchestrator.spec.parse import parse_spec

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
