"""The artifacts of trials in their MLflow runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.tracking import names
from orchestrator.tracking.client import connect, told_apart
from trainables.export.record import FOLDER, RECORD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient

    from trainables.export.record import Artifact

TAG = "artifact."
"""Before the name of a format: its size, its mIoU, its digest."""


def log_artifacts(
    uri: str, experiment: str, sweep_id: str, artifacts: Mapping[str, Sequence[Artifact]]
) -> None:
    """Upload what the runs of the trials do not have yet, each file with a tag that tells of it.

    Args:
        uri: Address of the tracking store.
        experiment: Name of the MLflow experiment.
        sweep_id: Identity of the sweep.
        artifacts: What lies there of each trial. Trials without a run are left out.

    Raises:
        TrackingError: the store did not take it.
    """
    if not any(artifacts.values()):
        return
    with told_apart("log the artifacts"):
        client = connect(uri)
        found = client.get_experiment_by_name(experiment)
        if found is None:
            return
        for trial_id, files in artifacts.items():
            wanted = names.tag_filter(sweep__id=sweep_id, trial__id=trial_id)
            for run in client.search_runs([found.experiment_id], wanted, max_results=1):
                _log(client, run.info.run_id, run.data.tags, files)


def tags_of(artifacts: Sequence[Artifact]) -> dict[str, str]:
    """Return a tag for each artifact, which is another one where the file is."""
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
    for each in new:  # last, so that an upload that broke off is made again
        client.set_tag(run_id, f"{TAG}{each.format}", wanted[f"{TAG}{each.format}"])


def _text(artifact: Artifact) -> str:
    parts = [f"{artifact.size_bytes / 1e6:.2f} MB"]
    if artifact.verification is not None:
        found = artifact.verification
        parts += [f"mIoU {found.miou:.4f}", f"same class {found.agreement:.2%}"]
    return ", ".join([*parts, f"sha256 {artifact.sha256}"])
