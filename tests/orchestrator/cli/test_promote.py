from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.folders import SweepFolder
    from tests.orchestrator.cli.conftest import Outcome


def test_a_promotion_without_a_sweep_prints_the_command_to_run_one(
    segsweep: Callable[..., Outcome],
) -> None:
    outcome = segsweep("promote", "--dry-run")
    assert outcome.code == 2
    assert "start one with 'segsweep run'" in outcome.err


def test_the_help_lists_the_rules(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("promote", "--help")
    assert outcome.code == 0
    for rule in ("best-miou", "knee", "fastest", "smallest"):
        assert rule in outcome.out


def test_models_and_rollback_without_a_sweep_name_the_options(
    segsweep: Callable[..., Outcome],
) -> None:
    for arguments in (("models",), ("rollback", "street")):
        outcome = segsweep(*arguments)
        assert outcome.code == 2
        assert "name the folder with --storage" in outcome.err


def test_a_bound_on_the_test_miou_without_a_test_split_is_one_user_error(
    segsweep: Callable[..., Outcome], finished: SweepFolder
) -> None:
    outcome = segsweep("promote", finished.sweep_id, "--min-test-miou", "0.3")
    assert outcome.code == 2
    assert outcome.out == ""
    (line,) = outcome.err.splitlines()
    assert line.startswith(f"error: sweep {finished.sweep_id} has no test split")
    assert "data.test_split" in line
