"""Functions that print results and messages."""

from __future__ import annotations

import io
import json
import math
import sys
from typing import TYPE_CHECKING, TextIO, TypeVar

from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

T = TypeVar("T")


def escape_unencodable(stream: TextIO) -> None:
    """Make a stream escape characters outside of its encoding instead of raising."""
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")


def print_out(text: str = "") -> None:
    """Print a line of the result to standard output, secrets redacted."""
    sys.stdout.write(f"{redact(text)}\n")
    sys.stdout.flush()


def print_err(text: str) -> None:
    """Print a message, such as progress or an error, to standard error, secrets redacted."""
    sys.stderr.write(f"{escape_control(redact(text))}\n")
    sys.stderr.flush()


def print_warning(text: str) -> None:
    """Print a warning to standard error."""
    print_err(f"warning: {text}")


def escape_control(text: str) -> str:
    """Escape control characters except newlines, so that text cannot control the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def print_json(value: object) -> None:
    """Print ``value`` as JSON; a number that is not finite becomes null."""
    print_out(json.dumps(_finite(value), indent=2, default=str, allow_nan=False))


def print_pairs(pairs: Iterable[tuple[str, str]]) -> None:
    """Print names and values in two columns."""
    rows = list(pairs)
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print_out(f"{name:<{width}}  {value}")


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table that fits the terminal; in a pipe no cell is wrapped."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(redact(cell)) for cell in row))
    width = None if sys.stdout.isatty() else 1000
    console = Console(file=sys.stdout, width=width, soft_wrap=width is not None)
    console.print(table)


def with_progress(
    items: Iterable[T], *, total: int, doing: str, done: str, unit: str
) -> Iterator[T]:
    """Yield the items while showing a progress bar; without a terminal, print ten lines.

    Args:
        items: Items to yield.
        total: Number of items.
        doing: Text before the bar, such as ``predicting``.
        done: First word of a line, such as ``predicted``.
        unit: Last word of a line, such as ``images``.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(items, description=doing, total=total, console=Console(stderr=True))
        return
    step = max(1, total // 10)
    for number, item in enumerate(items, start=1):
        yield item
        if total > 1 and (number % step == 0 or number == total):
            print_err(f"{done} {number} of {total} {unit}")


def seconds_text(seconds: float) -> str:
    """Return a duration such as ``42 s``, ``3 min 05 s`` or ``2 h 07 min``."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def count_text(value: float) -> str:
    """Return a large count with a unit, such as ``3.21 G`` or ``12.4 M``."""
    for factor, unit in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= factor:
            return f"{value / factor:.3g} {unit}"
    return f"{value:g}"


def bytes_text(value: float) -> str:
    """Return a size such as ``1.5 GiB``."""
    for factor, unit in ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if value >= factor:
            return f"{value / factor:.1f} {unit}"
    return f"{value:.0f} B"


def _finite(value: object) -> object:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
