from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.events import Objective
from orchestrator.folders import SweepFolder
from orchestrator.ledger import Ledger
from orchestrator.results import REFERENCE, keep_reference, kept_reference, make_report
from orchestrator.spec.parse import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.events import SweepEvent


def test_a_resumed_sweep_is_measured_from_where_it_was_first(
    tmp_path: Path, demo_events: Callable[..., list[SweepEvent]]
) -> None:
    spec = load_spec(None, overrides=[f"storage.root={tmp_path}", "teacher=null"])
    folder = SweepFolder(tmp_path, "demo-1")
    early = len(demo_events(4))
    with Ledger(folder.ledger) as ledger:
        keep_reference(make_report(spec, folder), ledger)
        assert ledger.fact(REFERENCE) is None
        for event in demo_events(4):
            ledger.append(event)
        first = make_report(spec, folder)
        keep_reference(first, ledger)
        for event in demo_events(24)[early:]:
            ledger.append(event)
        later = make_report(spec, folder)
    assert later.reference_point == first.reference_point
    assert later.hypervolume >= first.hypervolume > 0
    assert [each.hypervolume for each in later.curve[: len(first.curve)]] == [
        each.hypervolume for each in first.curve
    ]


@pytest.mark.parametrize(
    "fact",
    [None, "?", [], {"miou": 1}, {"miou": "x", "flops": 1}, {"miou": float("nan"), "flops": 1}],
)
def test_a_broken_reference_point_counts_as_none(fact: object) -> None:
    aims = (Objective("miou", "maximize"), Objective("flops", "minimize"))
    assert kept_reference(fact, aims) is None
    assert kept_reference({"miou": 0, "flops": 5.0}, aims) == {"miou": 0.0, "flops": 5.0}
