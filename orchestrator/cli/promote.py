"""The verb ``promote``: from a sweep's front to the model in use."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.report import SweepName  # noqa: TC001 - typer reads it
from orchestrator.cli.shared.errors import CliError
from orchestrator.cli.shared.options import AsJson, StorageRoot, examples, storage_root
from orchestrator.cli.shared.output import say, say_json, tell
from orchestrator.cli.shared.registry import explained
from orchestrator.registry.bounds import Limits
from orchestrator.registry.request import RULES, PromotionRequest, Rule, Tolerances

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
"""Exit code where a gate refuses the model."""
USUAL = Tolerances()

MaxLatency: TypeAlias = Annotated[
    float | None, typer.Option(metavar="MS", show_default=False, help="Largest latency.")
]
MaxFlops: TypeAlias = Annotated[
    float | None,
    typer.Option(metavar="N", show_default=False, help="Most FLOPs for one image, such as 5e9."),
]
MaxSize: TypeAlias = Annotated[
    float | None, typer.Option(metavar="MB", show_default=False, help="Largest deployed file.")
]
MinMiou: TypeAlias = Annotated[
    float | None, typer.Option(metavar="SHARE", show_default=False, help="Least mIoU, 0 to 1.")
]
MinTestMiou: TypeAlias = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE",
        min=0,
        max=1,
        show_default=False,
        help="Least mIoU on the test split, 0 to 1; it chooses no trial.",
    ),
]
RuleName: TypeAlias = Annotated[
    str, typer.Option("--rule", metavar="RULE", help=f"How to choose: {', '.join(RULES)}.")
]
TrialName: TypeAlias = Annotated[
    str | None,
    typer.Option("--trial", metavar="ID", show_default=False, help="The trial, instead of a rule."),
]
Name: TypeAlias = Annotated[
    str | None,
    typer.Option("--name", show_default=False, help="Registered model; the sweep's name else."),
]
Seeds: TypeAlias = Annotated[
    int,
    typer.Option(metavar="K", min=0, help="Train it again with K seeds, show mean and spread."),
]
MiouTolerance: TypeAlias = Annotated[
    float, typer.Option(metavar="SHARE", min=0, help="Largest difference of the mIoU found again.")
]
LatencyTolerance: TypeAlias = Annotated[
    float,
    typer.Option(metavar="SHARE", min=0, help="Share by which the latency may be above recorded."),
]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Print what would be done, do nothing.")
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("promote", epilog=EPILOG)(promote)


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
    miou_tolerance: MiouTolerance = USUAL.miou,
    latency_tolerance: LatencyTolerance = USUAL.latency,
    dry_run: DryRun = False,
    storage: StorageRoot = None,
    as_json: AsJson = False,
) -> None:
    """Make one trial of a sweep the champion of a registered model.

    Its figures are found again from the registered files first. Where one differs, the champion
    stays and the exit code is 3; every figure is kept with the version.
    """
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.registry.store import ModelRegistry
    from orchestrator.registry.versions import check_name
    from orchestrator.spec.parse import load_spec

    folder = find_sweep(storage_root(storage), sweep)
    spec = load_spec(folder.spec)
    with explained():
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
    with explained():
        plan = _plan(folder, spec, registry, request)
        if dry_run or plan.already_champion:
            _print_plan(plan, as_json=as_json)
            return
        _carry_out(plan, spec, folder, registry, request, as_json=as_json)


def _rule(text: str) -> Rule:
    for rule in RULES:
        if rule == text:
            return rule
    raise CliError(f"--rule {text!r} is unknown; there are {', '.join(RULES)}")


def _plan(
    folder: SweepFolder, spec: SweepSpec, registry: ModelRegistry, request: PromotionRequest
) -> PromotionPlan:
    from orchestrator.registry.promote import make_plan
    from orchestrator.report.results import make_report, read_records

    machines = {
        each.trial_id: str(each.details["device"])
        for each in read_records(folder).trials
        if "device" in each.details
    }
    return make_plan(spec, make_report(spec, folder), registry, request, machines=machines)


def _print_plan(plan: PromotionPlan, *, as_json: bool) -> None:
    if as_json:
        say_json({"promoted": False, "plan": plan.to_mapping()})
        return
    for line in plan.lines():
        say(line)
    if plan.already_champion and plan.champion is not None:
        version = plan.champion.version
        say(f"nothing to do: it is {plan.name}@champion already, as version {version}")


def _carry_out(
    plan: PromotionPlan,
    spec: SweepSpec,
    folder: SweepFolder,
    registry: ModelRegistry,
    request: PromotionRequest,
    *,
    as_json: bool,
) -> None:
    from orchestrator.registry.promote import carry_out, summary
    from orchestrator.registry.retrain import RetrainingError
    from trainables.training.checkpoint import CheckpointError

    if not as_json:
        for line in plan.lines():
            say(line)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the version says so
    try:
        promotion = carry_out(plan, spec, folder, registry, request, say=tell)
    except (CheckpointError, RetrainingError) as error:
        raise CliError(str(error)) from error
    if as_json:
        say_json(promotion.to_mapping())
    else:
        for line in summary(promotion):
            say(line)
    if not promotion.promoted:
        raise typer.Exit(REFUSED)
