"""Saved views of the MLflow UI, which are tags of the experiment.

Source: the undocumented format of the UI of MLflow 3.17. If the UI cannot parse a view, its address
still opens the experiment.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from orchestrator.tracking.pages.cards import Card

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
