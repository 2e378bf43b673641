"""Charts of the MLflow UI in the format of its saved views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from orchestrator.report.labels import label

if TYPE_CHECKING:
    from collections.abc import Sequence

Card: TypeAlias = dict[str, Any]
XAxis: TypeAlias = Literal["step", "metric"]

RUNS_PER_CHART = 100


def scatter(uuid: str, section: str, *, x: str, y: str) -> Card:
    """Return a scatter plot of metric ``y`` over metric ``x``."""
    return {
        **_card(uuid, section, "SCATTER", f"{label(y).title} against {label(x).title}"),
        "xaxis": _axis(x),
        "yaxis": _axis(y),
    }


def contour(uuid: str, section: str, *, x: str, y: str, z: str) -> Card:
    """Return a contour plot of metric ``z`` over two others."""
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
    """Return a parallel coordinates plot of params and metrics."""
    return {
        **_card(uuid, section, "PARALLEL", title),
        "selectedParams": list(params),
        "selectedMetrics": list(metrics),
        "showAllRuns": True,
    }


def line(uuid: str, section: str, *, metric: str, title: str, over: str | None = None) -> Card:
    """Return a line chart of ``metric`` over its steps or over another metric."""
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
    """Return a bar chart of ``metric``."""
    return {**_card(uuid, section, "BAR", label(metric).title), "metricKey": metric}


def hidden(metric: str, section: str) -> Card:
    """Return a deleted card, which keeps the UI from generating a chart of ``metric``."""
    return {
        **_card(f"none-{metric}", section, "BAR", ""),
        "metricKey": metric,
        "deleted": True,
        "isGenerated": True,
    }


def section(uuid: str, title: str, *, columns: int = 2, height: int = 420) -> dict[str, Any]:
    """Return a section of the page with ``columns`` cards in a row."""
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
