from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.ledger.events import SweepEvent, TrialAsked, TrialEnded, TrialProfiled
from orchestrator.search.gate import MAX_CONSECUTIVE, MIN_RESIDUALS, CostGate, DominatedBound
from orchestrator.search.pareto import pareto_front
from orchestrator.spec.objectives import Constraint, Objective
from search_spaces.domains import Categorical, Float
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from search_spaces.space import Config


@pytest.mark.parametrize(
    ("text", "value", "holds"),
    [
        ("latency_ms <= 20", 20.0, True),
        ("latency_ms < 20", 20.0, False),
        ("flops<=5e9", 4e9, True),
        ("miou >= 0.3", 0.2, False),
        ("miou > 0.3", float("nan"), False),
    ],
)
def test_a_constraint_is_parsed_from_text(text: str, value: float, holds: bool) -> None:  # noqa: FBT001
    assert Constraint.parse(text).holds(value) is holds


@pytest.mark.parametrize("text", ["", "latency", "latency_ms = 3", "latency_ms <= x", "a <= nan"])
def test_an_invalid_constraint_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="latency_ms <= 20"):
        Constraint.parse(text)


def test_only_known_metrics_are_judged() -> None:
    limits = [Constraint.parse("flops <= 10"), Constraint.parse("latency_ms <= 5")]
    gate = CostGate(limits, lambda _: {})
    assert gate.judge({}) is None
    assert gate.judge({"flops": 10.0}) is None
    assert gate.judge({"flops": 11.0}) == "flops = 11 breaks flops <= 10"
    both = gate.judge({"flops": 11.0, "latency_ms": 6.0})
    assert both is not None
    assert "latency_ms" in both
    assert "flops" in both


def test_a_disturbed_latency_breaks_no_constraint() -> None:
    gate = CostGate(
        [Constraint.parse("latency_ms <= 5"), Constraint.parse("flops <= 1")], lambda _: {}
    )
    assert gate.judge({"latency_ms": 6.0, "latency_undisturbed": 1.0}) is not None
    assert gate.judge({"latency_ms": 6.0, "latency_undisturbed": 0.0}) is None
    assert gate.judge({"latency_ms": 6.0, "latency_undisturbed": 0.0, "flops": 2.0}) is not None


SPACE = SearchSpace.of(quality=Float(0.0, 1.0), size=Float(0.0, 1.0), kind=Categorical("a", "b"))
OBJECTIVES = (
    Objective("miou", "maximize"),
    Objective("latency_ms", "minimize"),
    Objective("flops", "minimize"),
)


def costs(config: Config) -> dict[str, float]:
    size = float(config["size"])
    return {"flops": 1e6 * (1 + 9 * size), "latency_ms": 2 + 8 * size}


def true_miou(config: Config) -> float:
    return 0.2 + 0.4 * float(config["quality"]) + 0.1 * float(config["size"])


def trial(number: int, config: Config, miou: float) -> list[SweepEvent]:
    name, metrics = f"t{number:05d}", costs(config)
    return [
        TrialAsked(trial_id=name, number=number, config=config, known={"flops": metrics["flops"]}),
        TrialProfiled(trial_id=name, metrics={"latency_ms": metrics["latency_ms"]}),
        TrialEnded(trial_id=name, state="complete", metrics={"miou": miou}),
    ]


def rule_after(trials: int, *, seed: int = 0, noise: float = 0.01) -> DominatedBound:
    rule, rng = DominatedBound(SPACE, OBJECTIVES), np.random.default_rng(seed)
    for number in range(trials):
        config = SPACE.sample(rng)
        miou = true_miou(config) + noise * rng.standard_normal()
        for event in trial(number, config, miou):
            rule.observe(event)
    return rule


RULE = rule_after(60)
POOR: Config = {"quality": 0.0, "size": 0.9, "kind": "a"}


def test_nothing_is_ruled_out_before_enough_complete_trials() -> None:
    for trials in range(MIN_RESIDUALS + 1):
        assert rule_after(trials).verdict(POOR, costs(POOR)) is None


def test_a_poor_expensive_configuration_is_ruled_out_with_figures() -> None:
    rule = rule_after(60)
    verdict, bound = rule.verdict(POOR, costs(POOR)), rule.bound(POOR, costs(POOR))
    assert bound is not None
    assert true_miou(POOR) < bound < true_miou({**POOR, "quality": 1.0})
    assert verdict is not None
    assert verdict.startswith(f"dominated: miou of at most {bound:.3f} with latency_ms = 9.2")
    assert "expected; t000" in verdict


