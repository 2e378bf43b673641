"""Saved views of the MLflow UI, which are tags of the experiment, and their addresses."""

from __future__ import annotations

import base64
import json
import re
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from orchestrator.report.labels import label
from orchestrator.report.plot.axes import choose_axes
from orchestrator.report.text import config_names
from orchestrator.tracking import names
from orchestrator.tracking.pages import cards

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from orchestrator.report.model import SweepReport
    from orchestrator.tracking.pages.cards import Card

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


TAG_PREFIX = "mlflow.sharedViewState."
MAX_TAG_CHARACTERS = 20_000
MAX_VIEWS = 40
"""Limit of the UI for one experiment."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedView:
    """A saved view: filter, order, columns and charts of the runs page."""

    key: str
    """Slug in the tag's name and in the address."""
    name: str
    """Title in the list of views."""
    search: str
    """MLflow filter of the runs."""
    order_by: str
    """Column to sort by."""
    ascending: bool
    columns: tuple[str, ...]
    """Columns of the table, in order."""
    cards: tuple[Card, ...]
    sections: tuple[dict[str, Any], ...]

    @property
    def tag(self) -> str:
        """Name of the experiment tag."""
        return TAG_PREFIX + self.key

    def value(self, created_ms: int) -> str:
        """Return the value of the experiment tag.

        Raises:
            ValueError: the view is too large for a tag.
        """
        packed = base64.b64encode(zlib.compress(json.dumps(self.state()).encode(), 9)).decode()
        text = json.dumps(
            {
                "name": self.name,
                "createdAt": created_ms,
                "updatedAt": created_ms,
                "state": f"deflate;{packed}",
            }
        )
        if len(text) > MAX_TAG_CHARACTERS:
            raise ValueError(
                f"the view {self.name!r} has {len(text)} characters, a tag at most "
                f"{MAX_TAG_CHARACTERS}; show fewer metrics"
            )
        return text

    def state(self) -> dict[str, Any]:
        """Return the view as state of the UI."""
        return {
            "searchFilter": self.search,
            "orderByKey": self.order_by,
            "orderByAsc": self.ascending,
            "startTime": "ALL",
            "lifecycleFilter": "Active",
            "modelVersionFilter": "All Runs",
            "datasetsFilter": [],
            "selectedColumns": list(self.columns),
            "columnOrder": list(self.columns),
            "columnWidths": {},
            "compareRunCharts": list(self.cards),
            "compareRunSections": list(self.sections),
            "isAccordionReordered": True,
            "runsHiddenMode": "SHOW_ALL",
            "runsHidden": [],
            "runsPinned": [],
            "viewMaximized": False,
            "runListHidden": False,
            "useGroupedValuesInCharts": False,
            "hideEmptyCharts": True,
            "groupBy": None,
            "groupsExpanded": {},
            "chartsSearchFilter": "",
            "globalLineChartConfig": {
                "xAxisKey": "step",
                "lineSmoothness": 0,
                "selectedXAxisMetricKey": "",
            },
        }


def surplus_views(tags: Mapping[str, str], keep: Iterable[str]) -> list[str]:
    """Return the tags of the oldest views to delete so that the views ``keep`` fit."""
    kept = {TAG_PREFIX + key for key in keep}
    others = [name for name in tags if name.startswith(TAG_PREFIX) and name not in kept]
    others.sort(key=lambda name: _updated(tags[name]))
    return others[: max(0, len(others) + len(kept) - MAX_VIEWS)]


def _updated(value: str) -> float:
    try:
        return float(json.loads(value)["updatedAt"])
    except (ValueError, KeyError, TypeError):
        return 0.0


