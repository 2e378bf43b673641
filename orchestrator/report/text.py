"""The report as JSON, CSV, Markdown and as tables for a terminal."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.forecast.plan import score_line
from orchestrator.ledger.interruptions import interruptions_line
from orchestrator.report.analysis import TEST_MIOU
from orchestrator.report.labels import label
from orchestrator.report.tables import (
    deployable_facts,
    deployable_markdown,
    deployable_tables,
    held_out_facts,
    held_out_line,
)
from trainables.session.messages import MICRO_BATCHES, UNDISTURBED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Group
    from rich.table import Table

    from orchestrator.report.model import ReportRow, SweepReport
    from search_spaces.domains import Value

_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)
_BRIEF = ("arch", "backbone", "width", "output_stride", "resolution", "quantization", "pruning")
_PREFIXES = {"width": "w", "output_stride": "os"}


def to_json(report: SweepReport) -> str:
    """Return the report as one JSON object; ``front`` has ids of ``trials``.

    Each trial is one line, which is fast for thousands of trials and easy to search.
    """
    head = json.dumps(_sweep_facts(report), indent=2, allow_nan=False).removesuffix("\n}")
    facts = (_trial_facts(row, tested=report.held_out is not None) for row in report.rows)
    trials = ",\n    ".join(json.dumps(each, allow_nan=False) for each in facts)
    return f'{head},\n  "trials": [\n    {trials}\n  ]\n}}'


def _sweep_facts(report: SweepReport) -> dict[str, object]:
    return {
        "sweep_id": report.sweep_id,
        "completed": report.completed,
        "counts": dict(report.counts),
        "directions": {each.name: each.direction for each in report.objectives},
        "hypervolume": report.hypervolume,
        "hypervolume_share": report.hypervolume_share,
        "reference_point": dict(report.reference_point),
        "front": [row.trial_id for row in report.front],
        "knee": report.knee,
        "best": dict(report.best),
        "device_hours": report.effort.device_hours,
        "device_hours_saved": report.effort.device_hours_saved,
        "interruptions": report.interruptions.facts(),
        "plan": [
            {
                "name": each.name,
                "low": each.planned.low,
                "median": each.planned.median,
                "high": each.planned.high,
                "actual": each.actual,
                "within": each.within,
            }
            for each in report.plan
        ],
        **held_out_facts(report),
        "data_warnings": list(report.data_warnings),
        **deployable_facts(report),
    }


def _trial_facts(row: ReportRow, *, tested: bool) -> dict[str, object]:
    return {
        "id": row.trial_id,
        "state": row.state,
        "config": dict(row.config),
        "objectives": dict(row.objectives),
        **({TEST_MIOU: row.test_miou} if tested else {}),
        "pareto_rank": row.rank,
        "epochs": row.epochs,
        "reason": row.reason,
        **({"baseline": row.baseline} if row.baseline else {}),
        **({UNDISTURBED: not row.disturbed} if UNDISTURBED in row.metrics else {}),
        **({MICRO_BATCHES: row.micro_batches} if row.micro_batches > 1 else {}),
    }


def to_csv(report: SweepReport) -> str:
    """Return all trials as CSV with a header: metrics as ``metric``, settings as ``config.name``.

    Missing values are empty cells.
    """
    objectives = [each.name for each in report.objectives]
    metrics = sorted({name for row in report.rows for name in row.metrics} - set(objectives))
    config = config_names(report.rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    named = ["baseline"] if report.baselines else []
    tested = [] if report.held_out is None else [TEST_MIOU]
    writer.writerow(
        ["trial", "state", "pareto_rank", "knee", "epochs", *objectives, *tested, *metrics]
        + [f"config.{name}" for name in config]
        + ["reason", *named]
    )
    for row in report.rows:
        writer.writerow(
            [row.trial_id, row.state, row.rank, row.knee, row.epochs]
            + [row.objectives[name] for name in objectives]
            + [row.test_miou for _ in tested]
            + [row.metrics.get(name) for name in metrics]
            + [row.config.get(name) for name in config]
            + [row.reason, *([row.baseline] if named else [])]
        )
    return text.getvalue()


def config_names(rows: Sequence[ReportRow]) -> list[str]:
    """Return every dimension of any row, in order of first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row.config))


