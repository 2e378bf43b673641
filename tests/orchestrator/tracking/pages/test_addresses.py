from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.tracking.pages.addresses import run_address, sweep_key, view_address


def test_addresses_are_those_of_the_ui() -> None:
    assert view_address("http://host:5/", "7", "key") == (
        "http://host:5/#/experiments/7/runs?viewStateShareKey=key"
        "&compareRunsMode=CHART&workflowType=machine_learning"
    )
    assert run_address("", "7", "r").startswith("#/experiments/7/runs/r?")
    assert "/r/artifacts/a/b.html?" in run_address("", "7", "r", artifact="a/b.html")


@given(st.text(max_size=30))
def test_a_key_can_stand_in_an_address(sweep_id: str) -> None:
    key = sweep_key(sweep_id)
    assert all(
        character.isascii() and (character.isalnum() or character == "-") for character in key
    )
