from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.orchestrator.cli.conftest import Outcome

TINY = tuple(
    word
    for setting in (
        "data.synthetic_train_images=8",
        "data.synthetic_val_images=4",
        "space.resolution=64x96",
        "target.repeats=2",
        "training.weights=none",
        "training.sample_images=0",
        "teacher.backbone=mobilenet_v3_small",
        "teacher.batch_size=4",
        "teacher.epochs=20",
        "teacher.learning_rate=1e12",
    )
    for word in ("--set", setting)
)


@pytest.mark.slow
def test_a_teacher_that_diverges_ends_with_one_message_and_no_file(
    segsweep: Callable[..., Outcome], tmp_path: Path
) -> None:
    outcome = segsweep("teacher", "train", *TINY)
    assert outcome.code == 2, outcome.err
    (error,) = (line for line in outcome.err.splitlines() if line.startswith("error"))
    assert "the teacher's training ended failed: DivergedError" in error
    assert "epoch" in error
    assert "learning rate" in error
    assert "Traceback" not in outcome.err
    assert outcome.out == ""
    assert not list(tmp_path.rglob("*.safetensors"))
