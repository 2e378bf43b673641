"""The verb ``presets``: the named search spaces."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import (
    print_err,
    print_json,
    print_out,
    print_pairs,
    print_table,
)

EPILOG = examples("segsweep presets", "segsweep presets mobile", "segsweep run --preset kim")

Name = Annotated[
    str | None, typer.Argument(metavar="NAME", help="Show the dimensions of this preset.")
]


def presets(name: Name = None, as_json: AsJson = False) -> None:
    """List the named search spaces, or show one.

    A spec uses a preset by name, space: kim, or extends it, space: {preset: kim, batch_size: [4,
    8]}.
    """
    from search_spaces.presets import preset_summaries

    summaries = preset_summaries()
    if name is not None:
        _show(name, as_json=as_json)
    elif as_json:
        print_json(summaries)
    else:
        print_pairs(summaries.items())
        print_err("show one: segsweep presets NAME")


def _show(name: str, *, as_json: bool) -> None:
    from orchestrator.cli.shared.errors import CliError
    from search_spaces.describe import describe_space
    from search_spaces.faults import unknown_name
    from search_spaces.joint import TeacherIdentity, joint_space
    from search_spaces.presets import PRESETS, preset_summaries
    from trainables.config import TeacherConfig

    if name not in PRESETS:
        raise CliError(unknown_name(name, PRESETS, kind="preset"))
    teacher = TeacherConfig()
    identity = TeacherIdentity(
        arch=teacher.arch, backbone=teacher.backbone, output_stride=teacher.output_stride
    )
    rows = describe_space(joint_space(PRESETS[name](), teacher=identity))
    if as_json:
        print_json({"name": name, "dimensions": [row._asdict() for row in rows]})
        return
    print_out(preset_summaries()[name])
    print_table(("dimension", "values", "where"), rows)
    print_err(f"plan a sweep of it: segsweep plan --preset {name}")
