"""Paths, modules and command lines that the documentation names."""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import typer

from orchestrator.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("benchmarks/*.md"),
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
    ]
)
FOLDERS = ("orchestrator", "trainables", "search_spaces", "cluster", "tests", "benchmarks", "docs")
PATH = re.compile(rf"(?<![\w/.])(?:{'|'.join((*FOLDERS, 'examples'))})/[\w./-]*\w")
MODULE = re.compile(rf"(?<![\w/.])(?:{'|'.join(FOLDERS[:6])})(?:\.\w+)+(?![\w/]|\.\w)")
LINK = re.compile(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)")
FENCE = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?: {4})?(?:\$ )?(?:\.venv/bin/)?(segsweep .+)$", re.MULTILINE)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def unlinked(page: Path) -> str:
    """The text of ``page`` without the targets of its links."""
    return LINK.sub("]", text_of(page))


def exists(module: str) -> bool:
    """Whether ``module`` is a module, or an attribute of one."""
    parts = module.split(".")
    whole, parent = ROOT.joinpath(*parts), ROOT.joinpath(*parts[:-1])
    return (
        whole.is_dir()
        or whole.with_suffix(".py").is_file()
        or (len(parts) > 2 and (parent.with_suffix(".py").is_file() or parent.is_dir()))
    )


def test_paths_and_links_of_the_pages_exist() -> None:
    missing = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES
        for name, base in (
            *((name, ROOT) for name in PATH.findall(unlinked(page))),
            *((name, page.parent) for name in LINK.findall(text_of(page))),
        )
        if not (base / name).exists()
    }
    assert missing == set()


def test_modules_of_the_pages_exist() -> None:
    missing = {
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES
        for name in MODULE.findall(PATH.sub("", unlinked(page)))
        if not exists(name)
    }
    assert missing == set()


@cache
def commands() -> dict[str, object]:
    """Every command of the command line by its words."""
    found: dict[str, object] = {}

    def visit(command: object, words: str) -> None:
        children = getattr(command, "commands", None)
        if children is None:
            found[words] = command
        for name, child in (children or {}).items():
            visit(child, f"{words} {name}".strip())

    visit(typer.main.get_command(app), "")
    return found


def command_lines(text: str) -> list[str]:
    """Every ``segsweep`` command of the shell blocks and indented blocks of ``text``."""
    blocks = FENCE.findall(text)
    indented = "\n".join(line for line in text.splitlines() if line.startswith("    "))
    shell = "\n".join([*blocks, indented]).replace("\\\n", " ")
    return [line.split(" | ")[0].split(" > ")[0] for line in COMMAND.findall(shell)]


def test_command_lines_of_the_pages_parse() -> None:
    faults = {
        f"{page.relative_to(ROOT)}: {fault}"
        for page in PAGES
        for line in command_lines(text_of(page))
        if (fault := parse_fault(line))
    }
    assert faults == set()


def parse_fault(line: str) -> str | None:
    """Return why the command line refuses ``line``; None where it takes it."""
    words = shlex.split(line, comments=True)[1:]
    for length in (2, 1):
        command = commands().get(" ".join(words[:length]))
        if command is not None:
            try:
                command.make_context("segsweep", words[length:])  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 - of the parser's classes, which are many
                return f"{line}: {error}"
            return None
    return f"{line}: no such command"


def test_the_readme_names_commands() -> None:
    assert len(command_lines(text_of(ROOT / "README.md"))) >= 8


def test_an_unknown_option_is_a_fault() -> None:
    assert parse_fault("segsweep plan --no-such-option") is not None
    assert parse_fault("segsweep no-such-verb") is not None
