"""One saved view of the MLflow UI, as the experiment tag that the UI reads it from.

Source: the UI's own format as of MLflow 3.17, which is not documented; an address whose view is not
understood still opens the experiment.
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
"""Views that an experiment may have in the UI."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SavedView:
    """A page of the MLflow UI: which runs, in which order, with which columns and charts."""

    key: str
    """Last part of the tag's name, also in the address; a slug."""
    name: str
    """Title in the UI's list of views."""
    search: str
    """MLflow filter of the runs."""
    order_by: str
    """Column that sorts the runs."""
    ascending: bool
    columns: tuple[str, ...]
    """Columns of the table, in order."""
    cards: tuple[Card, ...]
    sections: tuple[dict[str, Any], ...]

    @property
    def tag(self) -> str:
        """Name of the experiment tag that holds the view."""
        return TAG_PREFIX + self.key

    def value(self, created_ms: int) -> str:
        """Return the tag's value.

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
                f"the view {self.name!r} takes {len(text)} characters, a tag holds "
                f"{MAX_TAG_CHARACTERS}; show fewer metrics"
            )
        return text

    def state(self) -> dict[str, Any]:
        """Return the view as the UI's own state."""
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
    """Return the oldest views' tags that must go so that ``keep`` find room beside the others."""
    kept = {TAG_PREFIX + key for key in keep}
    others = [name for name in tags if name.startswith(TAG_PREFIX) and name not in kept]
    others.sort(key=lambda name: _updated(tags[name]))
    return others[: max(0, len(others) + len(kept) - MAX_VIEWS)]


def _updated(value: str) -> float:
    try:
        return float(json.loads(value)["updatedAt"])
    except (ValueError, KeyError, TypeError):
        return 0.0
