"""One-line descriptions and traceback files of exceptions."""

from __future__ import annotations

import traceback
from pathlib import Path

from trainables.io.claim import ClaimLostError, changing
from trainables.io.redaction import redact

TRACEBACK = "error.txt"
"""File with the traceback of a trial that failed."""
_HERE = Path(__file__).parents[1]


def describe_error(error: Exception) -> str:
    """Return the type, message and place of ``error`` in one line.

    The place is the innermost frame in this package, where there is one: a frame deep in a library
    does not show which call was wrong.
    """
    message = redact(" ".join(str(error).split())) or "no message"
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return f"{type(error).__name__}: {message}"
    ours = [frame for frame in frames if _HERE in Path(frame.filename).parents]
    at = (ours or frames)[-1]
    return f"{type(error).__name__}: {message} (at {Path(at.filename).name}:{at.lineno})"


def write_traceback(folder: Path, error: Exception) -> bool:
    """Write the traceback of ``error`` into ``folder``; return whether that succeeded."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = redact("".join(traceback.format_exception(error)))
        with changing(folder / TRACEBACK):
            (folder / TRACEBACK).write_text(text, encoding="utf-8")
    except (OSError, ClaimLostError):
        return False
    return True
