from __future__ import annotations

import pickle

from orchestrator.spec.errors import SpecError
from search_spaces.faults import Fault


def test_all_faults_stand_in_the_message() -> None:
    error = SpecError([Fault("a.b", "wrong"), Fault("c", "missing")], "x.yaml")
    assert str(error) == "2 faults in x.yaml:\n  a.b: wrong\n  c: missing"
    assert str(SpecError([Fault("a", "b")])).startswith("1 fault in the spec:")


def test_it_survives_pickling() -> None:
    error = SpecError([Fault("a.b", "wrong")], "x.yaml")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert type(again) is SpecError
    assert (again.faults, again.source, str(again)) == (error.faults, error.source, str(error))
