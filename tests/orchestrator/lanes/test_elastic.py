from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.lanes.elastic import Elastic

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_the_number_of_lanes_follows_the_room_on_the_cluster() -> None:
    answers: Iterator[list[int] | Exception] = iter(
        [[2], [2], [3], [1], RuntimeError("the head is away"), [2]]
    )
    made: list[list[int]] = []

    def room() -> list[int]:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    elastic = Elastic(room, lambda lanes: made.append(list(lanes)))
    for _ in range(6):
        elastic.poll()
    assert made == [[2], [3], [1], [2]]


def test_it_looks_by_itself_until_its_end() -> None:
    import threading

    seen = threading.Event()

    def room() -> list[int]:
        seen.set()
        return [1]

    with Elastic(room, lambda _: None, seconds=0.001):
        assert seen.wait(5)
