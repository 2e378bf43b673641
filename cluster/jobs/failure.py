"""The cause of a failed job, read from Ray's message and from its log."""

from __future__ import annotations

import re
from itertools import islice

from rich.text import Text

LOG_LINES = 8
"""Lines of a log that are shown."""
LOG_CHARACTERS = 100_000
"""Characters at the end of a log that are searched; a log may have hundreds of MB."""
LINE_CHARACTERS = 400
"""Characters of one line that are shown; the last line of a traceback is rarely longer."""

_BEFORE_DETAILS = re.compile(
    r"[,.]? *(last available logs.*|Full traceback:.*|Traceback \(most recent.*)$"
)
"""Text between Ray's message and the log or traceback that follows."""
_MISSING = re.compile(
    r"(?:^|[\s:/])(?:command not found: (?P<zsh>[\w./-]+)"
    r"|'?(?P<shell>[\w./-]+)'?: (?:command )?not found"
    r"|(?:env|exec): ['\u2018]?(?P<env>[\w./-]+)['\u2019]?: No such file or directory"
    r"|No such file or directory: '(?P<python>[\w./-]+)')$"
)
"""How dash, bash, zsh, env and Python report that a program is not in ``PATH``."""


def cause(message: str) -> str:
    """Return a message in one line: its first and its last line.

    Ray puts the end of the log, or a traceback, between the two.
    """
    first, *others = [line for line in map(_plain, message.splitlines()) if line] or [""]
    what = _BEFORE_DETAILS.sub("", first).rstrip(": ")[:LINE_CHARACTERS]
    return ": ".join(filter(None, [what, *map(shorten, others[-1:])]))


def log_end(log: str, count: int = LOG_LINES) -> list[str]:
    """Return the last ``count`` non-empty lines of a log, without colours."""
    lines = reversed(log[-LOG_CHARACTERS:].splitlines())
    return [*islice(map(shorten, filter(None, map(_plain, lines))), count)][::-1]


def missing_program(command: str, text: str) -> str | None:
    """Return the program of ``command`` if ``text`` reports that its node lacks it.

    Args:
        command: Entrypoint of the job.
        text: The end of its log, or Ray's message on it.
    """
    program = command.split(maxsplit=1)[0] if command.strip() else None
    for line in log_end(text):
        match = _MISSING.search(line)
        if match and program in match.groups():
            return program
    return None


def shorten(line: str) -> str:
    """Return ``line``, or the end of one that is too long: an error's reason is at the end."""
    return line if len(line) <= LINE_CHARACTERS else f"…{line[-LINE_CHARACTERS:]}"


def _plain(line: str) -> str:
    return Text.from_ansi(line).plain.strip() if "\x1b" in line else line.strip()
