"""Describe a sweep, run it and read its front in Python.

Run: python examples/python_api.py
"""

# ruff: noqa: INP001 - a script, no package

from __future__ import annotations

import sys

from orchestrator.driver.launch import launch
from orchestrator.spec.objectives import Constraint, Objective
from orchestrator.spec.sweep_spec import SweepBudget, SweepSpec
from search_spaces.domains import Categorical, LogFloat
from search_spaces.joint import JointChoices, joint_space
from trainables.config import DataConfig, TargetConfig


def small_sweep() -> SweepSpec:
    """Return a sweep over generated street scenes; it takes minutes."""
    choices = JointChoices(
        backbone=Categorical("mobilenet_v3_small", "mobilenet_v2"),
        resolution=Categorical("64x96", "96x128"),
        output_stride=Categorical(16, 32),
        learning_rate=LogFloat(1e-3, 5e-3),
    )
    return SweepSpec(
        name="python api",
        space=joint_space(choices),
        data=DataConfig(format="synthetic", synthetic_train_images=64, synthetic_val_images=24),
        objectives=(Objective("miou", "maximize"), Objective("latency_ms", "minimize")),
        constraints=(Constraint("params", "<=", 8e6),),
        budget=SweepBudget(trials=4, epochs=2),
        target=TargetConfig(threads=1, repeats=9),
    )


def main() -> None:
    """Run the sweep and print its front."""
    launched = launch(small_sweep())
    for row in launched.report.front:
        values = ", ".join(f"{name} {value:.4g}" for name, value in row.objectives.items() if value)
        if row.test_miou is not None:  # with DataConfig(test_split=...)
            values += f", test mIoU {row.test_miou:.4g}"
        sys.stdout.write(f"{row.trial_id}: {values}; {dict(row.config)}\n")
    sys.stdout.write(f"files: {launched.folder.path}\n")


if __name__ == "__main__":
    main()
