from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.planning.plan import adopt_plan
from orchestrator.spec.parse import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.folders import SweepFolder
    from tests.orchestrator.cli.conftest import Outcome

SMALL = (
    "--set",
    "teacher=null",
    "--set",
    "budget={trials: 4, epochs: 2}",
    "--set",
    "space={backbone: mobilenet_v3_small, resolution: 64x96, batch_size: [4, 8]}",
)


@pytest.mark.slow
def test_a_plan_is_printed_with_its_basis_and_kept(segsweep: Callable[..., Outcome]) -> None:
    shown = segsweep("plan", *SMALL, "--cpus", "3")
    assert shown.code == 0
    assert "no earlier sweep on this data, so guesses" in shown.out
    assert "3 of 1 train worker(s)" in shown.out
    assert "2 configurations of 1 dimensions" in shown.out
    assert "simulated 32 of 32 sweeps" in shown.err
    kept = Path(shown.err.strip().splitlines()[-1].removeprefix("kept in "))
    assert kept.is_file()

    again = json.loads(segsweep("plan", *SMALL, "--cpus", "3", "--json").out)
    assert again == json.loads(kept.read_text(encoding="utf-8"))


def test_lanes_that_do_not_fit_are_an_error_with_a_remedy(
    segsweep: Callable[..., Outcome],
) -> None:
    refused = segsweep("plan", *SMALL, "--set", "resources.lanes=9", "--cpus", "2", "--gpus", "0")
    assert refused.code == 2
    assert "lower resources.lanes" in refused.err


@pytest.mark.slow
def test_the_report_scores_the_plan(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    assert "planned" not in segsweep("report").out
    settings = ("--set", "budget.trials=3", "--set", "budget.epochs=1", "--set", "teacher=null")
    assert segsweep("plan", *settings).code == 0
    assert adopt_plan(load_spec(finished.spec), finished.root, finished.path)
    found = json.loads(segsweep("report", "--json").out)["plan"]
    assert {each["name"] for each in found} >= {"device_hours", "hypervolume"}
    assert next(each["actual"] for each in found if each["name"] == "complete") == 2
    text = " ".join(segsweep("report").out.split())
    assert "figures as foreseen; device-hours" in text
