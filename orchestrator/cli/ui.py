"""The verb ``ui``: serve MLflow for a sweep."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import StorageRoot, SweepName, examples, storage_root
from orchestrator.cli.shared.output import print_err
from orchestrator.cli.shared.pages import noted_ui, print_pages

EPILOG = examples(
    "segsweep ui", "segsweep ui demo-20260131-120000 --port 5000", "segsweep ui --host 0.0.0.0"
)

Port: TypeAlias = Annotated[
    int, typer.Option(help="Port to listen on; 0 picks a free one.", min=0, max=65535)
]
Host: TypeAlias = Annotated[
    str, typer.Option(help="Address to listen on; the default accepts only this machine.")
]


def ui(
    sweep: SweepName = None,
    storage: StorageRoot = None,
    host: Host = "127.0.0.1",
    port: Port = 0,
) -> None:
    """Serve MLflow until Ctrl-C and print the addresses of a sweep's pages.

    While it runs, run and report print the addresses too. If the sweep is tracked by a server, its
    addresses are printed and nothing is started.
    """
    from orchestrator.ledger.folders import find_sweep
    from orchestrator.spec.parse import load_spec
    from orchestrator.tracking.client import is_remote
    from orchestrator.tracking.server import plan_server, serving
    from orchestrator.tracking.tracker import artifact_root

    folder = find_sweep(storage_root(storage), sweep)
    spec = load_spec(folder.spec)
    if is_remote(spec.tracking_uri):
        print_pages(spec.tracking_uri, folder)
        return
    plan = plan_server(spec.tracking_uri, artifact_root(spec), host=host, port=port)
    print_err(f"starting MLflow on {plan.address}")
    log = Path(spec.storage.root) / "logs" / "mlflow-server.log"
    with serving(plan, log=log) as base, noted_ui(spec, base):
        print_pages(base, folder)
        print_err("press Ctrl-C to stop the server")
        _wait()


def _wait() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print_err("ended")
