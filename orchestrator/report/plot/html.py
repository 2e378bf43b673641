"""The front as a self-contained interactive HTML page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

from orchestrator.ledger.interruptions import interruptions_line
from orchestrator.report.analysis import TEST_MIOU
from orchestrator.report.labels import label
from orchestrator.report.plot.axes import (
    BASELINE_COLOUR,
    DOMINATED_COLOUR,
    FRONT_COLOUR,
    choose_axes,
    drawable,
    shown,
    span,
    staircase,
)
from orchestrator.report.tables import deployable_html, held_out_line
from orchestrator.report.text import brief, counts_line, disturbed_line, micro_batches_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.report.model import ReportRow, SweepReport
    from orchestrator.report.plot.axes import Axes

_MANY = 1000
"""Number of dots above which hover texts have short configs, to limit the page's size."""


def to_html(report: SweepReport) -> str:
    """Return an HTML page of about 5 MB, including plotly; hovering shows a trial's config."""
    import plotly.graph_objects as go  # noqa: PLC0415 - takes a second

    axes = choose_axes(report)
    rows = drawable(report, axes)
    on_front = [row for row in rows if row.rank == 0]
    dominated = [row for row in rows if row.rank != 0]
    scale = span(rows, axes.colour) if axes.colour else None
    figure = go.Figure()
    figure.add_trace(_line(staircase(on_front, axes), axes))
    figure.add_trace(_crosses(drawable(report, axes, "stopped"), axes))
    figure.add_trace(_dots(dominated, axes, scale, faint=True))
    figure.add_trace(_dots(on_front, axes, scale, faint=False))
    figure.add_trace(_knee([row for row in on_front if row.knee], axes))
    baselines = [row for row in rows if row.baseline]
    if baselines:
        figure.add_trace(_baselines(baselines, axes))
    figure.update_layout(
        title=f"{escape(report.sweep_id)} · {escape(counts_line(report))}",
        template="plotly_white",
        xaxis_title=label(axes.x.name).heading,
        yaxis_title=label(axes.y.name).heading,
        hoverlabel={"align": "left", "font": {"family": "monospace", "size": 12}},
        legend={"orientation": "h", "x": 1, "xanchor": "right", "y": 1.01, "yanchor": "bottom"},
        margin={"l": 70, "r": 30, "t": 80, "b": 60},
    )
    page: str = figure.to_html(
        include_plotlyjs=True,
        full_html=True,
        default_height="92vh",
        div_id="pareto",
        config={"displaylogo": False},
    )
    lines = [
        interruptions_line(report.interruptions),
        held_out_line(report),
        disturbed_line(report),
        micro_batches_line(report),
    ]
    below = "".join(f"<p>{escape(line)}</p>" for line in lines if line)
    below += "".join(f"<p>data: {escape(warning)}</p>" for warning in report.data_warnings)
    return page.replace("</body>", f"{below}{deployable_html(report)}</body>")


def hover_text(row: ReportRow, axes: Axes, *, whole: bool = True) -> str:
    """Return the hover text of a trial: metrics, then its config, whole or short."""
    names = dict.fromkeys([axes.y.name, axes.x.name, *row.objectives, *filter(None, [axes.colour])])
    marks = [f" · {escape(row.baseline)}"] if row.baseline else []
    marks += [" · knee point"] if row.knee else []
    lines = [f"<b>{escape(row.trial_id)}</b>{''.join(marks)}"]
    lines += [f"{escape(label(name).heading)}: {row.shown(name)}" for name in names]
    lines += ["latency disturbed by other load"] if row.disturbed else []
    lines += [f"trained in {row.micro_batches} micro-batches"] if row.micro_batches > 1 else []
    if row.test_miou is not None:
        lines.append(f"{label(TEST_MIOU).heading}: {label(TEST_MIOU).show(row.test_miou)}")
    if whole:
        config = [f"{escape(name)} = {escape(str(value))}" for name, value in row.config.items()]
    else:
        config = [escape(brief(row.config))]
    lines += ["", *config]
    return "<br>".join(lines)


def _trace(
    rows: Sequence[ReportRow],
    axes: Axes,
    name: str,
    *,
    mode: str = "markers",
    hover: Sequence[str] | None = None,
    **more: object,
) -> dict[str, Any]:
    """Return a scatter trace; without ``hover`` it shows no hover text."""
    texts: dict[str, object] = {"hoverinfo": "skip"}
    if hover is not None:
        texts = {"hovertext": hover, "hovertemplate": "%{hovertext}<extra></extra>"}
    return {
        "type": "scatter",
        "mode": mode,
        "name": name,
        "x": shown(rows, axes.x.name),
        "y": shown(rows, axes.y.name),
        **texts,
        **more,
    }


def _dots(
    rows: Sequence[ReportRow], axes: Axes, scale: tuple[float, float] | None, *, faint: bool
) -> dict[str, Any]:
    edge = DOMINATED_COLOUR if faint else FRONT_COLOUR
    marker: dict[str, Any] = {
        "size": 9 if faint else 13,
        "opacity": 0.45 if faint else 1.0,
        "line": {"color": edge, "width": 1 if faint else 2.5},
        "color": edge,
    }
    if axes.colour is not None and scale is not None:
        marker |= {
            "color": shown(rows, axes.colour),
            "colorscale": "Viridis",
            "reversescale": True,
            "cmin": scale[0],
            "cmax": scale[1],
            "showscale": not faint,
            "colorbar": {"title": {"text": label(axes.colour).heading}, "outlinewidth": 0},
        }
    whole = not faint or len(rows) <= _MANY
    return _trace(
        rows,
        axes,
        "dominated" if faint else "on the front",
        hover=[hover_text(row, axes, whole=whole) for row in rows],
        marker=marker,
        customdata=[row.trial_id for row in rows],
    )


def _crosses(rows: Sequence[ReportRow], axes: Axes) -> dict[str, Any]:
    """Return the last reported values of stopped trials."""
    few = len(rows) <= _MANY
    marker = {"symbol": "x-thin-open", "size": 7, "color": DOMINATED_COLOUR, "opacity": 0.6}
    hover = [
        f"{hover_text(row, axes, whole=few)}<br><br>epoch {row.epochs}: {escape(row.reason)}"
        for row in rows
    ]
    return _trace(rows, axes, "stopped early", hover=hover, marker=marker)


def _line(rows: Sequence[ReportRow], axes: Axes) -> dict[str, Any]:
    shape = "hv" if axes.x.direction == "minimize" else "vh"
    name = f"front in {label(axes.y.name).title} and {label(axes.x.name).title}"
    line = {"shape": shape, "color": FRONT_COLOUR, "width": 2}
    return _trace(rows, axes, name, mode="lines", line=line)


def _baselines(rows: Sequence[ReportRow], axes: Axes) -> dict[str, Any]:
    """Return markers around the baselines, with their names."""
    return _trace(
        rows,
        axes,
        "baselines",
        mode="markers+text",
        text=[escape(row.baseline) for row in rows],
        textposition="bottom right",
        textfont={"color": BASELINE_COLOUR, "size": 11},
        marker=_ring("diamond-open", 17, BASELINE_COLOUR, 1.5),
    )


def _knee(rows: Sequence[ReportRow], axes: Axes) -> dict[str, Any]:
    return _trace(rows, axes, "knee point", marker=_ring("circle-open", 24, "#111827", 2))


def _ring(symbol: str, size: int, colour: str, width: float) -> dict[str, Any]:
    return {"symbol": symbol, "size": size, "color": colour, "line": {"width": width}}
