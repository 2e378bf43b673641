from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.records import SweepRecords, TrialRecord
from orchestrator.report.analysis.baselines import compare_baselines
from orchestrator.report.markdown import to_markdown
from orchestrator.report.model import build_report
from orchestrator.report.plot.html import to_html
from orchestrator.report.plot.png import draw
from orchestrator.report.tables.baselines import baseline_section
from orchestrator.report.text import to_csv, to_json
from orchestrator.search.pareto import non_dominated_ranks
from orchestrator.spec.objectives import Objective
from search_spaces.space import config_digest

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
