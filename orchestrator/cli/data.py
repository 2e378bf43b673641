"""The verb ``data``: look at labelled images before a sweep does."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from orchestrator.cli.shared.exit_codes import USER_FAULT
from orchestrator.cli.shared.hints import spec_command
from orchestrator.cli.shared.options import AsJson, Overrides, SpecFile, examples
from orchestrator.cli.shared.output import say, say_json, say_table, tell, warning

if TYPE_CHECKING:
    from trainables.data.checks.report import DataReport

EPILOG = examples(
    "segsweep data check camvid.yaml --set data.root=/data/camvid",
    "segsweep data check --set data.format=cityscapes --set data.root=/data/cityscapes --json",
)


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Look at a data set.")
    group.callback()(_group)
    group.command("check", epilog=EPILOG)(check)
    app.add_typer(group, name="data")


def _group() -> None:
    """Look at a data set."""


def check(
    spec: SpecFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,  # noqa: FBT002
) -> None:
    """Check every image and mask.

    Every fault is named, class frequencies are shown. Leaves with exit code 2 where the data set
    cannot be used.
    """
    from orchestrator.spec.parse import load_spec
    from trainables.data.checks.check import check_data

    parsed = load_spec(spec, overrides=overrides or ())
    report = check_data(parsed.data, cache_dir=parsed.storage.cache_dir)
    if as_json:
        say_json(report_mapping(report))
        tell_faults(report)
    else:
        print_report(report)
    if not report.ok:
        raise typer.Exit(USER_FAULT)
    tell(f"what a sweep will do: {spec_command('plan', spec, overrides or ())}")


def report_mapping(report: DataReport) -> dict[str, object]:
    """Return the report as JSON types."""
    return {
        "ok": report.ok,
        "format": report.format,
        "root": report.root,
        "digest": report.digest,
        "faults": [
            {"kind": f.kind, "path": f.path, "what": f.what, "remedy": f.remedy}
            for f in report.faults
        ],
        "warnings": [
            {"kind": f.kind, "path": f.path, "what": f.what, "remedy": f.remedy}
            for f in report.warnings
        ],
        "splits": {
            split.role: {
                "images": split.images,
                "sizes": [
                    {"height": height, "width": width, "images": count}
                    for height, width, count in split.sizes
                ],
                "ignored_share": split.ignored_share,
                "class_frequencies": dict(zip(report.class_names, split.frequencies, strict=True)),
            }
            for split in report.splits
        },
    }


def print_report(report: DataReport) -> None:
    """Print the report: what there is, how often, what is wrong."""
    from trainables.data.checks.report import fault_lines

    say(f"{report.format} data set in {report.root or 'no folder'}")
    for split in report.splits:
        sizes = ", ".join(f"{height}x{width} ({count})" for height, width, count in split.sizes)
        say(
            f"{split.role}: {split.images} images; {sizes or 'none sound'}; "
            f"{split.ignored_share:.1%} of the pixels ignored"
        )
    if report.splits:
        rows = [
            (str(number), name, *(f"{split.frequencies[number]:.2%}" for split in report.splits))
            for number, name in enumerate(report.class_names)
        ]
        say_table(("id", "class", *(split.role for split in report.splits)), rows)
    for line in fault_lines(report.warnings):
        warning(line)
    tell_faults(report)
    if not report.ok:
        tell(f"{len(report.faults)} fault(s): the data set cannot be used")
    else:
        say("no faults")


def tell_faults(report: DataReport) -> None:
    """Print every fault of the report to the standard error."""
    from trainables.data.checks.report import fault_lines

    for line in fault_lines(report.faults):
        tell(f"error: {line}")
