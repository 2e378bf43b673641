"""The verb ``data check``: check the images and masks of a data set."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from orchestrator.cli.shared.errors import USER_FAULT
from orchestrator.cli.shared.hints import spec_command
from orchestrator.cli.shared.options import AsJson, Overrides, SpecFile, examples
from orchestrator.cli.shared.output import (
    print_err,
    print_json,
    print_out,
    print_table,
    print_warning,
)

if TYPE_CHECKING:
    from trainables.data.checks.report import DataReport

EPILOG = examples(
    "segsweep data check camvid.yaml --set data.root=/data/camvid",
    "segsweep data check --set data.format=cityscapes --set data.root=/data/cityscapes --json",
)


def check(
    spec: SpecFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Check every image and mask of a data set.

    Prints every fault with its file, and the frequency of each class. Exit code 2 means that the
    data set cannot be used.
    """
    from orchestrator.spec.parse import load_spec
    from trainables.data.checks.check import check_data

    parsed = load_spec(spec, overrides=overrides or ())
    report = check_data(parsed.data, cache_dir=parsed.storage.cache_dir)
    if as_json:
        print_json(report_mapping(report))
        print_faults(report)
    else:
        print_report(report)
    if not report.ok:
        raise typer.Exit(USER_FAULT)
    print_err(f"plan a sweep: {spec_command('plan', spec, overrides or ())}")


def report_mapping(report: DataReport) -> dict[str, object]:
    """Return the report as JSON types."""
    return {
        "ok": report.ok,
        "format": report.format,
        "root": report.root,
        "digest": report.digest,
        **{
            name: [
                {"kind": f.kind, "path": f.path, "what": f.what, "remedy": f.remedy} for f in faults
            ]
            for name, faults in (("faults", report.faults), ("warnings", report.warnings))
        },
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
    """Print splits, class frequencies, warnings and faults."""
    from trainables.data.checks.report import fault_lines

    print_out(f"{report.format} data set in {report.root or 'no folder'}")
    for split in report.splits:
        sizes = ", ".join(f"{height}x{width} ({count})" for height, width, count in split.sizes)
        print_out(
            f"{split.role}: {split.images} images; {sizes or 'none readable'}; "
            f"{split.ignored_share:.1%} of the pixels ignored"
        )
    if report.splits:
        rows = [
            (str(number), name, *(f"{split.frequencies[number]:.2%}" for split in report.splits))
            for number, name in enumerate(report.class_names)
        ]
        print_table(("id", "class", *(split.role for split in report.splits)), rows)
    for line in fault_lines(report.warnings):
        print_warning(line)
    print_faults(report)
    if not report.ok:
        print_err(f"{len(report.faults)} fault(s): the data set cannot be used")
    else:
        print_out("no faults")


def print_faults(report: DataReport) -> None:
    """Print every fault of the report to standard error."""
    from trainables.data.checks.report import fault_lines

    for line in fault_lines(report.faults):
        print_err(f"error: {line}")
