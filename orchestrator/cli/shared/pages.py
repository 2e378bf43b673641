"""Prints a sweep's front and the addresses of its pages in the MLflow UI."""

from __future__ import annotations

import json
import sys
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.cli.shared.hints import command
from orchestrator.cli.shared.output import print_err, print_out
from trainables.io.redaction import redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.ledger.folders import SweepFolder
    from orchestrator.report.model import SweepReport
    from orchestrator.spec.sweep_spec import SweepSpec

_NOTE = "mlflow-ui.json"
"""File of the storage folder with the address and the store of a running ``segsweep ui``."""
_HEALTH_TIMEOUT_SECONDS = 2.0


def print_report(report: SweepReport, files: Iterable[Path]) -> None:
    """Print the front and the figures of a sweep, then the paths of the report's files."""
    from rich.console import Console

    from orchestrator.report.text import summary

    width = None if sys.stdout.isatty() else 160
    Console(file=sys.stdout, width=width).print(summary(report))
    for file in files:
        print_out(f"{file.suffix.removeprefix('.'):<5} {file}")


def print_pages_or_command(folder: SweepFolder, spec: SweepSpec) -> None:
    """Print the addresses of a sweep's pages, or the command that serves them."""
    base = running_ui(spec)
    if base is None:
        print_out(f"open it in MLflow: {command('ui', folder)}")
    else:
        print_pages(base, folder)


def print_pages(base: str, folder: SweepFolder) -> None:
    """Print the addresses of the sweep's pages on an MLflow server."""
    from orchestrator.tracking.tracker import known_place

    place = known_place(folder)
    if place is None:
        print_out(f"MLflow        {base}")
        print_err(f"sweep {folder.sweep_id} has no page in MLflow yet")
        return
    print_out(f"sweep         {place.page(base)}")
    print_out(f"charts        {place.view(base)}")
    print_out(f"front         {place.front(base)}")
    print_out(f"comparison    {place.comparison(base)}")


def running_ui(spec: SweepSpec) -> str | None:
    """Return the address of the running MLflow server for the store of ``spec``; None without."""
    from orchestrator.tracking.client import is_remote

    if is_remote(spec.tracking_uri):
        return spec.tracking_uri
    try:
        noted = json.loads((Path(spec.storage.root) / _NOTE).read_text(encoding="utf-8"))
        base = str(noted["base"]) if noted["store"] == redact(spec.tracking_uri) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return base if base is not None and _answers(base) else None


@contextmanager
def noted_ui(spec: SweepSpec, base: str) -> Iterator[None]:
    """Record the server at ``base`` for other commands while the block runs."""
    note = Path(spec.storage.root) / _NOTE
    note.write_text(
        json.dumps({"store": redact(spec.tracking_uri), "base": base}), encoding="utf-8"
    )
    try:
        yield
    finally:
        note.unlink(missing_ok=True)


def _answers(base: str) -> bool:
    """Whether the server answers; a killed ``segsweep ui`` leaves its record behind."""
    with (
        suppress(OSError, ValueError),
        urllib.request.urlopen(f"{base}/health", timeout=_HEALTH_TIMEOUT_SECONDS) as answer,  # noqa: S310
    ):
        return bool(answer.status == 200)
    return False
