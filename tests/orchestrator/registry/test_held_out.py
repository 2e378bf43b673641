"""A promotion that records the mIoU on the test split, and may require it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.cli.main import main
from orchestrator.registry.gates import judge_test
from orchestrator.registry.plan import NoCandidateError
from orchestrator.registry.promote import make_plan, run_promotion
from orchestrator.registry.request import PromotionRequest, Tolerances
from orchestrator.registry.store import ModelRegistry
from orchestrator.registry.verify import score_on_test
from orchestrator.report.files import make_report
from orchestrator.spec.parse import load_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.registry.plan import PromotionPlan
    from orchestrator.registry.promote import Promotion
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec

PATIENT = Tolerances(latency=50.0, latency_noise=1.0)


class NoModels:
    """A registry without any model."""

    def champion(self, name: str) -> None:
        del name


def plan(report: SweepReport, *, least: float | None, split: str | None = "test") -> PromotionPlan:
    spec = load_spec(None, overrides=[f"data.test_split={split}"] if split else [])
    request = PromotionRequest(name="street", min_test_miou=least)
    return make_plan(spec, report, NoModels(), request)  # type: ignore[arg-type] # nothing more is asked


def scored(report: SweepReport, miou: float) -> SweepReport:
    return replace(report, rows=tuple(replace(row, test_miou=miou) for row in report.rows))


@pytest.mark.parametrize(("found", "state"), [(0.31, "passed"), (0.3, "passed"), (0.29, "failed")])
def test_the_gate_takes_what_is_high_enough(found: float, state: str) -> None:
    verdict = judge_test(found=found, least=0.3)
    assert str(verdict) == f"{state}: mIoU {found:.4f} on the test split, 0.3 is required"
    assert not judge_test(found=float("nan"), least=0.0).passed


def test_a_sweep_without_a_test_split_cannot_be_asked_for_it(
    make_report: Callable[..., SweepReport],
) -> None:
    with pytest.raises(NoCandidateError, match=r"has no test split.*remove --min-test-miou"):
        plan(make_report(), least=0.3, split=None)


def test_a_plan_shows_the_score_or_that_it_is_still_to_be_found(
    make_report: Callable[..., SweepReport],
) -> None:
    unscored = plan(make_report(), least=None)
    assert "scores     it on the test split 'test'" in "\n".join(unscored.lines())
    assert unscored.to_mapping()["scored_on_test"] is False
    assert "test" not in unscored.gates
    known = plan(scored(make_report(), 0.21), least=0.3)
    assert "test mIoU 0.2100" in "\n".join(known.lines())
    assert "scores  " not in "\n".join(known.lines())
    assert known.to_mapping()["figures"]["test_miou"] == 0.21  # type: ignore[index]
    assert "bounds     test_miou >= 0.3, as a gate only" in "\n".join(known.lines())
    assert known.gates.index("test") == known.gates.index("miou") + 1
    none = plan(make_report(), least=None, split=None)
    assert none.to_mapping()["scored_on_test"] is None


def test_the_test_split_chooses_no_trial(make_report: Callable[..., SweepReport]) -> None:
    report = make_report()
    front = {row.trial_id for row in report.front}
    best = plan(report, least=None).trial_id
    worst_there = replace(
        report,
        rows=tuple(
            replace(row, test_miou=0.0 if row.trial_id == best else 0.9)
            if row.trial_id in front
            else row
            for row in report.rows
        ),
    )
    assert plan(worst_there, least=0.5).trial_id == best


@pytest.fixture(scope="module")
def sweep(
    tmp_path_factory: pytest.TempPathFactory, train_one: Callable[..., Any]
) -> tuple[SweepSpec, SweepFolder]:
    """Return a sweep of one trial, trained here, on data with a test split."""
    spec, folder = train_one(
        tmp_path_factory.mktemp("held_out"),
        {"backbone": "mobilenet_v3_small", "resolution": "64x96", "batch_size": 4},
        "data.test_split=test",
        "data.synthetic_test_images=4",
        "training.eval_resolution=64x96",
    )
    return spec, folder


def promote(
    sweep: tuple[SweepSpec, SweepFolder], name: str, least: float, recorded: float | None
) -> Promotion:
    spec, folder = sweep
    registry = ModelRegistry(spec.tracking_uri)
    request = PromotionRequest(name=name, tolerances=PATIENT, min_test_miou=least, by="tester")
    report = make_report(spec, folder)
    if recorded is not None:
        report = scored(report, recorded)
    made = make_plan(spec, report, registry, request)
    return run_promotion(made, spec, folder, registry, request)


@pytest.mark.slow
@pytest.mark.e2e
def test_a_trial_that_was_not_scored_is_scored_by_its_promotion(
    sweep: tuple[SweepSpec, SweepFolder],
) -> None:
    spec, folder = sweep
    expected = score_on_test(folder.trials / "t00000", spec)
    refused = promote(sweep, "street", 0.99, None)
    assert [verdict.gate for verdict in refused.failed] == ["test"]
    assert f"mIoU {expected:.4f} on the test split" in refused.failed[0].message
    assert refused.version is not None
    (version,) = ModelRegistry(spec.tracking_uri).versions("street")
    assert version.figures["test_miou"] == pytest.approx(expected)
    assert version.tags["promotion.refused_by"] == "test"


@pytest.mark.slow
@pytest.mark.e2e
def test_a_score_of_the_sweep_is_recorded_with_the_version(
    sweep: tuple[SweepSpec, SweepFolder], capsys: pytest.CaptureFixture[str]
) -> None:
    spec, folder = sweep
    promoted = promote(sweep, "road", 0.1, 0.125)
    assert promoted.promoted, [str(verdict) for verdict in promoted.verdicts]
    champion = ModelRegistry(spec.tracking_uri).champion("road")
    assert champion is not None
    assert champion.figures["test_miou"] == 0.125
    assert champion.tags["gate.test"] == "passed: mIoU 0.1250 on the test split, 0.1 is required"
    storage = ["--storage", str(folder.root)]
    with pytest.raises(SystemExit) as caught:
        main(["promote", "--name", "lane", "--dry-run", "--min-test-miou", "0.2", *storage])
    assert caught.value.code == 0
    told = capsys.readouterr().out
    assert "scores     it on the test split 'test'" in told
    assert "reload, miou, test, latency" in told
