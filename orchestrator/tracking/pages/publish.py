"""Publishes the report of a sweep and the artifacts of its trials to MLflow."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from orchestrator.report.plot.html import to_html
from orchestrator.report.plot.png import to_png
from orchestrator.report.text import to_csv, to_json, to_markdown
from orchestrator.tracking import names
from orchestrator.tracking.client import connect, tracking_errors
from orchestrator.tracking.pages.views import (
    COMPARISON_KEY,
    comparison_view,
    run_address,
    surplus_views,
    sweep_key,
    sweep_view,
    view_address,
)
from orchestrator.tracking.runs.projection import Point
from trainables.export.record import FOLDER as ARTIFACT_FOLDER
from trainables.export.record import RECORD

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mlflow import MlflowClient

    from orchestrator.report.model import SweepReport
    from orchestrator.tracking.info import SweepInfo
    from trainables.export.record import Artifact

FOLDER = "pareto"
"""Artifact folder of the report's files in the sweep's run."""
THUMBNAIL = "thumbnail.png"
"""Plot of the front for the note on the run's page."""


class ReportSink(Protocol):
    """Destination of the report: an opened tracking store."""

    experiment_id: str
    parent_run_id: str

    @property
    def run_ids(self) -> Mapping[str, str]:
        """Run ids by trial id."""

    def push_sweep(
        self, points: Sequence[Point] = (), tags: Mapping[str, str] | None = None
    ) -> None:
        """Log points and tags to the sweep's run."""

    def upload(self, folder: Path, under: str) -> None:
        """Upload the files of ``folder`` to the artifact folder ``under`` of the sweep's run."""

    def experiment_tags(self) -> dict[str, str]:
        """Return the tags of the experiment."""

    def tag_experiment(self, tags: Mapping[str, str | None]) -> None:
        """Set tags of the experiment; None deletes a tag."""

    def metric_keys(self) -> list[str]:
        """Return the metric keys of the sweep's trials."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SweepPlace:
    """The pages of a sweep in the MLflow UI."""

    sweep_id: str
    experiment_id: str
    run_id: str
    """Run of the sweep."""

    def view(self, base: str) -> str:
        """Return the address of the view of all trials on the server at ``base``."""
        return view_address(base, self.experiment_id, sweep_key(self.sweep_id))

    def front(self, base: str) -> str:
        """Return the address of the view of the front."""
        key = sweep_key(self.sweep_id, front_only=True)
        return view_address(base, self.experiment_id, key)

    def comparison(self, base: str) -> str:
        """Return the address of the view that compares the sweeps of the experiment."""
        return view_address(base, self.experiment_id, COMPARISON_KEY)

    def page(self, base: str) -> str:
        """Return the address of the page of the sweep's run."""
        return run_address(base, self.experiment_id, self.run_id)


