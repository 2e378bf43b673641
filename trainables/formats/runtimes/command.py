"""The user's own program, which times an artifact wherever it likes."""

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
"""Longest time that the program may take."""


def command_line(target: TargetConfig, artifact: Path, resolution: Resolution) -> list[str]:
    """Return the words of the program that ``target.command`` names, without any shell.

    ``{artifact}``, ``{threads}``, ``{batch_size}``, ``{warmup}``, ``{repeats}``, ``{height}`` and
    ``{width}`` are filled in; an artifact that is named nowhere comes last.

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
    """Return ``word`` with its placeholders and secrets put in; neither is split into words."""
    named = re.sub(r"\$\{(\w+)\}", r"${{\1}}", word)
    return expand(named.format(**known))


def run_command(target: TargetConfig, artifact: Path, resolution: Resolution) -> list[float]:
    """Return the milliseconds that the program of ``target`` printed, one pass each.

    Every line of its standard output that is a number counts; other lines do not.

    Raises:
        ValueError: the target has no sound command.
        ArtifactError: the program failed, or printed no number above 0.
    """
    words = command_line(target, artifact, resolution)
    try:
        done = subprocess.run(  # noqa: S603 - the user's own program
            words, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ArtifactError(f"{shlex.join(words)} could not be run: {error}") from error
    if done.returncode != 0:
        raise ArtifactError(
            f"{shlex.join(words)} ended with {done.returncode}: {_tail(done.stderr or done.stdout)}"
        )
    times = [number for line in done.stdout.splitlines() if (number := _number(line)) is not None]
    if not times:
        raise ArtifactError(
            f"{shlex.join(words)} printed no milliseconds; each pass is a line with a number above "
            f"0, got: {_tail(done.stdout)}"
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
