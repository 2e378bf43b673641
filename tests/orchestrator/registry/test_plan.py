from __future__ import annotations

import json
from typing import TYPE_CHECKING

from orchestrator.registry.choose import choose
from orchestrator.registry.plan import PromotionPlan, figures_text
from orchestrator.registry.versions import FIGURE_PREFIX, SWEEP, TRIAL, ModelVersion

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.report.model import SweepReport


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
