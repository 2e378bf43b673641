"""Warnings of the data check, which the verbs that train print."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.orchestrator.cli.conftest import Outcome

SETTINGS = tuple(
    word
    for setting in (
        "data.synthetic_train_images=8",
        "data.synthetic_val_images=4",
        "data.max_train_images=1",
        "data.max_val_images=1",
        "space.resolution=64x96",
        "training.weights=none",
    )
    for word in ("--set", setting)
)


def stop(*_: object, **__: object) -> None:
    """Stand in for everything after the data check."""
    raise ClusterError("stopped after the data check")


def assert_warned(outcome: Outcome) -> None:
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == [
        "error: stopped after the data check"
    ]
    warnings = [line for line in lines if line.startswith("warning: ")]
    assert any("has no pixel in split 'val'; it cannot be scored" in line for line in warnings)


def test_the_training_of_a_teacher_prints_the_warnings(
    segsweep: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.distillation.teacher.train_teacher", stop)
    outcome = segsweep("teacher", "train", *SETTINGS)
    assert_warned(outcome)


@pytest.mark.ray  # it starts none, but imports it
def test_a_resumed_sweep_prints_the_warnings(
    segsweep: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from orchestrator.ledger.folders import new_sweep
    from orchestrator.spec.parse import dump_spec, load_spec, settle_spec

    spec = settle_spec(load_spec(None, overrides=[*SETTINGS[1::2], "teacher=null"]))
    folder = new_sweep(tmp_path / "runs", spec.name)
    folder.spec.write_text(dump_spec(spec), encoding="utf-8")
    monkeypatch.setattr("orchestrator.driver.launch.run_request", stop)
    assert_warned(segsweep("resume", folder.sweep_id))
