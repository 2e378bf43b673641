from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.forecast.simulation.parallel import results_in_order

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_one_job_goes_through_the_items_as_they_are_asked_for() -> None:
    begun: list[int] = []

    def double(item: int) -> int:
        begun.append(item)
        return 2 * item

    results = results_in_order(double, iter(range(3)))
    assert next(results) == 0
    assert begun == [0]
    assert list(results) == [2, 4]


@pytest.mark.slow
def test_processes_are_started_where_the_caller_is_and_end_with_the_last_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found = list(results_in_order(lambda item: (item, Path.cwd().name), range(4), jobs=2))
        assert found == [(item, name) for item in range(4)]


@pytest.mark.slow
def test_what_a_process_raises_is_raised_here_and_the_next_use_begins_anew() -> None:
    def fail(item: int) -> int:
        if item == 1:
            raise LookupError("item 1")
        return item

    results: Iterator[int] = results_in_order(fail, range(4), jobs=2)
    with pytest.raises(LookupError, match="item 1"):
        list(results)
    assert list(results_in_order(abs, [-1, -2], jobs=2)) == [1, 2]
