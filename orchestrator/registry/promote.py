"""A promotion from its plan to the moved alias."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.ledger.provenance import git_commit
from orchestrator.registry import versions as words
from orchestrator.registry.choose import NoCandidateError, choose
from orchestrator.registry.examination import Candidate, Examination, pack_candidate
from orchestrator.registry.gates import Verdict, judge_digest
from orchestrator.registry.package import ModelSource
from orchestrator.registry.plan import PromotionPlan
from orchestrator.registry.store import ChampionMovedError
from orchestrator.tracking.errors import TrackingError
from orchestrator.tracking.tracker import artifact_root

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.registry.gates import GateName
    from orchestrator.registry.request import PromotionRequest
    from orchestrator.registry.store import ModelRegistry
    from orchestrator.registry.versions import ModelVersion
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec

EVIDENCE = "promotion.json"
"""Artifact of a version that holds its plan and every gate's figures."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """What came of a promotion."""

    plan: PromotionPlan
    """What was to be done."""
    verdicts: tuple[Verdict, ...] = ()
    """What the gates found, in their order."""
    version: ModelVersion | None = None
    """The version that was registered; None where it did not come to that."""
    promoted: bool = False
    """Whether it is the champion now."""

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """The gates that it did not pass."""
        return tuple(verdict for verdict in self.verdicts if not verdict.passed)

    def to_mapping(self) -> dict[str, object]:
        """Return the promotion as JSON types."""
        return {
            "promoted": self.promoted,
            "version": None if self.version is None else self.version.version,
            "failed": [verdict.gate for verdict in self.failed],
            "gates": [verdict.to_mapping() for verdict in self.verdicts],
            "plan": self.plan.to_mapping(),
        }


def make_plan(
    spec: SweepSpec,
    report: SweepReport,
    registry: ModelRegistry,
    request: PromotionRequest,
    *,
    machines: Mapping[str, str] | None = None,
) -> PromotionPlan:
    """Return what a promotion would do; nothing is written.

    Args:
        spec: The sweep.
        report: What it found.
        registry: Where the model is registered.
        request: What is asked for.
        machines: Processor or GPU on which each trial's latency was measured, where it is known.

    Raises:
        NoCandidateError: no trial can be promoted as asked, or a mIoU on the test split is asked
            for and the sweep has none.
        ModelNameError: the name cannot be registered.
        TrackingError: the registry does not answer.
    """
    if request.min_test_miou is not None and spec.data.test_split is None:
        raise NoCandidateError(
            f"sweep {report.sweep_id} has no test split, so there is no test mIoU of at least "
            f"{request.min_test_miou:g}; run a sweep with data.test_split, or leave "
            "--min-test-miou out"
        )
    constraints = (*spec.constraints, *request.limits.constraints())
    test: tuple[GateName, ...] = () if request.min_test_miou is None else ("test",)
    gates: tuple[GateName, ...] = (
        "digest",
        "reload",
        "miou",
        *test,
        "latency",
        "constraints",
        "champion",
    )
    name = words.check_name(request.name)
    choice = choose(report, rule=request.rule, constraints=constraints, trial_id=request.trial_id)
    return PromotionPlan(
        name=name,
        sweep_id=report.sweep_id,
        choice=choice,
        recorded_machine=(machines or {}).get(choice.row.trial_id),
        constraints=constraints,
        gates=(*gates, "seeds") if request.retrain_seeds else gates,
        test_split=spec.data.test_split,
        min_test_miou=request.min_test_miou,
        champion=registry.champion(request.name),
    )


