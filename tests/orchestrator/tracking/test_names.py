from __future__ import annotations

import pytest

from orchestrator.ledger.records import RECORD_STATES
from orchestrator.report.plot.axes import DOMINATED_COLOUR, FRONT_COLOUR, UNFINISHED_COLOUR
from orchestrator.tracking.names import STATUS, children_filter, colour, tag_filter


def test_every_state_has_a_status() -> None:
    assert set(STATUS) == set(RECORD_STATES)
    assert STATUS["complete"] == "FINISHED"
    assert STATUS["stopped"] == STATUS["preempted"] == "KILLED"
    assert STATUS["failed"] == STATUS["infeasible"] == "FAILED"


def test_filters_are_what_mlflow_reads() -> None:
    assert children_filter("s", "r") == "tags.`sweep.id` = 's' AND tags.`mlflow.parentRunId` = 'r'"


def test_a_quote_cannot_break_a_filter() -> None:
    assert tag_filter(sweep__id="it's") == 'tags.`sweep.id` = "it\'s"'
    with pytest.raises(ValueError, match="both kinds of quotes"):
        tag_filter(sweep__id='it\'s "so"')


def test_the_front_the_rest_and_the_unfinished_differ_in_colour() -> None:
    assert colour("complete", 0) == FRONT_COLOUR
    assert colour("complete", 3) == DOMINATED_COLOUR
    assert colour("stopped", None) == UNFINISHED_COLOUR