def brief(config: Mapping[str, Value]) -> str:
    """Return the main settings of a config in one line."""
    shown = [
        f"{_PREFIXES.get(name, '')}{config[name]}"
        for name in _BRIEF
        if config.get(name, "none") != "none"
    ]
    return " ".join(shown) or ", ".join(f"{k}={v}" for k, v in list(config.items())[:4])


def what_it_is(row: ReportRow) -> str:
    """Return the main settings of a trial's config, after the name of a baseline."""
    return f"{row.baseline}: {brief(row.config)}" if row.baseline else brief(row.config)


def counts_line(report: SweepReport) -> str:
    """Return the number of trials in each state that has trials."""
    counted = [f"{count} {state}" for state, count in report.counts.items() if count]
    trials = "1 trial" if len(report.rows) == 1 else f"{len(report.rows)} trials"
    return f"{trials}: {', '.join(counted)}" if counted else "no trials"


def common_reason(report: SweepReport) -> str:
    """Return the most frequent reason of incomplete trials as a line; empty without any.

    Reasons that differ only in numbers count as one; the first is shown.
    """
    ended = [row for row in report.rows if row.state != "complete" and row.reason]
    kinds = [(row.state, _NUMBER.sub("#", row.reason)) for row in ended]
    if not kinds:
        return ""
    kind, count = Counter(kinds).most_common(1)[0]
    row = ended[kinds.index(kind)]
    return f"most frequent reason ({count} of {len(report.rows)} trials {row.state}): {row.reason}"


def effort_line(report: SweepReport) -> str:
    """Return the device time that the sweep used and saved, as a line."""
    effort = report.effort
    text = f"{effort.epochs} epochs in {effort.device_hours:.2f} device-hours"
    if effort.device_hours_saved:
        text += (
            f"; about {effort.device_hours_saved:.2f} saved, {effort.stop_epochs_saved} epochs by "
            f"early stopping and {effort.gate_epochs_saved} by the cost gate"
        )
    return text


def disturbed_line(report: SweepReport) -> str:
    """Return the trials of the front with disturbed latencies as a line; empty without any."""
    marked = [row.trial_id for row in report.front if row.disturbed]
    if not marked:
        return ""
    return (
        f"~ latency disturbed by other load: {', '.join(marked)}; it may be too high "
        "(promote repeats the measurement)"
    )


def micro_batches_line(report: SweepReport) -> str:
    """Return the trials of the front whose batches did not fit as a line; empty without any."""
    marked = [
        f"{row.trial_id} ({row.micro_batches})" for row in report.front if row.micro_batches > 1
    ]
    if not marked:
        return ""
    return (
        f"trained in micro-batches, as memory ran out: {', '.join(marked)}; BatchNorm normalised "
        "each by its own statistics, so the mIoU may differ from that of whole batches"
    )


def volume_line(report: SweepReport) -> str:
    """Return the hypervolume's share and reference point as a line."""
    reference = ", ".join(
        f"{label(name).heading} {label(name).show(value)}"
        for name, value in report.reference_point.items()
    )
    share = f"{100 * report.hypervolume_share:.1f} % of a perfect trial's"
    return f"hypervolume {share}; reference point: {reference}"


