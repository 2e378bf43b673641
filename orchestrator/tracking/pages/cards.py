"""Charts of the MLflow UI as the values its saved views hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from orchestrator.report.labels import label

if TYPE_CHECKING:
    from collections.abc import Sequence

Card: TypeAlias = dict[str, Any]
XAxis: TypeAlias = Literal["step", "metric"]

RUNS_PER_CHART = 100


def scatter(uuid: str, section: str, *, x: str, y: str) -> Card:
    """Return a chart of one dot per run, metric ``y`` over metric ``x``."""
    return {
        **_card(uuid, section, "SCATTER", f"{label(y).title} against {label(x).title}"),
        "xaxis": _axis(x),
        "yaxis": _axis(y),
    }


def contour(uuid: str, section: str, *, x: str, y: str, z: str) -> Card:
    """Return a chart of metric ``z`` as height over two others."""
    title = f"{label(z).title} over {label(x).title} and {label(y).title}"
    return {
        **_card(uuid, section, "CONTOUR", title),
        "xaxis": _axis(x),
        "yaxis": _axis(y),
        "zaxis": _axis(z),
    }


def parallel(
    uuid: str, section: str, *, params: Sequence[str], metrics: Sequence[str], title: str
) -> Card:
    """Return parallel coordinates: one line per run through its settings and figures."""
    return {
        **_card(uuid, section, "PARALLEL", title),
        "selectedParams": list(params),
        "selectedMetrics": list(metrics),
        "showAllRuns": True,
    }


def line(uuid: str, section: str, *, metric: str, title: str, over: str | None = None) -> Card:
    """Return a chart of one line per run, ``metric`` over its steps, or over another metric."""
    x: XAxis = "step" if over is None else "metric"
    return {
        **_card(uuid, section, "LINE", title),
        "metricKey": metric,
        "selectedMetricKeys": [metric],
        "lineSmoothness": 0,
        "xAxisKey": x,
        "selectedXAxisMetricKey": over or "",
        "xAxisScaleType": "linear",
        "scaleType": "linear",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "range": {},
        "ignoreOutliers": False,
        "useGlobalLineSmoothing": False,
        "useGlobalXaxisKey": False,
    }


def bar(uuid: str, section: str, *, metric: str) -> Card:
    """Return a chart of one bar per run."""
    return {**_card(uuid, section, "BAR", label(metric).title), "metricKey": metric}


def without(metric: str, section: str) -> Card:
    """Return the card that keeps the UI from adding a chart of ``metric`` by itself."""
    return {
        **_card(f"none-{metric}", section, "BAR", ""),
        "metricKey": metric,
        "deleted": True,
        "isGenerated": True,
    }


def section(uuid: str, title: str, *, columns: int = 2, height: int = 420) -> dict[str, Any]:
    """Return a part of the page that holds cards, ``columns`` beside each other."""
    return {
        "uuid": uuid,
        "name": title,
        "display": True,
        "isReordered": True,
        "deleted": False,
        "isGenerated": False,
        "columns": columns,
        "cardHeight": height,
    }


def _card(uuid: str, section_uuid: str, kind: str, title: str) -> Card:
    return {
        "uuid": uuid,
        "type": kind,
        "deleted": False,
        "isGenerated": False,
        "metricSectionId": section_uuid,
        "runsCountToCompare": RUNS_PER_CHART,
        "displayName": title,
    }


def _axis(metric: str) -> dict[str, str]:
    return {"key": metric, "type": "METRIC"}
