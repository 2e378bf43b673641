"""Figures of a sweep from its trial records."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from orchestrator.ledger.events import TrialAsked, TrialEnded, TrialExamined
from orchestrator.ledger.records import RecordState, SweepRecords, TrialRecord, fold
from orchestrator.report.analysis import compare_baselines, effort_of, kendall_tau, volume_curve
from orchestrator.report.model import build_report
from orchestrator.report.plot.html import to_html
from orchestrator.report.plot.png import draw
from orchestrator.report.tables import baseline_section, deployable_html, held_out_line
from orchestrator.report.text import summary, to_csv, to_json, to_markdown
from orchestrator.search.pareto import hypervolume, non_dominated_ranks
from orchestrator.spec.objectives import Objective
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.events import SweepEvent
    from orchestrator.report.model import SweepReport

AIMS = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))
REFERENCE = {"miou": 0.0, "latency_ms": 10.0}
FIGURES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 0.2, 0.4, 0.6, float("nan")]),
        st.sampled_from([1.0, 4.0, 9.0, 12.0]),
    ),
    max_size=12,
)


@given(FIGURES)
def test_the_curve_is_the_hypervolume_of_everything_so_far(
    figures: list[tuple[float, float]],
) -> None:
    events: list[TrialAsked | TrialEnded] = []
    for number, (miou, latency) in enumerate(figures):
        name = f"t{number}"
        events.append(TrialAsked(trial_id=name, number=number, config={}, seconds=number))
        metrics = {"miou": miou, "latency_ms": latency}
        events.append(
            TrialEnded(trial_id=name, state="complete", reason="", metrics=metrics, seconds=number)
        )
    curve = volume_curve(fold(events), AIMS, REFERENCE)
    sound = [each for each in figures if all(map(math.isfinite, each))]  # others have failed
    wanted = [hypervolume(sound[: count + 1], AIMS, REFERENCE) for count in range(len(sound))]
    assert [point.hypervolume for point in curve] == pytest.approx(wanted)
    assert [point.completed for point in curve] == list(range(1, len(sound) + 1))


def ended_trial(number: int, state: RecordState, epochs: int, seconds: float) -> TrialRecord:
    return TrialRecord(
        trial_id=f"t{number}",
        number=number,
        state=state,
        config={},
        epochs_done=epochs,
        busy_seconds=seconds,
    )


RECORDS = SweepRecords(
    trials=(
        ended_trial(0, "complete", 10, 100.0),
        ended_trial(1, "stopped", 2, 20.0),
        ended_trial(2, "infeasible", 0, 0.0),
        ended_trial(3, "running", 3, 0.0),
    ),
    seconds=150.0,
)


def test_saved_time_counts_remaining_epochs_at_the_mean_duration() -> None:
    effort = effort_of(RECORDS, epochs=10, workers_per_trial=2)
    assert (effort.seconds, effort.epochs) == (150.0, 15)
    assert effort.device_hours == pytest.approx(240 / 3600)
    assert (effort.stop_epochs_saved, effort.gate_epochs_saved) == (8, 10)
    assert effort.device_hours_saved == pytest.approx(18 * 240 / 15 / 3600)


def test_without_the_length_of_a_training_there_is_no_estimate() -> None:
    effort = effort_of(RECORDS)
    assert effort.device_hours_saved is None
    assert effort.stop_epochs_saved == 0
    assert effort_of(SweepRecords(), epochs=10).device_hours_saved is None


@pytest.fixture
def make(
    demo_events: Callable[..., list[SweepEvent]], objectives: tuple[Objective, ...]
) -> Callable[..., SweepReport]:
    """Return a function that reports a sweep whose front got these scores, or these failures."""

    def report(*found: float | str) -> SweepReport:
        events = demo_events(12)
        front = build_report(fold(events), objectives, sweep_id="demo").front
        for row, value in zip(front, found, strict=False):
            failed = isinstance(value, str)
            events.append(
                TrialExamined(
                    trial_id=row.trial_id,
                    kind="test",
                    metrics={} if failed else {"test_miou": float(value)},
                    reason=str(value) if failed else "",
                )
            )
        return build_report(fold(events), objectives, sweep_id="demo")

    return report


def falling(report: SweepReport) -> list[float]:
    """Return scores that keep the order of the front by mIoU, a tenth below."""
    return [row.metrics["miou"] - 0.1 for row in report.front]


def shown(report: SweepReport) -> str:
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(summary(report))
    return console.export_text()


@pytest.mark.parametrize(
    ("one", "other", "tau"),
    [
        ([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.4, 0.5], 1.0),
        ([0.1, 0.2, 0.3, 0.4], [0.5, 0.4, 0.3, 0.2], -1.0),
        ([0.1, 0.2, 0.3, 0.4], [0.2, 0.3, 0.5, 0.4], 2 / 3),  # five pairs agree, one does not
    ],
)
def test_tau_is_that_of_the_pairs(one: list[float], other: list[float], tau: float) -> None:
    found, reason = kendall_tau(one, other)
    assert found == pytest.approx(tau)
    assert reason == ""


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        ([], [], "needs two scored trials, got 0"),
        ([0.5], [0.4], "needs two scored trials, got 1"),
        ([0.5, 0.5], [0.4, 0.3], "all trials of the front have the same mIoU"),
    ],
)
def test_without_two_orders_there_is_no_tau_but_a_reason(
    one: list[float], other: list[float], reason: str
) -> None:
    tau, why = kendall_tau(one, other)
    assert tau is None
    assert why.startswith(reason)


def test_every_form_of_the_report_has_the_scores(make: Callable[..., SweepReport]) -> None:
    scores = falling(make())
    report = make(*scores)
    assert len(report.front) >= 3
    assert [row.test_miou for row in report.front] == scores
    told = json.loads(to_json(report))
    assert told["test"] == {
        "scored": len(scores),
        "kendall_tau": 1.0,
        "reason": "",
        "failed": {},
    }
    by_id = {trial["id"]: trial["test_miou"] for trial in told["trials"]}
    assert [by_id[trial] for trial in told["front"]] == scores
    assert sum(value is not None for value in by_id.values()) == len(scores)
    rows = {row["trial"]: row["test_miou"] for row in csv.DictReader(io.StringIO(to_csv(report)))}
    assert [float(rows[trial]) for trial in told["front"]] == scores
    assert list(rows.values()).count("") == len(rows) - len(scores)
    for text in (shown(report), to_markdown(report), to_html(report)):
        assert "test mIoU" in text
        assert "Kendall's tau between the splits 1.00" in text.replace("&#x27;", "'")
        assert all(f"{score:.4f}" in text for score in scores)
    assert "<td>-0.1000</td>" in deployable_html(report)


def test_the_line_says_how_far_the_scores_fell(make: Callable[..., SweepReport]) -> None:
    report = make(*falling(make()))
    mean = sum(row.metrics["miou"] for row in report.front) / len(report.front)
    assert f"mean mIoU {mean - 0.1:.4f}, on val {mean:.4f}" in held_out_line(report)


def test_a_failed_score_is_named_and_the_others_stand(make: Callable[..., SweepReport]) -> None:
    failing = make("a file | is torn", *falling(make())[1:])
    told = json.loads(to_json(failing))["test"]
    assert told["failed"] == {failing.front[0].trial_id: "a file | is torn"}
    assert told["scored"] == len(failing.front) - 1
    assert "<td>a file | is torn</td>" in deployable_html(failing)


def test_one_score_gives_no_tau(make: Callable[..., SweepReport]) -> None:
    told = json.loads(to_json(make(0.3)))["test"]
    assert told["kendall_tau"] is None
    assert "needs two scored trials" in told["reason"]
    assert "no Kendall's tau: needs two scored trials" in shown(make(0.3)).replace("\n", " ")


def test_without_a_test_split_the_report_is_as_before(make: Callable[..., SweepReport]) -> None:
    report = make()
    told = json.loads(to_json(report))
    assert "test" not in told
    assert "test_miou" not in told["trials"][0]
    assert "test_miou" not in to_csv(report)
    assert all("test mIoU" not in text for text in (shown(report), to_markdown(report)))


TWO = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))
TRIALS = st.lists(
    st.tuples(
        st.integers(0, 4),
        st.integers(0, 4),
        st.sampled_from(["complete", "complete", "complete", "stopped", "failed"]),
    ),
    min_size=1,
    max_size=9,
)


def trial(number: int, miou: float, latency: float, state: str = "complete") -> TrialRecord:
    return TrialRecord(
        trial_id=f"t{number}",
        number=number,
        state=state,  # type: ignore[arg-type]
        config={"x": number},
        metrics={"miou": miou, "latency_ms": latency},
        reason="stopped at rung 1" if state == "stopped" else "",
    )


def named(*numbers: int) -> dict[str, str]:
    return {config_digest({"x": number}): f"base-{number}" for number in numbers}


@given(TRIALS, st.integers(0, 9))
def test_every_verdict_is_what_comparing_all_pairs_says(
    given_trials: list[tuple[int, int, str]], baselines: int
) -> None:
    trials = [trial(n, miou, ms, state) for n, (miou, ms, state) in enumerate(given_trials)]
    complete = {each.trial_id: each.metrics for each in trials if each.state == "complete"}
    points = [[m["miou"], m["latency_ms"]] for m in complete.values()]
    ranks = dict(zip(complete, non_dominated_ranks(points, TWO), strict=True))
    found = compare_baselines(named(*range(baselines)), trials, TWO)
    assert [each.name for each in found] == [f"base-{n}" for n in range(baselines)]
    for number, each in enumerate(found):
        own = f"t{number}"
        assert each.trial_id == (own if number < len(trials) else None)
        if own not in complete:
            assert (each.verdict, each.by) == ("unranked", None)
            continue
        assert (each.verdict == "dominated") == (ranks[own] > 0)
        equal = [t for t, m in complete.items() if m == complete[own] and t != own]
        if each.verdict == "dominated":
            assert each.by is not None
            by, mine = complete[each.by], complete[own]
            assert by["miou"] >= mine["miou"]
            assert by["latency_ms"] <= mine["latency_ms"]
            assert by != mine
            searched = [
                t
                for t, m in complete.items()
                if int(t[1:]) >= baselines
                and m["miou"] >= mine["miou"]
                and m["latency_ms"] <= mine["latency_ms"]
                and m != mine
            ]
            if searched:  # one that was searched is named before a baseline
                best = max(complete[t]["miou"] for t in searched)
                assert each.by in searched
                assert by["miou"] == best
        else:
            assert (each.verdict == "matched") == bool(equal)
            assert each.by in equal if equal else each.by is None


REPORT = build_report(
    SweepRecords(
        trials=(
            trial(0, 0.5, 2.0),
            trial(1, 0.3, 3.0),
            trial(2, 0.4, 1.0),
            trial(3, 0.2, 1.0, "stopped"),
            trial(4, 0.1, 4.0),
        )
    ),
    TWO,
    sweep_id="s",
    baselines=named(1, 2, 3, 7),
)


def test_the_words_say_where_each_stands_and_by_which_trial() -> None:
    section = baseline_section(REPORT)
    assert [row[0] for row in section.rows] == ["base-1", "base-2", "base-3", "base-7"]
    assert [row[-1] for row in section.rows] == [
        "dominated by t0",
        "on the front",
        "stopped: stopped at rung 1",
        "not started",
    ]
    both = build_report(
        SweepRecords(trials=(trial(0, 0.5, 2.0), trial(1, 0.4, 3.0), trial(2, 0.5, 2.0))),
        TWO,
        sweep_id="s",
        baselines=named(0, 1),
    )
    words = [row[-1] for row in baseline_section(both).rows]
    assert words == ["matched by t2", "dominated by t2"]


def test_programs_read_it_from_json_and_csv() -> None:
    facts = json.loads(to_json(REPORT))
    assert [(each["name"], each["standing"], each["by"]) for each in facts["baselines"]] == [
        ("base-1", "dominated", "t0"),
        ("base-2", "front", None),
        ("base-3", "unranked", None),
        ("base-7", "unranked", None),
    ]
    assert facts["baselines"][1]["objectives"] == {"miou": 0.4, "latency_ms": 1.0}
    assert [each.get("baseline") for each in facts["trials"]] == [
        None,
        "base-1",
        "base-2",
        "base-3",
        None,
    ]
    lines = to_csv(REPORT).splitlines()
    assert lines[0].endswith(",baseline")
    assert lines[2].endswith(",base-1")


def test_every_page_names_them() -> None:
    for text in (to_markdown(REPORT), to_html(REPORT)):
        assert "base-1" in text
        assert "dominated by t0" in text
    assert "base-2: " in to_markdown(REPORT)  # it is on the front, by its name


def test_the_picture_marks_them_with_their_names() -> None:
    plot = draw(REPORT).axes[0]
    dots = {str(dots.get_label()): len(dots.get_offsets()) for dots in plot.collections}  # type: ignore[arg-type]
    assert dots["baselines"] == 2
    assert {"base-1", "base-2"} <= {text.get_text() for text in plot.texts}


def test_a_sweep_without_baselines_shows_none() -> None:
    bare = build_report(SweepRecords(trials=(trial(0, 0.5, 2.0),)), TWO, sweep_id="s")
    assert bare.baselines == ()
    assert baseline_section(bare).rows == ()
    assert "baseline" not in to_csv(bare)
    plot = draw(bare).axes[0]
    assert "baselines" not in {str(dots.get_label()) for dots in plot.collections}
