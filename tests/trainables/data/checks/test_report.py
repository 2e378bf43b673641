from __future__ import annotations

from trainables.data.checks.report import SplitReport, fault_lines
from trainables.data.faults import Fault


def faults(kind: str, count: int) -> list[Fault]:
    return [
        Fault(kind=kind, path=f"{kind} {i}", what="is wrong", remedy="fix it")  # type: ignore[arg-type]
        for i in range(count)
    ]


def test_faults_are_grouped_by_kind_up_to_the_limit() -> None:
    first, second = faults("unreadable mask", 3), faults("missing file", 1)
    lines = list(fault_lines([first[0], *second, *first[1:]], limit=2))
    assert lines == [
        str(first[0]),
        str(first[1]),
        "... and 1 more of: unreadable mask",
        str(second[0]),
    ]


def test_frequencies_are_shares_of_the_labelled_pixels() -> None:
    split = SplitReport(
        role="train",
        images=1,
        sizes=((2, 5, 1),),
        class_pixels=(6, 2),
        class_images=(1, 1),
        ignored_pixels=2,
        digest="0" * 16,
    )
    assert split.frequencies == (0.75, 0.25)
    assert split.ignored_share == 0.2
