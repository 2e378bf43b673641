"""The verb ``profile``: the costs of one configuration."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import count_text, print_json, print_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from search_spaces.config import TrialConfig
    from search_spaces.domains import Value
    from trainables.config import TargetConfig
    from trainables.cost.profile import CostProfile

EPILOG = examples(
    "segsweep profile --set arch=deeplabv3plus --set backbone=mobilenet_v2 \\",
    "    --set output_stride=32 --set resolution=224 --set num_classes=21",
    "segsweep profile --set backbone=resnet50 --no-latency --json",
    "segsweep profile --set target.threads=2 --set target.repeats=50",
    "segsweep profile --set quantization=ptq_int8 --set pruning=structured \\",
    "    --set target.name=executorch-xnnpack",
)
DEFAULT_CLASSES = 19

Settings: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="A field of the configuration, num_classes (default 19), or a setting of the target "
        "such as target.threads. Repeatable.",
    ),
]
Latency: TypeAlias = Annotated[
    bool, typer.Option("--latency/--no-latency", help="Measure the latency on this machine.")
]


def profile(
    settings: Settings = None,
    latency: Latency = True,
    as_json: AsJson = False,
) -> None:
    """Print the costs of one configuration.

    Parameters, MACs and FLOPs for one image, and the median latency on this machine with the
    settings of its measurement. Fields that are not set have their defaults.
    """
    config, num_classes, target = read_profile_settings(settings or ())
    from trainables.cost.profile import profile_config
    from trainables.cost.quiet import QuietNode, quiet_path

    _check_target(target)
    if latency:
        _check_runnable(config, target)
    measuring = QuietNode(quiet_path()).measuring
    cost = profile_config(config, num_classes, target, latency=latency, measuring=measuring)
    if as_json:
        print_json(_mapping(config, num_classes, cost))
    else:
        print_pairs(_pairs(config, num_classes, cost))


def read_profile_settings(texts: Sequence[str]) -> tuple[TrialConfig, int, TargetConfig]:
    """Return configuration, number of classes and target from the texts of ``--set``.

    Raises:
        SpecError: a field is unknown or invalid; it lists every fault.
    """
    from orchestrator.spec.sections import read_section
    from orchestrator.spec.text import SpecError, lay_over, read_overrides
    from search_spaces.config import TrialConfig, find_faults
    from search_spaces.faults import Fault
    from trainables.config import TargetConfig

    given: object = {}
    for place, value in read_overrides(texts):
        given = lay_over(given, place, value)
    config = dict(given) if isinstance(given, dict) else {}
    num_classes = config.pop("num_classes", DEFAULT_CLASSES)
    target = read_section(TargetConfig, config.pop("target", None), "target")
    found = [] if isinstance(target, TargetConfig) else target
    if not isinstance(num_classes, int) or isinstance(num_classes, bool) or num_classes < 1:
        found.append(Fault("num_classes", f"must be a whole number >= 1, got {num_classes!r}"))
    found += find_faults(config)
    if found or not isinstance(target, TargetConfig):
        raise SpecError(found, "the settings of --set")
    return TrialConfig.from_mapping(config), num_classes, target


def _check_target(target: TargetConfig) -> None:
    from orchestrator.cli.shared.errors import CliError
    from trainables.cost.host import device_of

    try:
        device_of(target)
    except RuntimeError as error:
        raise CliError(str(error)) from error


def _check_runnable(config: TrialConfig, target: TargetConfig) -> None:
    """Raise ``CliError`` if the target cannot run the configuration."""
    from orchestrator.cli.shared.errors import CliError
    from trainables.cost.targets import quantization_fault
    from trainables.formats.runtimes.command import command_line

    if fault := quantization_fault(target, config.quantization):
        raise CliError(f"{fault}; or skip the latency with --no-latency")
    if target.name == "command":
        try:
            command_line(target, Path("artifact"), config.resolution)
        except ValueError as error:
            raise CliError(str(error)) from error


def _mapping(config: TrialConfig, num_classes: int, cost: CostProfile) -> dict[str, object]:
    return {
        **cost.metrics(),
        "measured": cost.details() or None,
        "num_classes": num_classes,
        "config": config.to_mapping(),
    }


def _pairs(config: TrialConfig, num_classes: int, cost: CostProfile) -> list[tuple[str, str]]:
    words = " ".join(f"{name}={value}" for name, value in config.to_mapping().items())
    pairs = [
        ("config", f"{words} num_classes={num_classes}"),
        ("params", f"{cost.params:,} ({count_text(cost.params)})"),
        ("macs", f"{cost.macs:,} ({count_text(cost.macs)})"),
        ("flops", f"{cost.flops:,} ({count_text(cost.flops)})"),
    ]
    if cost.bops is not None:
        pairs.append(("bops", f"{cost.bops:,} ({count_text(cost.bops)})"))
    if cost.artifact_bytes is not None:
        pairs.append(("artifact", f"{cost.artifact_bytes / 1e6:.2f} MB"))
    if cost.latency is not None:
        found = cost.latency
        how = ", ".join(f"{name} {_rounded(value)}" for name, value in cost.details().items())
        mark = "" if found.undisturbed else f"; disturbed: {found.disturbance}, measure again"
        iqr = f"interquartile {found.latency_iqr_ms:.2f}"
        pairs += [
            ("latency_ms", f"{found.latency_ms:.2f} ({iqr}{mark})"),
            ("measured", how),
        ]
    return pairs


def _rounded(value: Value) -> Value:
    return float(f"{value:.3g}") if isinstance(value, float) else value
