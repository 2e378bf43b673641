"""Addresses of pages of the MLflow UI."""

from __future__ import annotations

import re
from urllib.parse import urlencode

COMPARISON_KEY = "segsweep-compare"
"""Key of the view that compares the sweeps of an experiment."""


def view_address(base: str, experiment_id: str, key: str) -> str:
    """Return the address of a saved view on the server at ``base``; relative if it is empty."""
    query = urlencode(
        {
            "viewStateShareKey": key,
            "compareRunsMode": "CHART",
            "workflowType": "machine_learning",
        }
    )
    return f"{_root(base)}#/experiments/{experiment_id}/runs?{query}"


def run_address(base: str, experiment_id: str, run_id: str, *, artifact: str = "") -> str:
    """Return the address of a run's page, or of one of its artifacts."""
    place = f"/artifacts/{artifact}" if artifact else ""
    return (
        f"{_root(base)}#/experiments/{experiment_id}/runs/{run_id}{place}"
        "?workflowType=machine_learning"
    )


def sweep_key(sweep_id: str, *, front_only: bool = False) -> str:
    """Return the key of a sweep's view, a function of its id."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", sweep_id).strip("-")
    return f"{slug}-front" if front_only else slug


def _root(base: str) -> str:
    return f"{base.rstrip('/')}/" if base else ""