def test_the_cheapest_and_the_best_are_not_ruled_out() -> None:
    rule = rule_after(80)
    for config in ({**POOR, "size": 0.0}, {**POOR, "quality": 1.0}):
        assert rule.verdict(config, costs(config)) is None


def test_a_configuration_with_an_unknown_cost_is_not_judged() -> None:
    rule = rule_after(60)
    assert rule.verdict(POOR, {"flops": costs(POOR)["flops"]}) is None
    assert rule.verdict(POOR, {**costs(POOR), "latency_ms": float("nan")}) is None


def test_stopped_trials_do_not_enter_the_regression() -> None:
    rule, rng = DominatedBound(SPACE, OBJECTIVES), np.random.default_rng(3)
    for number in range(60):
        asked, profiled, ended = trial(number, SPACE.sample(rng), 0.5)
        assert isinstance(ended, TrialEnded)
        for event in (
            asked,
            profiled,
            TrialEnded(trial_id=ended.trial_id, state="stopped", metrics=ended.metrics),
        ):
            rule.observe(event)
    assert rule.bound(POOR, costs(POOR)) is None


@pytest.mark.parametrize("word", ["dominated", "hopeless"])
def test_after_many_verdicts_in_a_row_one_trial_is_trained(word: str) -> None:
    rule = rule_after(60)
    verdict = rule.verdict(POOR, costs(POOR))
    assert verdict is not None
    reason = verdict.replace("dominated", word)
    for number in range(MAX_CONSECUTIVE):
        assert rule.verdict(POOR, costs(POOR)) == verdict
        rule.observe(TrialEnded(trial_id=f"t{100 + number}", state="infeasible", reason=reason))
    assert rule.verdict(POOR, costs(POOR)) is None
    for event in trial(500, POOR, true_miou(POOR)):
        rule.observe(event)
    assert rule.verdict(POOR, costs(POOR)) is not None


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    noise=st.floats(0.0, 0.2),
    margin=st.floats(0.0, 1.0),
)
def test_a_verdict_is_never_on_the_front_below_its_bound(
    seed: int, noise: float, margin: float
) -> None:
    rng = np.random.default_rng(seed)
    rule, points = DominatedBound(SPACE, OBJECTIVES), []
    for number in range(40):
        config = SPACE.sample(rng)
        miou = true_miou(config) + noise * rng.standard_normal()
        points.append([miou, costs(config)["latency_ms"], costs(config)["flops"]])
        for event in trial(number, config, miou):
            rule.observe(event)
    for _ in range(30):
        config = SPACE.sample(rng)
        metrics = costs(config)
        bound, verdict = rule.bound(config, metrics), rule.verdict(config, metrics)
        if verdict is None:
            continue
        assert bound is not None
        reached = [*points, [bound - margin, metrics["latency_ms"], metrics["flops"]]]
        assert len(points) not in pareto_front(reached, OBJECTIVES)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000))
def test_verdicts_depend_on_the_events_alone(seed: int) -> None:
    one, other = rule_after(40, seed=seed), rule_after(40, seed=seed)
    rng = np.random.default_rng(seed)
    for _ in range(10):
        config = SPACE.sample(rng)
        assert one.verdict(config, costs(config)) == other.verdict(config, costs(config))
        assert pickle.dumps(one.bound(config, costs(config))) == pickle.dumps(
            other.bound(config, costs(config))
        )


@given(st.floats(1.0, 20.0), st.booleans())
def test_the_gate_judges_constraints_before_the_dominated_bound(
    latency: float,
    full: bool,  # noqa: FBT001
) -> None:
    rule = RULE if full else None
    gate = CostGate([Constraint.parse("latency_ms <= 9")], costs, rule)
    metrics = {**costs(POOR), "latency_ms": latency}
    plain = CostGate([Constraint.parse("latency_ms <= 9")], costs).judge(metrics)
    assert gate.judge(metrics) == plain
    verdict = gate.judge(metrics, POOR)
    if plain is not None or not full:
        assert verdict == plain
    else:
        assert verdict is None or verdict.startswith("dominated")
