"""The verb ``promote``: make a trial the champion of a registered model."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.options import (
    AsJson,
    StorageRoot,
    SweepName,
    examples,
    storage_root,
)
from orchestrator.cli.shared.output import print_err, print_json, print_out
from orchestrator.cli.shared.registry import registry_errors
from orchestrator.registry.request import RULES, Limits, PromotionRequest, Rule, Tolerances

if TYPE_CHECKING:
    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.registry.plan import PromotionPlan
    from orchestrator.registry.store import ModelRegistry
    from orchestrator.spec.sweep_spec import SweepSpec

EPILOG = examples(
    "segsweep promote --dry-run",
    "segsweep promote --max-latency-ms 20 --rule best-miou --name street",
    "segsweep promote demo-20260131-120000 --trial t00004 --retrain-seeds 3",
)
REFUSED = 3
"""Exit code if a gate refuses the model."""
DEFAULTS = Tolerances()

MaxLatency: TypeAlias = Annotated[float | None, typer.Option(metavar="MS", help="Highest latency.")]
MaxFlops: TypeAlias = Annotated[
    float | None, typer.Option(metavar="N", help="Most FLOPs for one image, such as 5e9.")
]
MaxSize: TypeAlias = Annotated[
    float | None, typer.Option(metavar="MB", help="Largest deployed file.")
]
MinMiou: TypeAlias = Annotated[
    float | None, typer.Option(metavar="SHARE", help="Lowest mIoU on the validation split, 0 to 1.")
]
MinTestMiou: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        help="Lowest mIoU on the test split, 0 to 1; a gate, not used to choose the trial.",
    ),
]
RuleName: TypeAlias = Annotated[
    str,
    typer.Option(
        "--rule", metavar="RULE", help=f"Rule that chooses the trial: {', '.join(RULES)}."
    ),
]
TrialName: TypeAlias = Annotated[
    str | None,
    typer.Option("--trial", metavar="ID", help="Promote this trial instead of using a rule."),
]
Name: TypeAlias = Annotated[
    str | None,
    typer.Option("--name", help="Name of the registered model; the default is the sweep's name."),
]
Seeds: TypeAlias = Annotated[
    int,
    typer.Option(metavar="K", min=0, help="Retrain with K other seeds; a gate on the mean mIoU."),
]
MiouTolerance: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="SHARE", min=0, help="Largest difference between reproduced and recorded mIoU."
    ),
]
LatencyTolerance: TypeAlias = Annotated[
    float,
    typer.Option(metavar="SHARE", min=0, help="Largest relative excess over the recorded latency."),
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Print the plan and change nothing.")
]


def promote(
    sweep: SweepName = None,
    *,
    max_latency_ms: MaxLatency = None,
    max_flops: MaxFlops = None,
    max_size_mb: MaxSize = None,
    min_miou: MinMiou = None,
    min_test_miou: MinTestMiou = None,
    rule: RuleName = "best-miou",
    trial: TrialName = None,
    name: Name = None,
    retrain_seeds: Seeds = 0,
    miou_tolerance: MiouTolerance = DEFAULTS.miou,
    latency_tolerance: LatencyTolerance = DEFAULTS.latency,
    dry_run: DryRun = False,
    storage: StorageRoot = None,
    as_json: AsJson = False,
) -> None:
    """Make a trial of a sweep the champion of a registered model.

    The model is registered first. Then gates measure its figures again from the registered files
    and compare them with the recorded ones and with the champion. If a gate fails, the champion
    stays and the exit code is 3. All figures are kept with the version.
    """
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.registry.store import ModelRegistry
    from orchestrator.registry.versions import check_name
    from orchestrator.spec.parse import load_spec

    folder = find_sweep(storage_root(storage), sweep)
    spec = load_spec(folder.spec)
    with registry_errors():
        model = check_name(spec.name if name is None else name)
    request = PromotionRequest(
        name=model,
        rule=_rule(rule),
        limits=Limits(
            max_latency_ms=max_latency_ms,
            max_flops=max_flops,
            max_size_mb=max_size_mb,
            min_miou=min_miou,
        ),
        trial_id=trial,
        min_test_miou=min_test_miou,
        tolerances=Tolerances(miou=miou_tolerance, latency=latency_tolerance),
        retrain_seeds=retrain_seeds,
    )
    registry = ModelRegistry(spec.tracking_uri)
    with registry_errors():
        plan = _plan(folder, spec, registry, request)
        if dry_run or plan.already_champion:
            _print_plan(plan, as_json=as_json)
            return
        _promote(plan, spec, folder, registry, request, as_json=as_json)


def _rule(text: str) -> Rule:
    for rule in RULES:
        if rule == text:
            return rule
    raise CliError(f"--rule {text!r} is unknown; choose from {', '.join(RULES)}")


def _plan(
    folder: SweepFolder, spec: SweepSpec, registry: ModelRegistry, request: PromotionRequest
) -> PromotionPlan:
    from orchestrator.registry.promote import make_plan
    from orchestrator.report.files import make_report, read_records

    machines = {
        each.trial_id: str(each.details["device"])
        for each in read_records(folder).trials
        if "device" in each.details
    }
    return make_plan(spec, make_report(spec, folder), registry, request, machines=machines)


def _print_plan(plan: PromotionPlan, *, as_json: bool) -> None:
    if as_json:
        print_json({"promoted": False, "plan": plan.to_mapping()})
        return
    for line in plan.lines():
        print_out(line)
    if plan.already_champion and plan.champion is not None:
        version = plan.champion.version
        print_out(f"nothing to do: it already is {plan.name}@champion, as version {version}")


def _promote(
    plan: PromotionPlan,
    spec: SweepSpec,
    folder: SweepFolder,
    registry: ModelRegistry,
    request: PromotionRequest,
    *,
    as_json: bool,
) -> None:
    from orchestrator.registry.promote import run_promotion, summary
    from orchestrator.registry.retrain import RetrainingError
    from trainables.training.checkpoint import CheckpointError

    if not as_json:
        for line in plan.lines():
            print_out(line)
    # SIGTERM raises, so that the version is marked as abandoned
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        promotion = run_promotion(plan, spec, folder, registry, request, progress=print_err)
    except (CheckpointError, RetrainingError) as error:
        raise CliError(str(error)) from error
    if as_json:
        print_json(promotion.to_mapping())
    else:
        for line in summary(promotion):
            print_out(line)
    if not promotion.promoted:
        raise typer.Exit(REFUSED)
