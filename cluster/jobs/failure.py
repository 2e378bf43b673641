"""Why a job failed, read from Ray's message on it and from its log."""

from __future__ import annotations

import re
from itertools import islice

from rich.text import Text

LOG_LINES = 8
"""Lines of a log that are quoted."""
LOG_CHARACTERS = 100_000
"""Characters at the end of a log that are searched; a log may have hundreds of megabytes."""
LINE_CHARACTERS = 400
"""Characters that are kept of one line; a traceback's last line is seldom longer."""

_BEFORE_DETAILS = re.compile(
    r"[,.]? *(last available logs.*|Full traceback:.*|Traceback \(most recent.*)$"
)
"""What Ray puts between its own words and the log or traceback that follows."""
_MISSING = re.compile(
    r"(?:^|[\s:/])(?:command not found: (?P<zsh>[\w./-]+)"
    r"|'?(?P<shell>[\w./-]+)'?: (?:command )?not found"
    r"|(?:env|exec): ['\u2018]?(?P<env>[\w./-]+)['\u2019]?: No such file or directory"
    r"|No such file or directory: '(?P<python>[\w./-]+)')$"
)
"""How dash, bash, zsh, env and Python report that a program is not on the search path."""


def cause(message: str) -> str:
    """Return a message in one line: its first line, then the last line of what follows.

    Between the two Ray puts a part of the log, whose beginning is cut off, or a traceback.
    """
    first, *others = [line for line in map(_plain, message.splitlines()) if line] or [""]
    what = _BEFORE_DETAILS.sub("", first).rstrip(": ")[:LINE_CHARACTERS]
    return ": ".join(filter(None, [what, *map(shorten, others[-1:])]))


def log_end(log: str, count: int = LOG_LINES) -> list[str]:
    """Return the last ``count`` lines of a log that are not empty, without colours."""
    lines = reversed(log[-LOG_CHARACTERS:].splitlines())
    return [*islice(map(shorten, filter(None, map(_plain, lines))), count)][::-1]


def missing_program(command: str, text: str) -> str | None:
    """Return the program of ``command`` if ``text`` reports that its node does not have it.

    Args:
        command: Entrypoint of the job.
        text: The end of its log, or Ray's message on it.
    """
    program = command.split(maxsplit=1)[0] if command.strip() else None
    for line in log_end(text):
        found = _MISSING.search(line)
        if found and program in found.groups():
            return program
    return None


def shorten(line: str) -> str:
    """Return ``line``; of one that is too long the end, as an error's reason stands there."""
    return line if len(line) <= LINE_CHARACTERS else f"…{line[-LINE_CHARACTERS:]}"


def _plain(line: str) -> str:
    return Text.from_ansi(line).plain.strip() if "\x1b" in line else line.strip()
