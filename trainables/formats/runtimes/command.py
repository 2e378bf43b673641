"""The target ``command``: a program of the user times the artifact."""

from __future__ import annotations

import math
import re
import shlex
import subprocess
from typing import TYPE_CHECKING

from trainables.formats.runtimes.base import ArtifactError
from trainables.io.redaction import expand

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from search_spaces.resolution import Resolution
    from trainables.config import TargetConfig

TIMEOUT_SECONDS = 600.0
"""Time limit of the program, seconds."""


def command_line(target: TargetConfig, artifact: Path, resolution: Resolution) -> list[str]:
    """Return ``target.command`` as words; no shell is involved.

    ``{artifact}``, ``{threads}``, ``{batch_size}``, ``{warmup}``, ``{repeats}``, ``{height}`` and
    ``{width}`` are replaced; without ``{artifact}``, the artifact is appended.

    Raises:
        ValueError: the target has no command, or one with an unknown placeholder.
    """
    if not target.command:
        raise ValueError(
            "target command needs target.command, for example './on_phone.sh {artifact}'"
        )
    known = {
        "artifact": str(artifact),
        "threads": target.threads,
        "batch_size": target.batch_size,
        "warmup": target.warmup,
        "repeats": target.repeats,
        "height": resolution.height,
        "width": resolution.width,
    }
    try:
        words = [_filled(word, known) for word in shlex.split(target.command)]
    except (KeyError, IndexError) as error:
        allowed = ", ".join(f"{{{name}}}" for name in known)
        raise ValueError(
            f"target.command has the placeholder {error}; allowed are {allowed}"
        ) from error
    return words if "{artifact}" in target.command else [*words, str(artifact)]


def _filled(word: str, known: Mapping[str, object]) -> str:
    """Return ``word`` with placeholders and secrets replaced; their values are never split."""
    named = re.sub(r"\$\{(\w+)\}", r"${{\1}}", word)
    return expand(named.format(**known))


def run_command(target: TargetConfig, artifact: Path, resolution: Resolution) -> list[float]:
    """Return the milliseconds that the program of ``target`` prints, one line per pass.

    Lines of its standard output that are not numbers are ignored.

    Raises:
        ValueError: the target has no valid command.
        ArtifactError: the program failed, or printed no number above 0.
    """
    words = command_line(target, artifact, resolution)
    try:
        process = subprocess.run(  # noqa: S603 - the user's own program
            words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ArtifactError(f"{shlex.join(words)} could not be run: {error}") from error
    if process.returncode != 0:
        output = _tail(process.stderr or process.stdout)
        raise ArtifactError(f"{shlex.join(words)} ended with {process.returncode}: {output}")
    times = [
        number for line in process.stdout.splitlines() if (number := _number(line)) is not None
    ]
    if not times:
        raise ArtifactError(
            f"{shlex.join(words)} printed no milliseconds; each pass is a line with a number above "
            f"0, got: {_tail(process.stdout)}"
        )
    return times


def _number(line: str) -> float | None:
    try:
        number = float(line)
    except ValueError:
        return None
    return number if number > 0 and math.isfinite(number) else None


def _tail(text: str) -> str:
    return " ".join(text.split())[-300:] or "nothing"
