"""A candidate before its gates, measured again and compared with the champion."""

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
    time_fairly,
)
from orchestrator.report.held_out import TEST_MIOU
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
    """A trial's model on its way into the registry."""

    plan: PromotionPlan
    """What is to be done with it."""
    spec: SweepSpec
    """The sweep it comes from."""
    trained: TrainedModel
    """The model as it was trained."""
    packed: PackedModel
    """The files that would be deployed."""
    ground: verify.Ground
    """What it is scored on."""
    example: NDArray[np.uint8]
    """One image for the model's input example, uint8 [1, H, W, 3]."""


@dataclass(kw_only=True, slots=True)
class Findings:
    """What the gates found so far."""

    verdicts: list[Verdict] = field(default_factory=list)
    """One per gate."""
    figures: dict[str, float] = field(default_factory=dict)
    """Figures found again, by metric."""

    @property
    def passed(self) -> bool:
        """Whether no gate has failed."""
        return all(verdict.passed for verdict in self.verdicts)


def pack_candidate(spec: SweepSpec, plan: PromotionPlan, trial: Path, folder: Path) -> Candidate:
    """Return the candidate of ``plan`` whose files are in ``trial``, packed into ``folder``.

    Raises:
        CheckpointError: its files cannot be used.
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
    ground = verify.ground_of(spec, trained.config.resolution)
    return Candidate(
        plan=plan,
        spec=spec,
        trained=trained,
        packed=pack(trained, folder, facts),
        ground=ground,
        example=np.array(np.load(ground.images, mmap_mode="r")[:1]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Examination:
    """One version before its gates."""

    candidate: Candidate
    """What was registered."""
    version: ModelVersion
    """Where it was registered."""
    registry: ModelRegistry
    """The registry."""
    request: PromotionRequest
    """Tolerances and seeds."""
    folder: SweepFolder
    """The sweep's folder."""
    work: Path
    """Where files may be left."""
    say: Callable[[str], None]
    """Told in a few words what is being done."""

    def run(self) -> Findings:
        """Return what the gates find; every one that can be asked is asked."""
        packed = self.candidate.packed
        found = Findings(figures={**_costs(packed.description), "size_mb": packed.size_mb})
        self.say("measuring the latency again")
        measured, latency = self._measured()
        self.say("loading the registered files in a fresh process, predicting the val images")
        try:
            with self._fresh(self.version, self.candidate.ground.images) as model:
                self._judge_reload(model, found)
                if self.candidate.plan.champion is not None:
                    self.say("comparing with the champion on the same images")
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
        """Judge whether it predicts as the trained model does, with the mIoU that was recorded."""
        candidate, tolerances = self.candidate, self.request.tolerances
        ground = candidate.ground
        expected = verify.trained_masks(candidate.trained, ground, EXAMPLES)
        miou = verify.score(model.masks, ground.masks, len(candidate.trained.class_names))
        found.figures["miou"] = miou
        found.verdicts += [
            gates.judge_reload(
                agreement=float((expected == model.example_masks).mean()),
                found_digest=str(model.description["program_sha256"]),
                packed_digest=candidate.packed.digest,
                ours=model.ours,
                least=tolerances.agreement,
            ),
            gates.judge_miou(
                found=miou,
                recorded=candidate.plan.choice.row.metrics["miou"],
                tolerance=tolerances.miou,
            ),
        ]

    def _judge_test(self, found: Findings) -> None:
        """Note the mIoU on the test split, found now unless the sweep did; judge it if asked to."""
        plan, spec = self.candidate.plan, self.candidate.spec
        if plan.test_split is None:
            return
        miou = plan.choice.row.test_miou
        if miou is None:
            self.say("scoring the trial on the test split")
            miou = verify.score_on_test(self.folder.trials / plan.trial_id, spec)
        found.figures[TEST_MIOU] = miou
        if self.request.min_test_miou is not None:
            found.verdicts.append(gates.judge_test(found=miou, least=self.request.min_test_miou))

    def _measured(self) -> tuple[dict[str, float], LatencyMeasurement]:
        recorded = self.candidate.plan.choice.row.metrics["latency_ms"]
        enough = recorded * (1 + self.request.tolerances.latency)
        return verify.measure_again(self.candidate.trained, self.candidate.spec, enough)

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
        """Judge against the champion, whose registered files predict the same images."""
        candidate, champion = self.candidate, self.candidate.plan.champion
        if champion is None:
            (found.figures["program_latency_ms"],) = time_fairly([model], verify.quiet_node())
            return gates.no_champion()
        description = self.registry.description(champion)
        classes = tuple(str(name) for name in description.get("class_names", ()))
        if classes != candidate.trained.class_names:
            return gates.other_classes(candidate.trained.class_names, classes, champion.version)
        height, width = candidate.ground.size
        own = verify.ground_of(
            candidate.spec, Resolution.parse(description["resolution"]), f"{height}x{width}"
        )
        try:
            with self._fresh(champion, own.images) as theirs:
                miou = verify.score(theirs.masks, candidate.ground.masks, len(classes))
                # programs against each other: the sweep's figure is the trained model's
                mine, other = time_fairly([model, theirs], verify.quiet_node())
        except FreshProcessError as error:
            message = f"champion version {champion.version} cannot be compared with: {error}"
            return gates.Verdict(gate="champion", passed=False, message=message)
        found.figures["program_latency_ms"] = mine
        latency, theirs_ms = {"latency_ms": mine}, {"latency_ms": other}
        if artifact_format(candidate.spec.target) is not None:
            # torch only simulates what the target runs, so both count as the target timed them
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
        """Return the champion's latency where it was measured on the same target; else nothing."""
        target = json.loads(json.dumps(asdict(self.candidate.spec.target)))
        known = champion.figures.get("latency_ms")
        alike = description.get("target") == target
        return {"latency_ms": known} if alike and known is not None else {}

    def _fresh(self, version: ModelVersion, images: Path) -> AbstractContextManager[FreshModel]:
        job = FreshJob(
            uri=self.registry.uri,
            version=version,
            images=images,
            size=self.candidate.ground.size,
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
            say=self.say,
        )
        return gates.judge_seeds(
            scores, recorded=row.metrics["miou"], tolerance=self.request.tolerances.miou
        )


def _costs(description: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in description.get("costs", {}).items()}
