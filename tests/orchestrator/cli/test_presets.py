from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from search_spaces.presets import PRESETS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.orchestrator.cli.conftest import Outcome


def test_all_are_listed(segsweep: Callable[..., Outcome]) -> None:
    assert set(json.loads(segsweep("presets", "--json").out)) == set(PRESETS)
    assert segsweep("presets").out.count("\n") == len(PRESETS)


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_one_is_shown_whole(segsweep: Callable[..., Outcome], name: str) -> None:
    outcome = segsweep("presets", name, "--json")
    rows = json.loads(outcome.out)["dimensions"]
    assert {"arch", "backbone", "distill_alpha"} <= {row["name"] for row in rows}
    assert "backbone" in segsweep("presets", name).out


def test_an_unknown_preset_is_a_user_error(segsweep: Callable[..., Outcome]) -> None:
    outcome = segsweep("presets", "kin")
    assert outcome.code == 2
    assert "did you mean 'kim'" in outcome.err