def front_table(report: SweepReport) -> Table:
    """Return the front as a rich table; a star marks the knee point."""
    from rich.table import Table  # noqa: PLC0415 - keeps the module light

    table = Table(title=f"Pareto front of {report.sweep_id}", title_justify="left")
    table.add_column("trial", no_wrap=True)
    for each in report.objectives:
        arrow = "↑" if each.direction == "maximize" else "↓"
        table.add_column(f"{label(each.name).heading} {arrow}", justify="right", no_wrap=True)
    tested = report.held_out is not None
    if tested:
        table.add_column(label(TEST_MIOU).heading, justify="right", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    for row in report.front:
        values = [row.shown(each.name) for each in report.objectives]
        values += [label(TEST_MIOU).show(row.test_miou)] if tested else []
        mark = " ★" if row.knee else ""
        style = "bold" if row.knee else None
        table.add_row(f"{row.trial_id}{mark}", *values, what_it_is(row), style=style)
    return table


def summary(report: SweepReport) -> Group:
    """Return the front's table and the figures of the sweep for a rich console."""
    from rich.console import Group  # noqa: PLC0415 - keeps the module light
    from rich.text import Text  # noqa: PLC0415

    lines = [counts_line(report), effort_line(report)]
    if interrupted := interruptions_line(report.interruptions):
        lines.append(interrupted)
    if report.plan:
        lines.append(score_line(report.plan))
    lines += [f"data: {warning}" for warning in report.data_warnings]
    if report.front:
        lines.append(volume_line(report))
        lines.append(f"★ knee point {report.knee}: the best compromise on the front")
        lines += filter(
            None, [held_out_line(report), disturbed_line(report), micro_batches_line(report)]
        )
        below = deployable_tables(report)
        return Group(front_table(report), *(Text(line) for line in lines), *below)
    lines.append("no trial is complete, so the front is empty")
    if reason := common_reason(report):
        lines.append(reason)
    return Group(*(Text(line) for line in lines))


MAX_CHARACTERS = 7500
"""Length limit of a tracking store's description, with a margin."""
MAX_WARNINGS = 5
"""Most warnings of the data check on the page; the front has priority."""


def to_markdown(
    report: SweepReport,
    *,
    picture: str | None = None,
    trial_links: Mapping[str, str] | None = None,
    views: Sequence[tuple[str, str]] = (),
    facts: Sequence[tuple[str, str]] = (),
) -> str:
    """Return a page of at most ``MAX_CHARACTERS``: views, image, front, figures, facts.

    Omitted rows of the front are counted.

    Args:
        report: The report.
        picture: Address of the front's image.
        trial_links: Address of each trial's page.
        views: Title and address of each saved view.
        facts: Name and value of further facts: seed, data set, versions.
    """
    head = [f"# Sweep {report.sweep_id}", ""]
    if views:
        head += [" · ".join(f"**[{title}]({address})**" for title, address in views), ""]
    if picture:
        head += [f"![Pareto front]({picture})", ""]
    tail = ["", *_figures(report), "", *(f"- {name}: {_cell(value)}" for name, value in facts)]
    if not report.front:
        return "\n".join([*head, "No trial has completed yet.", *tail])[:MAX_CHARACTERS]
    head += ["## Pareto front", "", *_table_head(report)]
    room = MAX_CHARACTERS - len("\n".join([*head, *tail])) - 60
    rows: list[str] = []
    for row in report.front:
        line = _table_row(report, row, (trial_links or {}).get(row.trial_id))
        room -= len(line) + 1
        if room < 0:
            break
        rows.append(line)
    left = len(report.front) - len(rows)
    if left:
        tail = ["", f"{left} more are in `pareto/trials.csv`.", *tail]
    elif room > 0:
        tail = [*deployable_markdown(report, room), *tail]
    return "\n".join([*head, *rows, *tail])[:MAX_CHARACTERS]


def _table_head(report: SweepReport) -> list[str]:
    titles = [
        f"{label(each.name).heading} {'↑' if each.direction == 'maximize' else '↓'}"
        for each in report.objectives
    ]
    titles += [] if report.held_out is None else [label(TEST_MIOU).heading]
    return [
        "| " + " | ".join(["trial", *titles, "configuration"]) + " |",
        "|" + "|".join(["---", *("---:" for _ in titles), "---"]) + "|",
    ]


def _table_row(report: SweepReport, row: ReportRow, address: str | None) -> str:
    name = f"[{row.trial_id}]({address})" if address else row.trial_id
    values = [row.shown(each.name) for each in report.objectives]
    values += [] if report.held_out is None else [label(TEST_MIOU).show(row.test_miou)]
    mark = " ★" if row.knee else ""
    return "| " + " | ".join([name + mark, *values, _cell(what_it_is(row))]) + " |"


def _figures(report: SweepReport) -> list[str]:
    lines = [f"- {counts_line(report)}", f"- {effort_line(report)}"]
    if interrupted := interruptions_line(report.interruptions):
        lines.append(f"- {interrupted}")
    shown = report.data_warnings[:MAX_WARNINGS]
    lines += [f"- data: {_cell(warning)[:200]}" for warning in shown]
    if left := len(report.data_warnings) - len(shown):
        lines.append(f"- {left} more warnings of the data check are in `pareto/report.json`")
    if report.front:
        lines += [
            f"- {volume_line(report)}",
            f"- ★ knee point: {report.knee}",
        ]
    if tested := held_out_line(report):
        lines.append(f"- {tested}")
    return lines


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
