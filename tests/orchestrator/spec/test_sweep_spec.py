"""The dataclasses of a spec."""

from __future__ import annotations

from orchestrator.spec.sections import read_section
from orchestrator.spec.sweep_spec import SearchConfig, current_scheduler, scheduler_names


def test_a_spec_may_use_the_former_name_of_a_scheduler() -> None:
    assert read_section(SearchConfig, {"scheduler": "prospect"}, "search") == SearchConfig()
    assert "prospect" not in scheduler_names()


def test_current_names_stay() -> None:
    assert [current_scheduler(name) for name in scheduler_names()] == list(scheduler_names())
