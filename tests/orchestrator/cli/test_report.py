from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.folders import SweepFolder
    from tests.orchestrator.cli.conftest import Outcome


def test_json_is_what_scripts_were_promised(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    outcome = segsweep("report", "--json")
    assert outcome.code == 0
    found = json.loads(outcome.out)
    assert found["sweep_id"] == finished.sweep_id
    assert found["completed"] == 2
    assert set(found["front"]) == {"t00000", "t00001"}
    assert set(found["reference_point"]) == {"miou", "latency_ms", "flops"}
    # latency and FLOPs end a tenth of their range beyond the worst; mIoU begins at 0
    dx, dy = 9.4, 9.4e8
    by_hand = 0.2 * (dx - 5) * (dy - 5e8) + (0.4 - 0.2) * (dx - 9) * (dy - 9e8)
    assert abs(found["hypervolume"] - by_hand) < 1e-6 * by_hand
    assert {trial["state"] for trial in found["trials"]} == {"complete", "failed"}
    assert all({"id", "state", "config", "objectives"} <= set(t) for t in found["trials"])
    assert not finished.report.exists()


def test_text_shows_the_front_and_writes_the_files(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    outcome = segsweep("report", "made")
    assert outcome.code == 0
    assert "t00001" in outcome.out
    names = {path.name for path in finished.report.iterdir()}
    assert names == {"report.json", "trials.csv", "pareto.png", "pareto.html"}
    assert all(str(finished.report / name) in outcome.out for name in names)


def test_an_unknown_sweep_is_a_user_error(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    outcome = segsweep("report", "other")
    assert outcome.code == 2
    assert finished.sweep_id in outcome.err


def test_no_sweep_prints_the_command_to_run_one(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("report")
    assert outcome.code == 2
    assert "segsweep run" in outcome.err


def test_a_ledger_that_is_broken_is_one_message(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    for path in finished.path.glob("ledger.db*"):
        path.unlink()
    finished.ledger.write_bytes(b"no database, but long enough to look at" * 30)
    outcome = segsweep("report")
    assert outcome.code == 2
    assert "ledger.db" in outcome.err
