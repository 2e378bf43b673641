from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.registry import gates
from orchestrator.registry.request import Limits
from orchestrator.spec.objectives import Objective

OBJECTIVES = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))
share = st.floats(0, 1)
time = st.floats(0.1, 100)


def champion(candidate: tuple[float, float], other: tuple[float, float]) -> gates.Verdict:
    names = ("miou", "latency_ms")
    return gates.judge_champion(
        dict(zip(names, candidate, strict=True)),
        dict(zip(names, other, strict=True)),
        OBJECTIVES,
        version=2,
        noise={"latency_ms": 0.1},
    )


def test_a_digest_passes_only_where_it_is_the_same() -> None:
    assert gates.judge_digest("ab", "ab").passed
    verdict = gates.judge_digest("ab", "cd")
    assert not verdict.passed
    assert "ab" in verdict.message
    assert "cd" in verdict.message


@given(found=share, recorded=share, tolerance=st.floats(0, 0.1))
def test_the_miou_gate_is_the_distance(found: float, recorded: float, tolerance: float) -> None:
    verdict = gates.judge_miou(found=found, recorded=recorded, tolerance=tolerance)
    assert verdict.passed == (abs(found - recorded) <= tolerance)
    assert verdict.figures["found"] == found
    assert verdict.figures["recorded"] == recorded


def test_a_miou_that_is_no_number_is_not_reproduced() -> None:
    assert not gates.judge_miou(found=math.nan, recorded=0.5, tolerance=1).passed


def latency(found: float, machine: str = "a") -> gates.Verdict:
    return gates.judge_latency(
        found=found, recorded=10, tolerance=0.5, machine=machine, recorded_machine="a"
    )


def test_a_latency_may_be_less_but_not_much_more() -> None:
    assert latency(2).passed
    assert latency(15).passed
    assert not latency(15.1).passed
    assert not latency(math.nan).passed
    assert not latency(math.inf).passed


def test_a_disturbed_latency_is_named_and_one_that_is_too_long_asks_for_quiet() -> None:
    facts = {"recorded": 10.0, "tolerance": 0.2, "machine": "a", "recorded_machine": "a"}
    short = gates.judge_latency(found=11.0, disturbance="load", **facts)  # type: ignore[arg-type]
    assert short.passed
    assert "this measurement was disturbed: load" in short.message
    long = gates.judge_latency(found=20.0, disturbance="load", **facts)  # type: ignore[arg-type]
    assert not long.passed
    assert long.message.endswith("promote again on an idle machine")
    doubtful = gates.judge_latency(found=9.0, recorded_undisturbed=False, **facts)  # type: ignore[arg-type]
    assert "the recorded measurement was disturbed" in doubtful.message
    assert doubtful.figures["recorded_undisturbed"] == 0


def test_a_latency_of_another_machine_is_not_compared() -> None:
    verdict = latency(100, machine="b")
    assert verdict.passed
    assert "on a; this machine has b" in verdict.message
    assert not latency(math.nan, machine="b").passed
    assert not latency(math.inf, machine="b").passed


def test_constraints_name_what_breaks_them_with_both_figures() -> None:
    bounds = Limits(max_latency_ms=20, min_miou=0.4).constraints()
    assert gates.judge_constraints({"latency_ms": 20, "miou": 0.4}, bounds).passed
    verdict = gates.judge_constraints({"latency_ms": 22.5, "miou": 0.4}, bounds)
    assert not verdict.passed
    assert verdict.message == "latency_ms = 22.5 breaks latency_ms <= 20"
    assert not gates.judge_constraints({}, bounds).passed


@pytest.mark.parametrize(
    ("agreement", "digest", "ours", "passed"),
    [
        (1.0, "p", (), True),
        (0.5, "p", (), False),
        (math.nan, "p", (), False),
        (1.0, "q", (), False),
        (1.0, "p", ("trainables",), False),
    ],
)
def test_reload_needs_pixels_program_and_independence(
    agreement: float, digest: str, ours: tuple[str, ...], *, passed: bool
) -> None:
    verdict = gates.judge_reload(
        agreement=agreement, found_digest=digest, packed_digest="p", own_modules=ours, least=0.999
    )
    assert verdict.passed == passed


@given(a=st.tuples(share, time), b=st.tuples(share, time))
def test_two_models_never_refuse_each_other(a: tuple[float, float], b: tuple[float, float]) -> None:
    assert champion(a, b).passed or champion(b, a).passed
    assert champion(a, a).passed


def test_the_champion_refuses_what_it_dominates() -> None:
    assert not champion((0.4, 30), (0.5, 20)).passed
    assert champion((0.4, 10), (0.5, 20)).passed
    assert champion((0.6, 30), (0.5, 20)).passed
    for bad in (math.nan, math.inf, -math.inf):
        assert not champion((bad, 20), (0.5, 20)).passed
        verdict = champion((bad, 10), (0.5, 20))  # that it is faster does not save it
        assert not verdict.passed
        assert "the candidate's miou is not finite" in verdict.message
        assert champion((0.5, 20), (bad, 20)).passed


def test_a_latency_within_the_noise_is_equal() -> None:
    assert champion((0.5, 21), (0.5, 20)).passed
    assert not champion((0.5, 25), (0.5, 20)).passed
    assert not champion((0.49, 19), (0.5, 20)).passed


def test_only_objectives_that_both_have_are_compared() -> None:
    verdict = gates.judge_champion(
        {"miou": 0.5}, {"miou": 0.5, "latency_ms": 1}, OBJECTIVES, version=1, noise={}
    )
    assert verdict.passed
    assert "latency" not in verdict.message


def test_other_classes_cannot_be_compared() -> None:
    assert not gates.other_classes(("a", "b"), ("a",), 3).passed
    assert gates.no_champion().passed


def test_a_lucky_seed_is_refused() -> None:
    assert gates.judge_seeds([0.50, 0.51, 0.52], recorded=0.52, tolerance=0.005).passed
    assert not gates.judge_seeds([0.40, 0.41, 0.42], recorded=0.52, tolerance=0.005).passed
    assert gates.judge_seeds([0.5], recorded=0.4, tolerance=0.005).passed
    assert gates.judge_seeds([0.5], recorded=0.5, tolerance=0).figures["spread"] == 0


def test_a_verdict_is_json_even_where_a_figure_is_not() -> None:
    verdict = gates.judge_miou(found=math.nan, recorded=0.5, tolerance=0.1)
    assert json.loads(json.dumps(verdict.to_mapping(), allow_nan=False))["figures"]["found"] is None
