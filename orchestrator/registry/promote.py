"""Plans and runs a promotion."""

from __future__ import annotations

import json
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.ledger.identity import git_commit
from orchestrator.registry import versions as tag_names
from orchestrator.registry.examination import Candidate, Examination, pack_candidate
from orchestrator.registry.gates import Verdict, judge_digest
from orchestrator.registry.loading import ModelSource
from orchestrator.registry.plan import NoCandidateError, PromotionPlan, choose
from orchestrator.registry.store import ChampionMovedError
from orchestrator.tracking.client import TrackingError
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
"""Artifact of a version with its plan and the figures of every gate."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Promotion:
    """Result of a promotion."""

    plan: PromotionPlan
    """Plan of the promotion."""
    verdicts: tuple[Verdict, ...] = ()
    """Verdicts in the order of the gates."""
    version: ModelVersion | None = None
    """Registered version; None if none was registered."""
    promoted: bool = False
    """Whether the version is now the champion."""

    @property
    def failed(self) -> tuple[Verdict, ...]:
        """Verdicts of the failed gates."""
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
    """Return the plan of a promotion; nothing is written.

    Args:
        spec: Spec of the sweep.
        report: Report of the sweep.
        registry: Registry of the model.
        request: The request of the user.
        machines: Processor or GPU of each trial's recorded latency, if known.

    Raises:
        NoCandidateError: no trial can be promoted as requested, or the request has a bound on the
            test mIoU and the sweep has no test split.
        ModelNameError: MLflow cannot register a model of this name.
        TrackingError: the registry does not answer.
    """
    if request.min_test_miou is not None and spec.data.test_split is None:
        raise NoCandidateError(
            f"sweep {report.sweep_id} has no test split, which --min-test-miou requires; run a "
            "sweep with data.test_split, or remove --min-test-miou"
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
    name = tag_names.check_name(request.name)
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


def run_promotion(
    plan: PromotionPlan,
    spec: SweepSpec,
    folder: SweepFolder,
    registry: ModelRegistry,
    request: PromotionRequest,
    *,
    progress: Callable[[str], None] = lambda _: None,
) -> Promotion:
    """Register the trial of ``plan``, evaluate the gates, and set the alias if all pass.

    A refused version stays in the registry without an alias, with the verdicts as tags. A trial
    with modified weights is not registered.

    Raises:
        CheckpointError: the files of the trial cannot be used.
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
        progress("packing the model")
        candidate = pack_candidate(spec, plan, trial, work / "files")
        progress("registering a version without an alias")
        version = _register(plan, spec, registry, request, candidate)
        with _mark_abandoned(registry, version):
            findings = Examination(
                candidate=candidate,
                version=version,
                registry=registry,
                request=request,
                folder=folder,
                work=work,
                progress=progress,
            ).run()
    promotion = Promotion(plan=plan, verdicts=(digest, *findings.verdicts), version=version)
    _write_verdicts(promotion, findings.figures, registry)
    if promotion.failed:
        return promotion
    try:
        registry.set_champion(version, expected=plan.champion)
    except ChampionMovedError as error:
        late = Verdict(gate="champion", passed=False, message=str(error))
        verdicts = [late if each.gate == "champion" else each for each in promotion.verdicts]
        promotion = replace(promotion, verdicts=tuple(verdicts))
        _write_verdicts(promotion, findings.figures, registry)
        return promotion
    registry.annotate(version, {tag_names.STATE: "promoted"})
    return Promotion(plan=plan, verdicts=promotion.verdicts, version=version, promoted=True)


@contextmanager
def _mark_abandoned(registry: ModelRegistry, version: ModelVersion) -> Iterator[None]:
    """Tag the version as abandoned if its gates were interrupted or raised an error."""
    try:
        yield
    except BaseException:
        with suppress(TrackingError):
            registry.annotate(version, {tag_names.STATE: "abandoned"})
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
        tag_names.STATE: "candidate",
        tag_names.BY: request.by,
        tag_names.AT: f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        tag_names.RULE: "by name" if named else request.rule,
        tag_names.REASON: plan.choice.reason,
        tag_names.SWEEP: plan.sweep_id,
        tag_names.TRIAL: plan.trial_id,
        tag_names.PROGRAM: candidate.packed.digest,
        tag_names.DATASET: str(candidate.packed.description["dataset_digest"]),
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


def _write_verdicts(
    promotion: Promotion, figures: Mapping[str, float], registry: ModelRegistry
) -> None:
    """Write the verdicts to the version, before any alias moves."""
    version = promotion.version
    if version is None:
        return
    tags = {f"{tag_names.GATE_PREFIX}{each.gate}": str(each) for each in promotion.verdicts}
    tags |= {f"{tag_names.FIGURE_PREFIX}{name}": repr(value) for name, value in figures.items()}
    if promotion.failed:
        tags[tag_names.STATE] = "refused"
        tags[tag_names.REFUSED_BY] = ", ".join(each.gate for each in promotion.failed)
    evidence = {**promotion.to_mapping(), "figures": dict(figures)}
    evidence.pop("promoted")
    registry.annotate(version, tags, {EVIDENCE: json.dumps(evidence, indent=2, allow_nan=False)})


def summary(promotion: Promotion) -> list[str]:
    """Return the result as lines of text."""
    plan, version = promotion.plan, promotion.version
    lines = [
        f"{'✓' if verdict.passed else '✗'} {verdict.gate:<12} {verdict.message}"
        for verdict in promotion.verdicts
    ]
    if promotion.promoted and version is not None:
        before = (
            "the first champion"
            if plan.champion is None
            else f"version {plan.champion.version} is now {plan.name}@previous"
        )
        lines.append(f"promoted: version {version.version} is {plan.name}@champion, {before}")
    else:
        gates = ", ".join(verdict.gate for verdict in promotion.failed)
        lines.append(f"refused by {gates}; the champion is unchanged")
    return lines