def publish(
    report: SweepReport, info: SweepInfo, store: ReportSink, *, settled: bool = True
) -> SweepPlace:
    """Upload the report's files, note, hypervolume curve and views; return the sweep's pages.

    A later report replaces files, note and views, and extends the curve.

    Args:
        report: Report of the sweep so far.
        info: Facts about the sweep.
        store: Opened tracking store.
        settled: Whether the reference point is final. The curve is logged only then, because
            MLflow cannot delete a point.

    Raises:
        TrackingError: the store refused a request.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_files(report, Path(folder))
        store.upload(Path(folder), FOLDER)
    return publish_figures(report, info, store, settled=settled)


def publish_figures(
    report: SweepReport, info: SweepInfo, store: ReportSink, *, settled: bool = True
) -> SweepPlace:
    """Publish everything but the files; see ``publish``."""
    place = SweepPlace(
        sweep_id=info.sweep_id, experiment_id=store.experiment_id, run_id=store.parent_run_id
    )
    tags = {names.NOTE: _note(report, info, store, place)}
    if report.completed:
        tags[names.REFERENCE_POINT] = json.dumps(dict(report.reference_point))
    points = _figure_points(report, info)
    if settled:
        points = _curve_points(report, info) + points
    store.push_sweep(points, tags)
    _save_views(report, info, store)
    return place


def _write_files(report: SweepReport, folder: Path) -> None:
    (folder / "pareto.png").write_bytes(to_png(report))
    (folder / THUMBNAIL).write_bytes(to_png(report, dpi=88))
    (folder / "pareto.html").write_text(to_html(report), encoding="utf-8")
    (folder / "trials.csv").write_text(to_csv(report), encoding="utf-8")
    (folder / "report.json").write_text(to_json(report), encoding="utf-8")


def _note(report: SweepReport, info: SweepInfo, store: ReportSink, place: SweepPlace) -> str:
    facts = {
        "seed": None if info.seed is None else str(info.seed),
        "data set": info.dataset_digest,
        "commit": info.git_commit,
        "versions": ", ".join(f"{name} {version}" for name, version in info.versions.items()),
    }
    return to_markdown(
        report,
        picture=f"get-artifact?path={FOLDER}%2F{THUMBNAIL}&run_uuid={place.run_id}",
        trial_links={
            trial_id: run_address("", place.experiment_id, run_id)
            for trial_id, run_id in store.run_ids.items()
        },
        views=[
            ("Charts of all trials", place.view("")),
            ("Charts of the front", place.front("")),
            ("Sweeps compared", place.comparison("")),
            (
                "Interactive plot",
                run_address(
                    "", place.experiment_id, place.run_id, artifact=f"{FOLDER}/pareto.html"
                ),
            ),
        ],
        facts=[(name, value) for name, value in facts.items() if value],
    )


def _curve_points(report: SweepReport, info: SweepInfo) -> list[Point]:
    return [
        Point(name, value, each.ended, info.at_ms(each.seconds))
        for each in report.curve
        for name, value in (
            ("hypervolume", each.hypervolume),
            ("hypervolume_share", report.share_of(each.hypervolume)),
        )
    ]


def _figure_points(report: SweepReport, info: SweepInfo) -> list[Point]:
    if not report.curve:
        return []
    last = report.curve[-1]
    figures = {"front_size": float(len(report.front))}
    if report.effort.device_hours_saved is not None:
        figures["device_hours_saved"] = report.effort.device_hours_saved
    if report.held_out is not None and report.held_out.kendall_tau is not None:
        figures["test_kendall_tau"] = report.held_out.kendall_tau
    return [
        Point(name, value, last.ended, info.at_ms(last.seconds)) for name, value in figures.items()
    ]


def _save_views(report: SweepReport, info: SweepInfo, store: ReportSink) -> None:
    keys = store.metric_keys()
    saved = [
        sweep_view(
            report, parent_run_id=store.parent_run_id, metric_keys=keys, front_only=front_only
        )
        for front_only in (False, True)
    ]
    saved.append(comparison_view([each.name for each in report.objectives]))
    created_ms = info.at_ms(report.effort.seconds)
    tags: dict[str, str | None] = {view.tag: view.value(created_ms) for view in saved}
    surplus = surplus_views(store.experiment_tags(), [view.key for view in saved])
    store.tag_experiment({**dict.fromkeys(surplus), **tags})


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
        client.log_artifact(run_id, str(each.path), ARTIFACT_FOLDER)
    if new:
        client.log_artifact(run_id, str(new[0].path.with_name(RECORD)), ARTIFACT_FOLDER)
    for each in new:  # last, so that an interrupted upload is repeated
        client.set_tag(run_id, f"{TAG}{each.format}", wanted[f"{TAG}{each.format}"])


def _text(artifact: Artifact) -> str:
    parts = [f"{artifact.size_bytes / 1e6:.2f} MB"]
    if artifact.verification is not None:
        check = artifact.verification
        parts += [f"mIoU {check.miou:.4f}", f"same class {check.agreement:.2%}"]
    return ", ".join([*parts, f"sha256 {artifact.sha256}"])
