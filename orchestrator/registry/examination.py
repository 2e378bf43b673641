"""Measures a candidate again, compares it with the champion and evaluates the gates."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from orchestrator.registry import gates, verify
from orchestrator.registry.fresh import (
    EXAMPLES,
    FreshJob,
    FreshProcessError,
    fresh_model,
    time_in_turns,
)
from orchestrator.report.analysis import TEST_MIOU
from search_spaces.resolution import Resolution
from trainables.cost.macs import static_costs
from trainables.cost.targets import artifact_format
from trainables.data.digest import dataset_digest
from trainables.data.layouts.registry import open_layout
from trainables.inference.package import pack
from trainables.inference.trained import load_trained

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from numpy.typing import NDArray

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.registry.fresh import FreshModel
    from orchestrator.registry.gates import Verdict
    from orchestrator.registry.plan import PromotionPlan
    from orchestrator.registry.request import PromotionRequest
    from orchestrator.registry.store import ModelRegistry
    from orchestrator.registry.versions import ModelVersion
    from orchestrator.spec.sweep_spec import SweepSpec
    from trainables.cost.latency import LatencyMeasurement
    from trainables.inference.package import PackedModel
    from trainables.inference.trained import TrainedModel


@dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """The packed model of a trial that is to be promoted."""

    plan: PromotionPlan
    """Plan of its promotion."""
    spec: SweepSpec
    """Spec of its sweep."""
    trained: TrainedModel
    """The trained model."""
    packed: PackedModel
    """The files to deploy."""
    val: verify.ValidationSet
    """Validation split that it is scored on."""
    example: NDArray[np.uint8]
    """Input example of the registered model, uint8 [1, H, W, 3]."""


@dataclass(kw_only=True, slots=True)
class Findings:
    """Verdicts and figures so far."""

    verdicts: list[Verdict] = field(default_factory=list)
    """One verdict per gate."""
    figures: dict[str, float] = field(default_factory=dict)
    """Reproduced figures by metric."""

    @property
    def passed(self) -> bool:
        """Whether every gate passed."""
        return all(verdict.passed for verdict in self.verdicts)


def pack_candidate(spec: SweepSpec, plan: PromotionPlan, trial: Path, folder: Path) -> Candidate:
    """Pack the model in the folder ``trial`` into ``folder`` and return the candidate.

    Raises:
        CheckpointError: the files of the trial cannot be used.
        DataError: the data set cannot be used.
    """
    trained = load_trained(trial)
    costs = static_costs(trained.config, len(trained.class_names))
    cache = spec.storage.cache_dir
    facts = {
        "sweep_id": plan.sweep_id,
        "trial_id": plan.trial_id,
        "dataset_digest": dataset_digest(open_layout(spec.data, cache), cache),
        "costs": {name: float(value) for name, value in costs.items()},
        "target": asdict(spec.target),
    }
    val = verify.validation_set(spec, trained.config.resolution)
    return Candidate(
        plan=plan,
        spec=spec,
        trained=trained,
        packed=pack(trained, folder, facts),
        val=val,
        example=np.array(np.load(val.images, mmap_mode="r")[:1]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """The gates of one registered version."""

    candidate: Candidate
    """The candidate."""
    version: ModelVersion
    """Its registered version."""
    registry: ModelRegistry
    """The registry."""
    request: PromotionRequest
    """Tolerances and seeds."""
    folder: SweepFolder
    """Folder of the sweep."""
    work: Path
    """Folder for temporary files."""
    progress: Callable[[str], None]
    """Receives the current step as a short text."""

    def run(self) -> Findings:
        """Evaluate every gate, also after one has failed."""
        packed = self.candidate.packed
        found = Findings(figures={**_costs(packed.description), "size_mb": packed.size_mb})
        self.progress("measuring the latency")
        measured, latency = self._measured()
        self.progress("predicting the validation images with the registered files in a new process")
        try:
            with self._fresh(self.version, self.candidate.val.images) as model:
                self._judge_reload(model, found)
                if self.candidate.plan.champion is not None:
                    self.progress("comparing with the champion on the same images")
                compared = self._compare(model, found, measured)
        except FreshProcessError as error:
            compared = None
            found.verdicts = [gates.Verdict(gate="reload", passed=False, message=str(error))]
        self._judge_test(found)
        self._judge_latency(found, measured, latency.disturbance)
        bounds = self.candidate.plan.constraints
        found.verdicts.append(gates.judge_constraints(found.figures, bounds))
        if compared is not None:
            found.verdicts.append(compared)
        if self.request.retrain_seeds and found.passed:
            found.verdicts.append(self._seeds())
        return found

    def _judge_reload(self, model: FreshModel, found: Findings) -> None:
        """Check that it predicts as the trained model, with the recorded mIoU."""
        candidate, tolerances = self.candidate, self.request.tolerances
        val = candidate.val
        expected = verify.trained_masks(candidate.trained, val, EXAMPLES)
        miou = verify.score(model.masks, val.masks, len(candidate.trained.class_names))
        found.figures["miou"] = miou
        found.verdicts += [
            gates.judge_reload(
                agreement=float((expected == model.example_masks).mean()),
                found_digest=str(model.description["program_sha256"]),
                packed_digest=candidate.packed.digest,
                own_modules=model.own_modules,
                least=tolerances.agreement,
            ),
            gates.judge_miou(
                found=miou,
                recorded=candidate.plan.choice.row.metrics["miou"],
                tolerance=tolerances.miou,
            ),
        ]

    def _judge_test(self, found: Findings) -> None:
        """Record the mIoU on the test split, scored now if the sweep did not; check its bound."""
        plan, spec = self.candidate.plan, self.candidate.spec
        if plan.test_split is None:
            return
        miou = plan.choice.row.test_miou
        if miou is None:
            self.progress("scoring the trial on the test split")
            miou = verify.score_on_test(self.folder.trials / plan.trial_id, spec)
        found.figures[TEST_MIOU] = miou
        if self.request.min_test_miou is not None:
            found.verdicts.append(gates.judge_test(found=miou, least=self.request.min_test_miou))

    def _measured(self) -> tuple[dict[str, float], LatencyMeasurement]:
        recorded = self.candidate.plan.choice.row.metrics["latency_ms"]
        enough = recorded * (1 + self.request.tolerances.latency)
        return verify.measure_latency_again(self.candidate.trained, self.candidate.spec, enough)

    def _judge_latency(
        self, found: Findings, measured: Mapping[str, float], disturbance: str
    ) -> None:
        plan, tolerance = self.candidate.plan, self.request.tolerances.latency
        row = plan.choice.row
        recorded = row.metrics["latency_ms"]
        found.figures |= measured
        here = verify.machine(self.candidate.spec)
        found.verdicts.append(
            gates.judge_latency(
                found=measured["latency_ms"],
                recorded=recorded,
                tolerance=tolerance,
                machine=here,
                recorded_machine=plan.recorded_machine or here,
                disturbance=disturbance,
                recorded_undisturbed=not row.disturbed,
            )
        )

    def _compare(
        self, model: FreshModel, found: Findings, measured: Mapping[str, float]
    ) -> Verdict:
        """Compare with the champion, whose registered files predict the same images."""
        candidate, champion = self.candidate, self.candidate.plan.champion
        if champion is None:
            (found.figures["program_latency_ms"],) = time_in_turns([model], verify.quiet_node())
            return gates.no_champion()
        description = self.registry.description(champion)
        classes = tuple(str(name) for name in description.get("class_names", ()))
        if classes != candidate.trained.class_names:
            return gates.other_classes(candidate.trained.class_names, classes, champion.version)
        height, width = candidate.val.size
        own = verify.validation_set(
            candidate.spec, Resolution.parse(description["resolution"]), f"{height}x{width}"
        )
        try:
            with self._fresh(champion, own.images) as theirs:
                miou = verify.score(theirs.masks, candidate.val.masks, len(classes))
                # time the packed programs: the recorded latency is the trained model's
                mine, other = time_in_turns([model, theirs], verify.quiet_node())
        except FreshProcessError as error:
            message = f"champion version {champion.version} cannot be compared: {error}"
            return gates.Verdict(gate="champion", passed=False, message=message)
        found.figures["program_latency_ms"] = mine
        latency, theirs_ms = {"latency_ms": mine}, {"latency_ms": other}
        if artifact_format(candidate.spec.target) is not None:
            # torch only simulates the target, so the latencies measured on the target are compared
            latency, theirs_ms = dict(measured), self._timed_alike(champion, description)
        return gates.judge_champion(
            {**found.figures, **latency},
            {**_costs(description), "miou": miou, **theirs_ms},
            candidate.spec.objectives,
            version=champion.version,
            noise={"latency_ms": self.request.tolerances.latency_noise},
        )

    def _timed_alike(
        self, champion: ModelVersion, description: Mapping[str, Any]
    ) -> dict[str, float]:
        """Return the champion's latency if it was measured on the same target; else nothing."""
        target = json.loads(json.dumps(asdict(self.candidate.spec.target)))
        known = champion.figures.get("latency_ms")
        alike = description.get("target") == target
        return {"latency_ms": known} if alike and known is not None else {}

    def _fresh(self, version: ModelVersion, images: Path) -> AbstractContextManager[FreshModel]:
        job = FreshJob(
            uri=self.registry.uri,
            version=version,
            images=images,
            size=self.candidate.val.size,
            target=self.candidate.spec.target,
        )
        return fresh_model(job, self.work / f"version-{version.version}")

    def _seeds(self) -> Verdict:
        from orchestrator.registry.retrain import retrain  # noqa: PLC0415 - imports Ray

        row = self.candidate.plan.choice.row
        scores = retrain(
            self.candidate.spec,
            row,
            self.candidate.plan.sweep_id,
            self.folder.path / "promotion" / row.trial_id,
            seeds=self.request.retrain_seeds,
            progress=self.progress,
        )
        return gates.judge_seeds(
            scores, recorded=row.metrics["miou"], tolerance=self.request.tolerances.miou
        )


def _costs(description: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in description.get("costs", {}).items()}
