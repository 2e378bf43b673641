"""The verb ``presets``: search spaces that have a name."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import say, say_json, say_pairs, say_table, tell

EPILOG = examples("segsweep presets", "segsweep presets mobile", "segsweep run --preset kim")

Name = Annotated[
    str | None,
    typer.Argument(
        metavar="NAME", show_default=False, help="Preset to show with all its dimensions."
    ),
]


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("presets", epilog=EPILOG)(presets)


def presets(name: Name = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """List the named search spaces, or show one.

    A spec takes one by name, space: kim, or as a base, space: {preset: kim, batch_size: [4, 8]}.
    """
    from search_spaces.presets import preset_summaries

    summaries = preset_summaries()
    if name is not None:
        _show(name, as_json=as_json)
    elif as_json:
        say_json(summaries)
    else:
        say_pairs(summaries.items())
        tell("look at one: segsweep presets NAME")


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
        say_json({"name": name, "dimensions": [row._asdict() for row in rows]})
        return
    say(preset_summaries()[name])
    say_table(("dimension", "values", "where"), rows)
    tell(f"what a sweep of it will do: segsweep plan --preset {name}")