def sweep_view(
    report: SweepReport,
    *,
    parent_run_id: str,
    metric_keys: Iterable[str],
    front_only: bool = False,
) -> SavedView:
    """Return the view of a sweep's trials, or of its front.

    Args:
        report: Report of the sweep, with its objectives and dimensions.
        parent_run_id: Run of the sweep.
        metric_keys: Metrics of its trials.
        front_only: Whether to show only the front.
    """
    search = names.children_filter(report.sweep_id, parent_run_id)
    if front_only:
        search += " AND " + names.tag_filter(pareto="true")
    first = report.objectives[0]
    aims = [each.name for each in report.objectives]
    keys = list(metric_keys)
    params = _varied_params(report)
    return SavedView(
        key=sweep_key(report.sweep_id, front_only=front_only),
        name=f"{report.sweep_id}: {'Pareto front' if front_only else 'all trials'}",
        search=search,
        order_by=_metric(first.name if front_only else names.PARETO_RANK),
        ascending=not front_only or first.direction == "minimize",
        columns=(
            *(_metric(name) for name in [names.PARETO_RANK, *aims]),
            *(_tag(name) for name in (names.TRIAL_STATE, names.PARETO)),
            *(_param(name) for name in params),
        ),
        cards=(
            *_front_cards(report, keys),
            cards.parallel(
                "parallel",
                "space",
                params=params,
                metrics=[*aims[1:], aims[0]],  # the last metric sets the line colour
                title="All dimensions together",
            ),
            *_curve_cards(keys),
            *(cards.hidden(key, "curves") for key in keys),
        ),
        sections=(
            cards.section("front", "Pareto front"),
            cards.section("space", "Search space", columns=1, height=460),
            cards.section("curves", "Learning curves"),
        ),
    )


def comparison_view(objectives: Sequence[str]) -> SavedView:
    """Return the view that compares the sweeps of an experiment."""
    best = [f"best_{name}" for name in objectives]
    volume = "hypervolume_share"
    hours = "device_hours"
    curves = {volume: "Hypervolume", best[0]: f"Best {label(objectives[0]).title}"}
    figures = [volume, "front_size", *best, "completed", "ended", hours]
    return SavedView(
        key=COMPARISON_KEY,
        name="Sweeps compared",
        search=names.tag_filter(sweep__role="sweep"),
        order_by="attributes.start_time",
        ascending=False,
        columns=(*(_metric(n) for n in figures), _tag(names.DATASET_DIGEST), _tag(names.SEED)),
        cards=(
            *(
                cards.line(
                    f"{name}-{over or 'trials'}", "sweeps", metric=name, title=title, over=over
                )
                for name, what in curves.items()
                for over, title in ((None, f"{what} by trials"), (hours, f"{what} by device-hours"))
            ),
            *(cards.bar(f"bar-{name}", "sweeps", metric=name) for name in (volume, *best)),
            cards.scatter("effort", "sweeps", x=hours, y=best[0]),
            *(
                cards.hidden(key, "sweeps")
                for key in [*figures, "hypervolume", "device_hours_saved"]
            ),
        ),
        sections=(cards.section("sweeps", "Sweeps"),),
    )


def _front_cards(report: SweepReport, keys: Sequence[str]) -> list[Card]:
    axes = choose_axes(report)
    rest = [each.name for each in report.objectives if each.name not in {axes.x.name, axes.y.name}]
    charts = [cards.scatter("front-x", "front", x=axes.x.name, y=axes.y.name)]
    charts += [cards.scatter(f"front-{name}", "front", x=name, y=axes.y.name) for name in rest]
    if "params" in keys and "params" not in {axes.x.name, *rest}:
        charts.append(cards.scatter("front-params", "front", x="params", y=axes.y.name))
    if rest:
        charts.append(cards.contour("contour", "front", x=axes.x.name, y=rest[0], z=axes.y.name))
    return charts


def _curve_cards(keys: Sequence[str]) -> list[Card]:
    wanted = ("miou", "val_loss", "train_loss", "pixel_accuracy")
    return [
        cards.line(
            f"curve-{name}", "curves", metric=names.EPOCH_PREFIX + name, title=f"{name} by epoch"
        )
        for name in wanted
        if names.EPOCH_PREFIX + name in keys
    ]


def _varied_params(report: SweepReport) -> list[str]:
    """Return the dimensions with more than one value, in the order of the space."""
    return [
        name
        for name in config_names(report.rows)
        if len({str(row.config.get(name)) for row in report.rows}) > 1
    ]


def _metric(name: str) -> str:
    return f"metrics.`{name}`"


def _param(name: str) -> str:
    return f"params.`{name}`"


def _tag(name: str) -> str:
    return f"tags.`{name}`"
