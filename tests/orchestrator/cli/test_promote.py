from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_promotion_without_a_sweep_says_how_to_get_one(segsweep: Callable[..., Any]) -> None:
    outcome = segsweep("promote", "--dry-run")
    assert outcome.code == 2
    assert "start one with 'segsweep run'" in outcome.err


def test_the_rules_are_in_the_help(segsweep: Callable[..., Any]) -> None:
    outcome = segsweep("promote", "--help")
    assert outcome.code == 0
    for rule in ("best-miou", "knee", "fastest", "smallest"):
        assert rule in outcome.out


def test_models_and_rollback_say_where_they_looked(segsweep: Callable[..., Any]) -> None:
    for arguments in (("models",), ("rollback", "street")):
        outcome = segsweep(*arguments)
        assert outcome.code == 2
        assert "name the folder with --storage" in outcome.err
