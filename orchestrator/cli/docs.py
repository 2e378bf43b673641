"""Generates docs/cli.md from the help texts."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import typer

from orchestrator.cli.main import app

if TYPE_CHECKING:
    from collections.abc import Iterator

WIDTH = 88
_HEAD = """# Command line

Generated from the help texts by `python -m orchestrator.cli.docs > docs/cli.md`; a test compares
them. Exit codes: 0 success, 1 an unexpected error or a sweep without a complete trial, 2 a user
error, 3 a refused promotion, 130 interrupted by Ctrl-C.
"""


def manual() -> str:
    """Return the help texts of all commands as Markdown."""
    pages = _pages(typer.main.get_command(app), "segsweep", None)
    parts = [f"## `{name}`\n\n```text\n{text.strip()}\n```\n" for name, text in pages]
    return "\n".join([_HEAD, *parts])


def _pages(command: Any, name: str, parent: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - typer has no type for it
    """Yield full name and help text of a command, then of its subcommands."""
    context = command.make_context(
        name,
        [],
        parent=parent,
        resilient_parsing=True,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
    )
    lines = command.get_help(context).splitlines()
    yield context.command_path, "\n".join(line.rstrip() for line in lines)
    for child, below in getattr(command, "commands", {}).items():
        yield from _pages(below, child, context)


if __name__ == "__main__":
    sys.stdout.write(manual())
