"""Choice of the trial, and the plan of a promotion."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.registry.plan import NoCandidateError, PromotionPlan, choose, figures_text
from orchestrator.registry.request import RULES, Limits
from orchestrator.registry.versions import FIGURE_PREFIX, SWEEP, TRIAL, ModelVersion
from orchestrator.spec.objectives import Constraint

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.report.model import SweepReport

    Make = Callable[..., SweepReport]

in_moderation = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@given(seed=st.integers(0, 200), rule=st.sampled_from(RULES))
@in_moderation
def test_what_a_rule_picks_is_on_the_front(make_report: Make, seed: int, rule: str) -> None:
    report = make_report(seed)
    choice = choose(report, rule=rule)  # type: ignore[arg-type]
    assert choice.row.trial_id in {row.trial_id for row in report.front}
    assert len(choice.passed_over) == len(report.front) - 1


@given(seed=st.integers(0, 200), share=st.floats(0.05, 1))
@in_moderation
def test_the_best_miou_within_a_latency_is_that_of_brute_force(
    make_report: Make, seed: int, share: float
) -> None:
    report = make_report(seed)
    complete = [row for row in report.rows if row.state == "complete"]
    bound = share * max(row.metrics["latency_ms"] for row in complete)
    kept = [row for row in complete if row.metrics["latency_ms"] <= bound]
    constraints = Limits(max_latency_ms=bound).constraints()
    if not kept:
        with pytest.raises(NoCandidateError, match="loosen a bound"):
            choose(report, constraints=constraints)
        return
    found = choose(report, constraints=constraints).row
    assert found.metrics["miou"] == max(row.metrics["miou"] for row in kept)
    assert found.metrics["latency_ms"] <= bound


def test_each_rule_takes_the_extreme_of_its_figure(make_report: Make) -> None:
    report = make_report(3)
    assert choose(report, rule="fastest").row.trial_id == report.best["latency_ms"]
    assert choose(report, rule="fewest-flops").row.trial_id == report.best["flops"]
    assert choose(report, rule="knee").row.trial_id == report.knee


def test_a_bound_on_a_figure_that_is_no_objective_opens_the_front_behind(make_report: Make) -> None:
    report = make_report(0)
    front = {row.trial_id for row in report.front}
    sized = tuple(
        replace(row, metrics={**row.metrics, "size_mb": 99.0 if row.trial_id in front else 1.0})
        for row in report.rows
    )
    assert any(row.state == "complete" and row.trial_id not in front for row in sized)
    constraints = Limits(max_size_mb=10).constraints()
    found = choose(replace(report, rows=sized), constraints=constraints)
    assert found.row.trial_id not in front
    assert any("breaks size_mb <= 10" in why for _, why in found.passed_over)


def test_a_trial_can_be_named_even_behind_the_front(make_report: Make) -> None:
    report = make_report(0)
    behind = next(row for row in report.rows if row.rank and row.rank > 0)
    choice = choose(report, trial_id=behind.trial_id)
    assert choice.row == behind
    assert "dominates it" in choice.reason


def test_trials_that_cannot_be_promoted_raise_with_the_reason(make_report: Make) -> None:
    report = make_report(0)
    with pytest.raises(NoCandidateError, match="has no trial 't9'; complete are t0"):
        choose(report, trial_id="t9")
    unfinished = next(row for row in report.rows if row.state != "complete")
    with pytest.raises(NoCandidateError, match=f"{unfinished.trial_id} is {unfinished.state}"):
        choose(report, trial_id=unfinished.trial_id)
    bound = (Constraint("miou", ">=", 0.99),)
    with pytest.raises(NoCandidateError, match=r"breaks miou >= 0\.99"):
        choose(report, trial_id=report.front[0].trial_id, constraints=bound)
    empty = replace(report, rows=())
    with pytest.raises(NoCandidateError, match="no trial of sweep demo-1 completed"):
        choose(empty)


def plan_of(report: SweepReport, champion: ModelVersion | None = None) -> PromotionPlan:
    return PromotionPlan(
        name="street",
        sweep_id=report.sweep_id,
        choice=choose(report),
        constraints=(),
        gates=("digest", "miou"),
        champion=champion,
    )


def test_a_plan_shows_trial_reason_and_replaced_version(
    make_report: Callable[..., SweepReport],
) -> None:
    report = make_report()
    tags = {SWEEP: "older", TRIAL: "t00001", f"{FIGURE_PREFIX}miou": "0.25"}
    champion = ModelVersion(name="street", version=7, tags=tags)
    plan = plan_of(report, champion)
    text = "\n".join(plan.lines())
    assert f"{plan.trial_id} of demo-1" in text
    assert "because    it has the best mIoU of the" in text
    assert "replaces   version 7, t00001 of older: mIoU 0.2500" in text
    assert text.count("\nnot  ") == len(report.front) - 1
    assert json.loads(json.dumps(plan.to_mapping()))["champion"]["version"] == 7


def test_the_same_trial_is_not_promoted_twice(make_report: Callable[..., SweepReport]) -> None:
    report = make_report()
    chosen = choose(report).row.trial_id
    same = ModelVersion(name="street", version=1, tags={SWEEP: "demo-1", TRIAL: chosen})
    other = ModelVersion(name="street", version=1, tags={SWEEP: "demo-2", TRIAL: chosen})
    assert plan_of(report, same).already_champion
    assert not plan_of(report, other).already_champion
    assert not plan_of(report).already_champion
    assert "the model has no champion yet" in "\n".join(plan_of(report).lines())


def test_unknown_figures_are_omitted() -> None:
    assert figures_text({"flops": 2e9}) == "FLOPs (G) 2.000"
    assert figures_text({}) == "no figures"
