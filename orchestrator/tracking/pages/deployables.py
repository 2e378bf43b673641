"""Uploads the artifacts of trials to their MLflow runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import connect, tracking_errors
from trainables.export.record import FOLDER, RECORD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient

    from trainables.export.record import Artifact

TAG = "artifact."
"""Prefix of the tag of a format, which has the size, mIoU and digest of the file."""


def log_artifacts(
    uri: str, experiment: str, sweep_id: str, artifacts: Mapping[str, Sequence[Artifact]]
) -> None:
    """Upload the artifacts that the trials' runs lack, and tag the runs.

    Args:
        uri: Address of the tracking store.
        experiment: Name of the MLflow experiment.
        sweep_id: Id of the sweep.
        artifacts: Artifacts of each trial. Trials without a run are skipped.

    Raises:
        TrackingError: the store refused a request.
    """
    if not any(artifacts.values()):
        return
    with tracking_errors("log the artifacts"):
        client = connect(uri)
        existing = client.get_experiment_by_name(experiment)
        if existing is None:
            return
        for trial_id, files in artifacts.items():
            query = names.tag_filter(sweep__id=sweep_id, trial__id=trial_id)
            for run in client.search_runs([existing.experiment_id], query, max_results=1):
                _log(client, run.info.run_id, run.data.tags, files)


def tags_of(artifacts: Sequence[Artifact]) -> dict[str, str]:
    """Return the tag of each artifact; it changes with the file."""
    return {f"{TAG}{each.format}": _text(each) for each in artifacts}


def _log(
    client: MlflowClient, run_id: str, tags: Mapping[str, str], artifacts: Sequence[Artifact]
) -> None:
    wanted = tags_of(artifacts)
    new = [each for each in artifacts if tags.get(f"{TAG}{each.format}") != _text(each)]
    for each in new:
        client.log_artifact(run_id, str(each.path), FOLDER)
    if new:
        client.log_artifact(run_id, str(new[0].path.with_name(RECORD)), FOLDER)
    for each in new:  # last, so that an interrupted upload is repeated
        client.set_tag(run_id, f"{TAG}{each.format}", wanted[f"{TAG}{each.format}"])


def _text(artifact: Artifact) -> str:
    parts = [f"{artifact.size_bytes / 1e6:.2f} MB"]
    if artifact.verification is not None:
        check = artifact.verification
        parts += [f"mIoU {check.miou:.4f}", f"same class {check.agreement:.2%}"]
    return ", ".join([*parts, f"sha256 {artifact.sha256}"])