def carry_out(
    plan: PromotionPlan,
    spec: SweepSpec,
    folder: SweepFolder,
    registry: ModelRegistry,
    request: PromotionRequest,
    *,
    say: Callable[[str], None] = lambda _: None,
) -> Promotion:
    """Return what came of ``plan``; the alias moves only where every gate was passed.

    A version that is refused stays in the registry without an alias, with what the gates found. A
    trial whose files are not those it wrote is not registered at all.

    Raises:
        CheckpointError: the trial's files cannot be used.
        TrackingError: the registry does not answer.
    """
    from trainables.inference.trained import recorded_digest  # noqa: PLC0415 - imports torch
    from trainables.io.atomic import file_digest  # noqa: PLC0415
    from trainables.training.checkpoint import BEST_WEIGHTS  # noqa: PLC0415

    trial = folder.trials / plan.trial_id
    digest = judge_digest(file_digest(trial / BEST_WEIGHTS), recorded_digest(trial))
    if not digest.passed:
        return Promotion(plan=plan, verdicts=(digest,))
    with tempfile.TemporaryDirectory(prefix="segsweep-promote-") as name:
        work = Path(name)
        say("packing the model")
        candidate = pack_candidate(spec, plan, trial, work / "files")
        say("registering a version, which no alias points to yet")
        version = _register(plan, spec, registry, request, candidate)
        with _abandoned(registry, version):
            found = Examination(
                candidate=candidate,
                version=version,
                registry=registry,
                request=request,
                folder=folder,
                work=work,
                say=say,
            ).run()
    promotion = Promotion(plan=plan, verdicts=(digest, *found.verdicts), version=version)
    _write(promotion, found.figures, registry)
    if promotion.failed:
        return promotion
    try:
        registry.crown(version, expected=plan.champion)
    except ChampionMovedError as error:
        late = Verdict(gate="champion", passed=False, message=str(error))
        verdicts = [late if each.gate == "champion" else each for each in promotion.verdicts]
        promotion = replace(promotion, verdicts=tuple(verdicts))
        _write(promotion, found.figures, registry)
        return promotion
    registry.note(version, {words.STATE: "promoted"})
    return Promotion(plan=plan, verdicts=promotion.verdicts, version=version, promoted=True)


@contextmanager
def _abandoned(registry: ModelRegistry, version: ModelVersion) -> Iterator[None]:
    """Let a version say that its examination was broken off where it was."""
    try:
        yield
    except BaseException:
        with suppress(TrackingError):
            registry.note(version, {words.STATE: "abandoned"})
        raise


def _register(
    plan: PromotionPlan,
    spec: SweepSpec,
    registry: ModelRegistry,
    request: PromotionRequest,
    candidate: Candidate,
) -> ModelVersion:
    experiment, run = registry.trial_run(
        spec.tracking.experiment, plan.sweep_id, plan.trial_id, artifact_root=artifact_root(spec)
    )
    named = request.trial_id is not None
    tags = {
        words.STATE: "candidate",
        words.BY: request.by,
        words.AT: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        words.RULE: "by name" if named else request.rule,
        words.REASON: plan.choice.reason,
        words.SWEEP: plan.sweep_id,
        words.TRIAL: plan.trial_id,
        words.PROGRAM: candidate.packed.digest,
        words.DATASET: str(candidate.packed.description["dataset_digest"]),
    }
    commit = git_commit()
    return registry.register(
        plan.name,
        ModelSource(
            files=candidate.packed.folder,
            example=candidate.example,
            metadata=_public(candidate.packed.description),
        ),
        experiment_id=experiment,
        run_id=run,
        tags=tags if commit is None else {**tags, "git_commit": commit},
        description="\n".join(f"    {line}" for line in plan.lines()),
    )


def _public(description: Mapping[str, Any]) -> dict[str, object]:
    names = ("class_names", "resolution", "preprocessing", "sweep_id", "trial_id", "costs")
    return {name: description[name] for name in names}


def _write(promotion: Promotion, figures: Mapping[str, float], registry: ModelRegistry) -> None:
    """Write what the gates found to the version, before any alias moves."""
    version = promotion.version
    if version is None:
        return
    tags = {f"{words.GATE_PREFIX}{each.gate}": str(each) for each in promotion.verdicts}
    tags |= {f"{words.FIGURE_PREFIX}{name}": repr(value) for name, value in figures.items()}
    if promotion.failed:
        tags[words.STATE] = "refused"
        tags[words.REFUSED_BY] = ", ".join(each.gate for each in promotion.failed)
    evidence = {**promotion.to_mapping(), "figures": dict(figures)}
    evidence.pop("promoted")
    registry.note(version, tags, {EVIDENCE: json.dumps(evidence, indent=2, allow_nan=False)})


def summary(promotion: Promotion) -> list[str]:
    """Return the outcome for a reader."""
    plan, version = promotion.plan, promotion.version
    lines = [
        f"{'✓' if verdict.passed else '✗'} {verdict.gate:<12} {verdict.message}"
        for verdict in promotion.verdicts
    ]
    if promotion.promoted and version is not None:
        before = (
            "the first one"
            if plan.champion is None
            else f"version {plan.champion.version} is now {plan.name}@previous"
        )
        lines.append(f"promoted: version {version.version} is {plan.name}@champion, {before}")
    else:
        gates = ", ".join(verdict.gate for verdict in promotion.failed)
        lines.append(f"refused by {gates}; nothing has moved")
    return lines
